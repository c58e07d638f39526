package duckdb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// column is a column of a file or a result; Type is DuckDB's name for its type.
type column struct{ Name, Type string }

const timestampTZ = "TIMESTAMP WITH TIME ZONE"

// naturalTypes has for DuckDB's scalar types the feature type that holds all their
// values (nanoseconds are cut off). Those that are missing no feature has.
var naturalTypes = map[string]feature.Type{
	"BOOLEAN":      feature.Bool,
	"TINYINT":      feature.Int64,
	"SMALLINT":     feature.Int64,
	"INTEGER":      feature.Int32,
	"BIGINT":       feature.Int64,
	"UTINYINT":     feature.Int64,
	"USMALLINT":    feature.Int64,
	"UINTEGER":     feature.Int64,
	"FLOAT":        feature.Float32,
	"DOUBLE":       feature.Float64,
	"VARCHAR":      feature.String,
	"TIMESTAMP":    feature.Timestamp,
	"TIMESTAMP_S":  feature.Timestamp,
	"TIMESTAMP_MS": feature.Timestamp,
	"TIMESTAMP_NS": feature.Timestamp,
	timestampTZ:    feature.Timestamp,
}

// wide has for each type of 32 bits the one of 64.
var wide = map[feature.Type]feature.Type{feature.Int32: feature.Int64, feature.Float32: feature.Float64}

// sqlTypes are DuckDB's types of the columns that the SQL and Arrow see.
var sqlTypes = map[feature.Type]string{
	feature.Bool:      "BOOLEAN",
	feature.Int32:     "INTEGER",
	feature.Int64:     "BIGINT",
	feature.Float32:   "FLOAT",
	feature.Float64:   "DOUBLE",
	feature.String:    "VARCHAR",
	feature.Timestamp: "TIMESTAMP",
}

func sqlType(t feature.Type) string {
	if t.IsArray() {
		return sqlType(t.Element()) + "[]"
	}
	return sqlTypes[t]
}

// element returns the elements of c as a column: of INTEGER[] and INTEGER[3] they
// are INTEGER.
func (c column) element() (column, bool) {
	if !strings.HasSuffix(c.Type, "]") {
		return column{}, false
	}
	return column{c.Name, c.Type[:strings.LastIndexByte(c.Type, '[')]}, true
}

// natural returns the feature type that holds all values of c; InvalidType if no
// feature has them. Arrays of instants none has.
func (c column) natural() feature.Type {
	element, ok := c.element()
	if !ok {
		return naturalTypes[c.Type]
	}
	t := element.natural()
	if t == feature.Timestamp {
		return feature.InvalidType
	}
	return feature.ArrayOf(t)
}

// described returns the type of a result's column over tables. An integer literal
// is an INTEGER to DuckDB: 32 bits count only where a source has them.
func (c column) described(tables []transform.Table) feature.Type {
	t := c.natural()
	if widened, narrow := wide[t]; narrow && !declared(tables, t) {
		return widened
	}
	return t
}

// declared reports whether tables have values of a scalar type.
func declared(tables []transform.Table, t feature.Type) bool {
	return slices.ContainsFunc(tables, func(table transform.Table) bool {
		return slices.ContainsFunc(table.Schema, func(f feature.Field) bool { return f.Type.Scalar() == t })
	})
}

// deliveredAs reports whether a result's column may be asked for as t: as its
// natural type, or with 64 bits where that has 32.
func (c column) deliveredAs(t feature.Type) bool {
	if element, ok := c.element(); ok {
		return t.IsArray() && element.deliveredAs(t.Element())
	}
	natural, ok := naturalTypes[c.Type]
	return ok && (natural == t || wide[natural] == t)
}

// readableAs reports whether a file's column may be declared as t. Declaring a
// type is the author's word, so more is taken from files than from results.
func (c column) readableAs(t feature.Type) bool {
	if element, ok := c.element(); ok {
		return t.IsArray() && element.readableAs(t.Element())
	}
	natural := naturalTypes[c.Type]
	if natural == t {
		return natural != feature.InvalidType
	}
	switch t {
	case feature.Int32, feature.Float32:
		return strings.HasSuffix(c.Type, "TINYINT") || strings.HasSuffix(c.Type, "SMALLINT")
	case feature.Int64:
		return natural == feature.Int32 || c.Type == "UBIGINT"
	case feature.Float64:
		return natural.Numeric() || c.Type == "UBIGINT" || strings.HasPrefix(c.Type, "DECIMAL(")
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
	case sqlType(t):
		return name
	case timestampTZ:
		// A cast would ask the calendar for each value; the instant is all that is wanted.
		return "make_timestamp(epoch_us(" + name + "))"
	}
	return "CAST(" + name + " AS " + sqlType(t) + ")"
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

// castAdvice returns the expression to write instead of c, which is of a type that
// no feature has.
func (c column) castAdvice() string {
	name := quoteName(c.Name)
	if c.Type == "BLOB" {
		return "hex(" + name + ")"
	}
	scalar, arrays := c, ""
	for element, ok := c.element(); ok; element, ok = element.element() {
		scalar, arrays = element, arrays+"[]"
	}
	to := "VARCHAR"
	switch {
	case strings.HasPrefix(scalar.Type, "STRUCT("), strings.HasPrefix(scalar.Type, "MAP("), len(arrays) > maxArrays*len("[]"):
		return "CAST(to_json(" + name + ") AS VARCHAR)"
	case strings.HasPrefix(scalar.Type, "DECIMAL("):
		to = "DOUBLE"
	case strings.HasSuffix(scalar.Type, "INT"): // UBIGINT, HUGEINT, UHUGEINT
		to = "BIGINT"
	case scalar.Type == "DATE" && arrays == "":
		to = "TIMESTAMP"
	}
	return "CAST(" + name + " AS " + to + arrays + ")"
}

// maxArrays is how deep feature.Type nests arrays.
const maxArrays = 3
