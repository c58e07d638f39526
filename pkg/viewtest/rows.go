package viewtest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
)

// compareRows compares the SQL's result with the expected rows, as multisets, in
// the columns that are named.
func (r *run) compareRows(context.Context) error {
	if r.test.ExpectedRows == nil {
		return nil
	}
	named := make([]bool, len(r.columns))
	expected := make([][]feature.Value, len(r.test.ExpectedRows))
	for i, row := range r.test.ExpectedRows {
		values, err := r.values(fmt.Sprintf("expected_rows[%d]", i), row, r.columns)
		if err != nil {
			return err
		}
		expected[i] = make([]feature.Value, len(r.columns))
		for j, column := range r.columns {
			v, ok := values[column.Name]
			named[j] = named[j] || ok
			expected[i][j] = v
		}
	}
	unmatched := map[string]int{}
	for _, row := range r.rows {
		unmatched[r.render(row.values, named)]++
	}
	for i, row := range expected {
		text := r.render(row, named)
		if unmatched[text] == 0 {
			r.differ("expected_rows[%d]: the SQL returns no row %s", i, text)
			continue
		}
		unmatched[text]--
	}
	var surplus []string
	for text, n := range unmatched {
		surplus = append(surplus, slices.Repeat([]string{text}, n)...)
	}
	slices.Sort(surplus)
	for _, text := range surplus {
		r.differ("expected_rows: the SQL returns a row %s that is not expected", text)
	}
	return nil
}

// render shows the columns of a row that are named; rows that differ render
// differently.
func (r *run) render(row []feature.Value, named []bool) string {
	if !slices.Contains(named, true) {
		return "{}"
	}
	var parts []string
	for i, column := range r.columns {
		if named[i] {
			parts = append(parts, column.Name+": "+quoted(row[i]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// quoted renders a value so that a text cannot be taken for another type.
func quoted(v feature.Value) string {
	switch {
	case v.Type() == feature.String:
		return fmt.Sprintf("%q", v.Text())
	case v.Type().IsArray():
		var parts []string
		for e := range v.Elements() {
			parts = append(parts, quoted(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return v.String()
}
