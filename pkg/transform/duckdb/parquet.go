package duckdb

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

// parquetOptions read exactly the columns that the files hold: names of
// directories never add or replace one.
const parquetOptions = "hive_partitioning = false, union_by_name = false"

// parquetLayout finds the table's columns in a file and among its constants.
func (s *session) parquetLayout(t transform.Table, file source.File) (layout, error) {
	stored, err := s.columns("(FROM read_parquet([" + quoteText(literalPath(file.Path)) + "], " + parquetOptions + "))")
	if errors.Is(err, transform.ErrSQL) {
		// A file that is cut off is no fault of the SQL: another attempt may find it whole.
		return layout{}, errors.New(err.Error())
	}
	if err != nil {
		return layout{}, err
	}
	types := make(map[string]string, len(stored))
	names := make([]string, len(stored))
	for i, c := range stored {
		types[c.Name], names[i] = c.Type, c.Name
	}
	l := layout{function: "read_parquet", options: parquetOptions, values: make([]string, len(t.Schema))}
	for i, f := range t.Schema {
		c := column{Name: f.Name, Type: types[f.Name]}
		text, constant := file.Constants[f.Name]
		switch {
		case constant:
			if l.values[i], err = s.constant(f, text); err != nil {
				return layout{}, err
			}
		case c.Type == "" && t.Format == feature.Delta:
			l.values[i] = nullOf(f.Type) // the column is younger than the file
		case c.Type == "":
			return layout{}, fmt.Errorf("%w: there is no column %q (%s), only %s", transform.ErrSQL, f.Name, f.Type, strings.Join(names, ", "))
		case !c.readableAs(f.Type):
			return layout{}, fmt.Errorf("%w: column %q is %s, which cannot be read as the declared %s", transform.ErrSQL, f.Name, c.Type, f.Type)
		default:
			l.values[i] = c.as(f.Type)
		}
		switch {
		case f.Name != t.TimestampField:
		case constant || c.Type == "":
			l.where = between(l.values[i], timestampLiteral, t.Interval)
		default:
			l.where = c.within(t.Interval)
		}
	}
	return l, nil
}

// constant returns the literal of a text as a value of f.
func (s *session) constant(f feature.Field, text *string) (string, error) {
	if text == nil {
		return nullOf(f.Type), nil
	}
	if f.Type.IsArray() {
		return "", fmt.Errorf("%w: column %q partitions the table, so it is no %s", transform.ErrSQL, f.Name, f.Type)
	}
	rows, err := s.query("SELECT CAST(" + parse(quoteText(*text), f.Type) + " AS VARCHAR)")
	if err != nil {
		return "", err
	}
	if value := rows[0][0]; value != "" || *text == "" && f.Type == feature.String {
		return "CAST(" + quoteText(value) + " AS " + sqlTypes[f.Type] + ")", nil
	}
	return "", fmt.Errorf("%w: column %q: %q is no %s", transform.ErrSQL, f.Name, *text, f.Type)
}
