package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
)

// Action is what an apply does to one object.
type Action string

// The actions, by Tecton's names. Recreate means that the stored data of a view or a
// feature table is of no use to the new definition: it gets a new store under a new
// fingerprint.
const (
	Create   Action = "CREATE"
	Update   Action = "UPDATE"
	Recreate Action = "RECREATE"
	Delete   Action = "DELETE"
)

// FieldChange is one field that differs; values are JSON, empty when absent.
// The fingerprint of a view that is recreated is among them, as plain text.
// defined_in changes when a definition moves to another file, of no consequence.
type FieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Change is what happens to one object. Of one that is created, Fields has what
// tells people what it is, its description and owner.
type Change struct {
	Action      Action        `json:"action"`
	Kind        string        `json:"kind"`
	Name        string        `json:"name"`
	Fields      []FieldChange `json:"fields,omitempty"`
	Fingerprint string        `json:"fingerprint,omitempty"` // of the store of a view or a table
	Note        string        `json:"note,omitempty"`        // what it means for what is served
}

// diff lists changes in the order of kinds, then names; none is an empty list.
func diff(before, after *feature.Repository) ([]Change, error) {
	entities, err := compare(KindEntity, before.Entities, after.Entities, func(e feature.Entity) string { return e.Name })
	if err != nil {
		return nil, err
	}
	sources, err := compare(KindSource, before.BatchSources, after.BatchSources, func(s feature.BatchSource) string { return s.Name })
	if err != nil {
		return nil, err
	}
	views, err := compare(KindView, before.BatchFeatureViews, after.BatchFeatureViews, func(v feature.BatchFeatureView) string { return v.Name })
	if err != nil {
		return nil, err
	}
	tables, err := compare(KindTable, before.FeatureTables, after.FeatureTables, func(t feature.FeatureTable) string { return t.Name })
	if err != nil {
		return nil, err
	}
	stored, err := recreations(slices.Concat(views, tables), before, after)
	if err != nil {
		return nil, err
	}
	services, err := compare(KindService, before.FeatureServices, after.FeatureServices, func(s feature.FeatureService) string { return s.Name })
	if err != nil {
		return nil, err
	}
	return append([]Change{}, slices.Concat(entities, sources, stored, services)...), nil
}

// recreations marks the views and tables whose stored data is of no use to their new
// definition. A view that becomes a table is deleted, and the table created.
func recreations(changes []Change, before, after *feature.Repository) ([]Change, error) {
	for _, name := range after.ViewNames() {
		is, err := fingerprint(after, name)
		if err != nil {
			return nil, err
		}
		kind, was := kindOf(after, name), ""
		if kindOf(before, name) == kind {
			if was, err = fingerprint(before, name); err != nil {
				return nil, err
			}
		}
		changes = mark(changes, kind, name, was, is)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) // views, then tables
	})
	return changes, nil
}

// mark sets an object's fingerprint, and Recreate where it changed: also when the
// cause is another object, such as a source.
func mark(changes []Change, kind, name, was, is string) []Change {
	i := slices.IndexFunc(changes, func(c Change) bool { return c.Kind == kind && c.Name == name })
	recreated := was != "" && was != is
	if i < 0 && recreated {
		i = len(changes)
		changes = append(changes, Change{Kind: kind, Name: name})
	}
	if i >= 0 {
		changes[i].Fingerprint = is
		if recreated {
			changes[i].Action = Recreate
			changes[i].Fields = append(changes[i].Fields, FieldChange{"fingerprint", was, is})
		}
	}
	return changes
}

// kindOf tells a view from a table; "" is neither.
func kindOf(r *feature.Repository, name string) string {
	if _, ok := r.FeatureTable(name); ok {
		return KindTable
	}
	if _, ok := r.BatchFeatureView(name); ok {
		return KindView
	}
	return ""
}

func fingerprint(r *feature.Repository, view string) (string, error) {
	v, err := r.View(view)
	if err != nil {
		return "", err
	}
	return v.Fingerprint()
}

// compare lists the changes of one kind in the order of names.
func compare[T any](kind string, before, after []T, nameOf func(T) string) ([]Change, error) {
	old, err := byName(before, nameOf)
	if err != nil {
		return nil, err
	}
	current, err := byName(after, nameOf)
	if err != nil {
		return nil, err
	}
	both := maps.Clone(old)
	maps.Copy(both, current)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(both)) {
		was, is := old[name], current[name]
		switch {
		case was == nil:
			changes = append(changes, Change{Action: Create, Kind: kind, Name: name, Fields: introduce(is)})
		case is == nil:
			changes = append(changes, Change{Action: Delete, Kind: kind, Name: name})
		default:
			if fields := compareFields(was, is); len(fields) > 0 {
				changes = append(changes, Change{Action: Update, Kind: kind, Name: name, Fields: fields})
			}
		}
	}
	return changes, nil
}

// fieldsOf is an object by field name, each value as JSON.
type fieldsOf map[string]json.RawMessage

func byName[T any](list []T, nameOf func(T) string) (map[string]fieldsOf, error) {
	out := make(map[string]fieldsOf, len(list))
	for _, item := range list {
		data, err := json.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", nameOf(item), err)
		}
		fields := fieldsOf{}
		if err := json.Unmarshal(data, &fields); err != nil {
			return nil, fmt.Errorf("encode %s: %w", nameOf(item), err)
		}
		out[nameOf(item)] = fields
	}
	return out, nil
}

func introduce(created fieldsOf) []FieldChange {
	var fields []FieldChange
	for _, name := range []string{"description", "owner"} {
		if value, ok := created[name]; ok {
			fields = append(fields, FieldChange{Field: name, New: string(value)})
		}
	}
	return fields
}

func compareFields(was, is fieldsOf) []FieldChange {
	names := maps.Clone(was)
	maps.Copy(names, is)
	var changes []FieldChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(was[name], is[name]) {
			changes = append(changes, FieldChange{name, string(was[name]), string(is[name])})
		}
	}
	return changes
}
