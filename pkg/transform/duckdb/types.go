package duckdb

import (
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// column is a column of a file or a result; Type is DuckDB's name for its type.
type column struct{ Name, Type string }

const timestampTZ = "TIMESTAMP WITH TIME ZONE"

// resultTypes lists the types that a result may have, each with the feature
// type that holds all its values (nanoseconds are cut off).
var resultTypes = map[string]feature.Type{
	"BOOLEAN":      feature.Bool,
	"TINYINT":      feature.Int64,
	"SMALLINT":     feature.Int64,
	"INTEGER":      feature.Int64,
	"BIGINT":       feature.Int64,
	"UTINYINT":     feature.Int64,
	"USMALLINT":    feature.Int64,
	"UINTEGER":     feature.Int64,
	"FLOAT":        feature.Float64,
	"DOUBLE":       feature.Float64,
	"VARCHAR":      feature.String,
	"TIMESTAMP":    feature.Timestamp,
	"TIMESTAMP_S":  feature.Timestamp,
	"TIMESTAMP_MS": feature.Timestamp,
	"TIMESTAMP_NS": feature.Timestamp,
	timestampTZ:    feature.Timestamp,
}

// sqlTypes are DuckDB's types of the columns that the SQL and Arrow see.
var sqlTypes = map[feature.Type]string{
	feature.Bool:      "BOOLEAN",
	feature.Int64:     "BIGINT",
	feature.Float64:   "DOUBLE",
	feature.String:    "VARCHAR",
	feature.Timestamp: "TIMESTAMP",
}

// readableAs reports whether a file's column may be declared as t. Declaring a
// type is the author's word, so more is taken from files than from results.
func (c column) readableAs(t feature.Type) bool {
	if natural, ok := resultTypes[c.Type]; ok {
		return natural == t || natural == feature.Int64 && t == feature.Float64
	}
	switch t {
	case feature.Int64:
		return c.Type == "UBIGINT"
	case feature.Float64:
		return c.Type == "UBIGINT" || strings.HasPrefix(c.Type, "DECIMAL(")
	case feature.String:
		return c.Type == "UUID" || c.Type == "JSON"
	case feature.Timestamp:
		return c.Type == "DATE"
	}
	return false
}

// as returns the expression for c's values as t.
func (c column) as(t feature.Type) string {
	name := quoteName(c.Name)
	switch c.Type {
	case sqlTypes[t]:
		return name
	case timestampTZ:
		// A cast would ask the calendar for each value; the instant is all that is wanted.
		return "make_timestamp(epoch_us(" + name + "))"
	}
	return "CAST(" + name + " AS " + sqlTypes[t] + ")"
}

// within returns the condition that the timestamp column c lies in i. It
// compares the stored values where they can be compared, so that row groups are skipped.
func (c column) within(i window.Interval) string {
	if c.Type == timestampTZ {
		return between(quoteName(c.Name), "TIMESTAMPTZ '%s+00'", i)
	}
	return between(c.as(feature.Timestamp), timestampLiteral, i)
}

const timestampLiteral = "TIMESTAMP '%s'"

// between returns the condition that value lies in i; literal is the format of an instant.
func between(value, literal string, i window.Interval) string {
	return fmt.Sprintf("%s >= "+literal+" AND %s < "+literal, value, instant(i.Start), value, instant(i.End))
}

func instant(t window.Time) string { return t.Time().Format("2006-01-02 15:04:05.000000") }

// castAdvice returns the expression to write instead of c, whose type is none of resultTypes.
func (c column) castAdvice() string {
	name := quoteName(c.Name)
	switch {
	case strings.HasPrefix(c.Type, "DECIMAL("):
		return "CAST(" + name + " AS DOUBLE)"
	case strings.HasSuffix(c.Type, "INT"): // UBIGINT, HUGEINT, UHUGEINT
		return "CAST(" + name + " AS BIGINT)"
	case c.Type == "DATE":
		return "CAST(" + name + " AS TIMESTAMP)"
	case c.Type == "BLOB":
		return "hex(" + name + ")"
	case strings.HasPrefix(c.Type, "STRUCT("), strings.HasPrefix(c.Type, "MAP("), strings.HasSuffix(c.Type, "]"):
		return "CAST(to_json(" + name + ") AS VARCHAR)"
	}
	return "CAST(" + name + " AS VARCHAR)"
}
