package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/transform"
)

// Action is what an apply does to one object.
type Action string

// The actions, by Tecton's names. Recreate means that the view's stored data is
// of no use to the new definition: it gets a new store under a new fingerprint.
const (
	Create   Action = "CREATE"
	Update   Action = "UPDATE"
	Recreate Action = "RECREATE"
	Delete   Action = "DELETE"
)

// FieldChange is one field that differs; values are JSON, empty when absent.
type FieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Change is what happens to one object.
type Change struct {
	Action      Action        `json:"action"`
	Kind        string        `json:"kind"`
	Name        string        `json:"name"`
	Fields      []FieldChange `json:"fields,omitempty"`
	Fingerprint string        `json:"fingerprint,omitempty"` // of a view's store
}

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
// is a *repository.Error when the definitions are at fault.
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
		return Plan{}, err
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
		tables := make([]transform.Table, len(view.Sources))
		for j, s := range view.Sources {
			tables[j] = transform.Table{Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField}
		}
		schema, err := p.Engine.Describe(ctx, definition.Transformation, tables)
		if errors.Is(err, transform.ErrSQL) {
			report("transformation", "%v", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("check the SQL of %s: %w", definition.Name, err)
		}
		checkSchema(view, schema, report)
		definition.Schema = schema
		for j, a := range definition.Aggregations {
			if _, err := feature.Partials([]feature.Aggregation{a}, schema); err != nil {
				report(fmt.Sprintf("aggregations[%d]", j), "%v", err)
			}
		}
	}
	if len(problems) > 0 {
		return &repository.Error{Problems: problems}
	}
	return nil
}

func checkSchema(view feature.View, schema feature.Schema, report func(field, format string, args ...any)) {
	want := append(view.JoinKeys(), feature.Field{Name: view.TimestampField, Type: feature.Timestamp})
	for _, column := range want {
		got, ok := schema.Lookup(column.Name)
		switch {
		case !ok:
			report("transformation", "the SQL returns no column %q of type %s; it returns %v", column.Name, column.Type, schema.Names())
		case got.Type != column.Type:
			report("transformation", "the SQL returns %q as %s, want %s: cast it", column.Name, got.Type, column.Type)
		}
	}
	if len(view.Schema) > 0 && !slices.Equal(view.Schema, schema) {
		report("schema", "the SQL returns %v, which differs", schema)
	}
}

// diff lists changes in the order of kinds, then names.
func diff(old, new *feature.Repository) ([]Change, error) {
	var changes []Change
	changes = append(changes, compare("Entity", old.Entities, new.Entities, func(e feature.Entity) string { return e.Name })...)
	changes = append(changes, compare("BatchSource", old.BatchSources, new.BatchSources, func(s feature.BatchSource) string { return s.Name })...)
	views := compare("BatchFeatureView", old.BatchFeatureViews, new.BatchFeatureViews, func(v feature.BatchFeatureView) string { return v.Name })
	for _, v := range new.BatchFeatureViews {
		now, err := fingerprint(new, v.Name)
		if err != nil {
			return nil, err
		}
		before := ""
		if _, ok := old.BatchFeatureView(v.Name); ok {
			if before, err = fingerprint(old, v.Name); err != nil {
				return nil, err
			}
		}
		views = mark(views, v.Name, before, now)
	}
	return append(changes, views...), nil
}

// mark sets a view's fingerprint, and Recreate where it changed: also when the
// cause is another object, such as a source.
func mark(views []Change, name, before, now string) []Change {
	i := slices.IndexFunc(views, func(c Change) bool { return c.Name == name })
	recreated := before != "" && before != now
	if i < 0 && recreated {
		i = len(views)
		views = append(views, Change{Kind: "BatchFeatureView", Name: name})
	}
	if i >= 0 {
		views[i].Fingerprint = now
		if recreated {
			views[i].Action = Recreate
			views[i].Fields = append(views[i].Fields, FieldChange{"fingerprint", before, now})
		}
	}
	return views
}

func fingerprint(r *feature.Repository, view string) (string, error) {
	v, err := r.View(view)
	if err != nil {
		return "", err
	}
	return v.Fingerprint()
}

func compare[T any](kind string, old, new []T, nameOf func(T) string) []Change {
	before, after := byName(old, nameOf), byName(new, nameOf)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, ok := before[name]
		if !ok {
			changes = append(changes, Change{Action: Create, Kind: kind, Name: name})
			continue
		}
		if fields := compareFields(was, after[name]); len(fields) > 0 {
			changes = append(changes, Change{Action: Update, Kind: kind, Name: name, Fields: fields})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			changes = append(changes, Change{Action: Delete, Kind: kind, Name: name})
		}
	}
	return changes
}

// fieldsOf is an object by field name, each value as JSON.
type fieldsOf map[string]json.RawMessage

func byName[T any](list []T, nameOf func(T) string) map[string]fieldsOf {
	out := make(map[string]fieldsOf, len(list))
	for _, item := range list {
		data, err := json.Marshal(item)
		if err != nil {
			panic(fmt.Sprintf("registry: definitions are plain data: %v", err))
		}
		fields := fieldsOf{}
		if err := json.Unmarshal(data, &fields); err != nil {
			panic(fmt.Sprintf("registry: definitions are objects: %v", err))
		}
		out[nameOf(item)] = fields
	}
	return out
}

func compareFields(old, new fieldsOf) []FieldChange {
	names := maps.Clone(old)
	maps.Copy(names, new)
	var changes []FieldChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(old[name], new[name]) {
			changes = append(changes, FieldChange{name, string(old[name]), string(new[name])})
		}
	}
	return changes
}
