package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/transform"
)

// describe fills in the schema of every view from its SQL, and checks what could
// not be checked without: that the columns are there that the view needs, and the
// features that services name.
func (p *Planner) describe(ctx context.Context, parsed *repository.Parsed) (map[string]transform.Description, error) {
	out := map[string]transform.Description{}
	var problems []repository.Problem
	for i := range parsed.BatchFeatureViews {
		definition := &parsed.BatchFeatureViews[i]
		report := func(field, format string, args ...any) {
			problems = append(problems, parsed.Locate(feature.Problem{
				Kind: KindView, Name: definition.Name, Field: field, Text: fmt.Sprintf(format, args...)}))
		}
		view, err := parsed.View(definition.Name)
		if err != nil {
			return nil, err
		}
		described, err := p.Engine.Describe(ctx, definition.Transformation, tables(view))
		if errors.Is(err, transform.ErrSQL) {
			report("transformation", "%v", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("check the SQL of %s: %w", definition.Name, err)
		}
		checkSchema(view, described.Schema, report)
		if described.UsesBounds && !definition.IncrementalBackfills {
			report("transformation", "uses $start_time or $end_time, so its result would depend on how a range is split into runs: "+
				"set incremental_backfills: true, which runs it for one window at a time, always")
		}
		definition.Schema = described.Schema
		out[definition.Name] = described
	}
	if len(problems) == 0 {
		for _, problem := range parsed.Validate() { // again, with the schemas
			problems = append(problems, parsed.Locate(problem))
		}
	}
	if len(problems) > 0 {
		return nil, &repository.Error{Problems: problems}
	}
	return out, nil
}

func checkSchema(view feature.View, schema feature.Schema, report func(field, format string, args ...any)) {
	want := append(view.JoinKeys(), feature.Field{Name: view.TimestampField, Type: feature.Timestamp})
	for _, column := range want {
		got, ok := schema.Lookup(column.Name)
		switch {
		case !ok:
			report("transformation", "the SQL returns no column %q of type %s; it returns %s", column.Name, column.Type, schema)
		case got.Type != column.Type:
			report("transformation", "the SQL returns %q as %s, want %s: cast it", column.Name, got.Type, column.Type)
		}
	}
	if name := view.AggregationSecondaryKey; name != "" {
		column, ok := schema.Lookup(name)
		switch {
		case !ok:
			report("aggregation_secondary_key", "the SQL returns no column %q, only %s", name, strings.Join(schema.Names(), ", "))
		case column.Type != feature.String && column.Type != feature.Int64:
			report("aggregation_secondary_key", "the SQL returns %q as %s, want String or Int64: cast it", name, column.Type)
		}
	}
	for i, a := range view.Aggregations {
		column, ok := schema.Lookup(a.Column)
		if !ok {
			report(fmt.Sprintf("aggregations[%d].column", i), "the SQL returns no column %q, only %s", a.Column, strings.Join(schema.Names(), ", "))
			continue
		}
		if _, err := a.Function.Output(column.Type); err != nil {
			report(fmt.Sprintf("aggregations[%d].function", i), "%v, the type of %q", err, a.Column)
		}
	}
	if len(view.Schema) > 0 && !slices.Equal(view.Schema, schema) {
		report("schema", "the SQL returns %s: leave the schema out or make it the same", schema)
	}
}
