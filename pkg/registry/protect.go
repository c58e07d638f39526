package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
)

// ProtectedError is a plan that would destroy what prevent_destroy keeps.
type ProtectedError struct{ Refused []Refused }

// Refused is a change that an object's prevent_destroy forbids: the object itself
// is changed, or something that it uses.
type Refused struct {
	Change
	ProtectedKind, ProtectedName string
}

// Error names every change, and how to have it all the same.
func (e *ProtectedError) Error() string {
	var lines []string
	for _, r := range e.Refused {
		line := fmt.Sprintf("%s %s cannot be %s: ", r.Kind, r.Name, map[Action]string{Delete: "deleted", Recreate: "recreated"}[r.Action])
		if r.Kind == r.ProtectedKind && r.Name == r.ProtectedName {
			line += "it has prevent_destroy: true"
		} else {
			line += fmt.Sprintf("%s %s uses it and has prevent_destroy: true", r.ProtectedKind, r.ProtectedName)
		}
		lines = append(lines, line)
	}
	return strings.Join(append(lines, "to lift this, set prevent_destroy: false and apply that alone; then plan this change again"), "\n")
}

// protect refuses what would delete a protected object of the applied definitions
// or the stored data that it stands for. What is protected is what was applied:
// one plan cannot lift the protection and use that at once.
func protect(applied *feature.Repository, changes []Change) error {
	var refused []Refused
	for _, c := range changes {
		if c.Action != Delete && c.Action != Recreate {
			continue
		}
		for _, guard := range guards(applied, c.Kind, c.Name) {
			refused = append(refused, Refused{c, guard[0], guard[1]})
		}
	}
	if len(refused) > 0 {
		return &ProtectedError{refused}
	}
	return nil
}

// guards lists kind and name of the protected objects that the named one is, or
// that use it.
func guards(r *feature.Repository, kind, name string) [][2]string {
	var out [][2]string
	guard := func(kind string, m feature.Metadata, concerned bool) {
		if m.PreventDestroy && concerned {
			out = append(out, [2]string{kind, m.Name})
		}
	}
	is := func(k, n string) bool { return k == kind && n == name }
	for _, e := range r.Entities {
		guard(KindEntity, e.Metadata, is(KindEntity, e.Name))
	}
	for _, s := range r.BatchSources {
		guard(KindSource, s.Metadata, is(KindSource, s.Name))
	}
	for _, v := range r.BatchFeatureViews {
		guard(KindView, v.Metadata, is(KindView, v.Name))
	}
	for _, t := range r.FeatureTables {
		guard(KindTable, t.Metadata, is(KindTable, t.Name))
	}
	for _, s := range r.FeatureServices {
		uses := slices.ContainsFunc(s.Features, func(f feature.ServiceFeatures) bool {
			return is(KindView, f.FeatureView) || is(KindTable, f.FeatureView)
		})
		guard(KindService, s.Metadata, uses || is(KindService, s.Name))
	}
	return out
}
