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

// The actions, by Tecton's names. Recreate means that the view's stored data is
// of no use to the new definition: it gets a new store under a new fingerprint.
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
	Fingerprint string        `json:"fingerprint,omitempty"` // of a view's store
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
	if views, err = recreations(views, before, after); err != nil {
		return nil, err
	}
	services, err := compare(KindService, before.FeatureServices, after.FeatureServices, func(s feature.FeatureService) string { return s.Name })
	if err != nil {
		return nil, err
	}
	return append([]Change{}, slices.Concat(entities, sources, views, services)...), nil
}

// recreations marks the views whose stored data is of no use to their new definition.
func recreations(views []Change, before, after *feature.Repository) ([]Change, error) {
	for _, v := range after.BatchFeatureViews {
		was, err := fingerprint(before, v.Name)
		if err != nil {
			return nil, err
		}
		is, err := fingerprint(after, v.Name)
		if err != nil {
			return nil, err
		}
		views = mark(views, v.Name, was, is)
	}
	slices.SortFunc(views, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	return views, nil
}

// mark sets a view's fingerprint, and Recreate where it changed: also when the
// cause is another object, such as a source.
func mark(views []Change, name, was, is string) []Change {
	i := slices.IndexFunc(views, func(c Change) bool { return c.Name == name })
	recreated := was != "" && was != is
	if i < 0 && recreated {
		i = len(views)
		views = append(views, Change{Kind: KindView, Name: name})
	}
	if i >= 0 {
		views[i].Fingerprint = is
		if recreated {
			views[i].Action = Recreate
			views[i].Fields = append(views[i].Fields, FieldChange{"fingerprint", was, is})
		}
	}
	return views
}

// fingerprint returns "" for a view that r does not define.
func fingerprint(r *feature.Repository, view string) (string, error) {
	if _, ok := r.BatchFeatureView(view); !ok {
		return "", nil
	}
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
