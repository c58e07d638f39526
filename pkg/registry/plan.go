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

// Plan is the difference between the newest generation and a repository.
type Plan struct {
	Workspace string   `json:"workspace"`
	Base      int64    `json:"base_generation"` // 0: nothing was applied yet
	Changes   []Change `json:"changes"`

	Repository feature.Repository `json:"-"` // with every view's schema filled in
}

// Planner plans changes of a workspace.
type Planner struct {
	Registry *Registry
	Engine   transform.Engine
}

// Plan judges the files and compares them with the newest generation. The error
// is a *repository.Error when the definitions are at fault, repository.ErrTooLarge
// or ErrWorkspace.
func (p *Planner) Plan(ctx context.Context, workspace string, files []repository.File) (Plan, error) {
	if err := CheckWorkspace(workspace); err != nil {
		return Plan{}, err
	}
	parsed, err := repository.Parse(files)
	if err != nil {
		return Plan{}, err
	}
	if err := p.describe(ctx, parsed); err != nil {
		return Plan{}, err
	}
	latest, err := p.Registry.Latest(ctx, workspace)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Plan{}, err
	}
	changes, err := diff(&latest.Repository, &parsed.Repository)
	if err != nil {
		return Plan{}, fmt.Errorf("compare with generation %d of %s: %w", latest.Number, workspace, err)
	}
	return Plan{Workspace: workspace, Base: latest.Number, Changes: changes, Repository: parsed.Repository}, nil
}

// describe fills in the schema of every view from its SQL and checks that the
// columns that the view needs are there with their types.
func (p *Planner) describe(ctx context.Context, parsed *repository.Parsed) error {
	var problems []repository.Problem
	for i := range parsed.BatchFeatureViews {
		definition := &parsed.BatchFeatureViews[i]
		report := func(field, format string, args ...any) {
			problems = append(problems, parsed.Locate(feature.Problem{
				Kind: "BatchFeatureView", Name: definition.Name, Field: field, Text: fmt.Sprintf(format, args...)}))
		}
		view, err := parsed.View(definition.Name)
		if err != nil {
			return err
		}
		schema, err := p.Engine.Describe(ctx, definition.Transformation, tables(view))
		if errors.Is(err, transform.ErrSQL) {
			report("transformation", "%v", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("check the SQL of %s: %w", definition.Name, err)
		}
		checkSchema(view, schema, report)
		definition.Schema = schema
	}
	if len(problems) > 0 {
		return &repository.Error{Problems: problems}
	}
	return nil
}

func tables(view feature.View) []transform.Table {
	tables := make([]transform.Table, len(view.Sources))
	for i, s := range view.Sources {
		tables[i] = transform.Table{Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField}
	}
	return tables
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
