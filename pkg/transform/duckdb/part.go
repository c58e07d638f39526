package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

// layout is how files become rows of a table. Files of equal layouts are read
// by one call.
type layout struct {
	function string   // that reads files
	options  string   // of function, after the files
	values   []string // an expression for each column of the table's schema
	where    string   // rows that are visible; empty: all
}

// part is the files of a table that have the same layout. Without files it
// stands for no rows.
type part struct {
	layout
	files []string
}

// parts groups the table's files by their layouts.
func (s *session) parts(ctx context.Context, t transform.Table) ([]part, error) {
	if len(t.Files) == 0 {
		return []part{{}}, nil
	}
	var parts []part
	index := make(map[string]int)
	for _, file := range t.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := s.layout(t, file)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", file.Path, err)
		}
		key := fmt.Sprintf("%q", l)
		i, ok := index[key]
		if !ok {
			i = len(parts)
			index[key] = i
			parts = append(parts, part{layout: l})
		}
		parts[i].files = append(parts[i].files, file.Path)
	}
	return parts, nil
}

func (s *session) layout(t transform.Table, file source.File) (layout, error) {
	switch t.Format {
	case feature.CSV:
		return csvLayout(t, file.Path)
	case feature.JSON:
		return jsonLayout(t, file.Path), nil
	}
	return s.parquetLayout(t, file)
}

// selectFrom returns the SELECT of the part's visible rows and columns.
func (p part) selectFrom(schema feature.Schema) string {
	values := make([]string, len(schema))
	for i, f := range schema {
		value := nullOf(f.Type)
		if len(p.files) > 0 {
			value = p.values[i]
		}
		values[i] = value + " AS " + quoteName(f.Name)
	}
	sql := "SELECT " + strings.Join(values, ", ")
	if len(p.files) == 0 {
		return sql + " WHERE false"
	}
	literal := make([]string, len(p.files))
	for i, file := range p.files {
		literal[i] = literalPath(file)
	}
	sql += " FROM " + p.function + "(" + quoteList(literal) + ", " + p.options + ")"
	if p.where != "" {
		sql += " WHERE " + p.where
	}
	return sql
}

func nullOf(t feature.Type) string { return "CAST(NULL AS " + sqlType(t) + ")" }
