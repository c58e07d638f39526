package viewtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// compareFeatures compares what is served after the run with what is expected.
func (r *run) compareFeatures(context.Context) error {
	if len(r.test.ExpectedFeatures) == 0 {
		return nil
	}
	features, err := r.view.Features()
	if err != nil {
		return err
	}
	for i, e := range r.test.ExpectedFeatures {
		at := fmt.Sprintf("expected_features[%d]", i)
		want, err := r.values(at+".features", e.Features, features)
		if err != nil {
			return err
		}
		entity, err := r.entity(at+".join_keys", e.JoinKeys)
		if err != nil {
			return err
		}
		got, err := r.features(r.rowsOf(entity), e.At)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			j := slices.IndexFunc(features, func(f feature.Field) bool { return f.Name == name })
			if got[j] != want[name] {
				r.differ("%s: %s is %s, want %s", at, name, quoted(got[j]), quoted(want[name]))
			}
		}
	}
	return nil
}

// entity reads join keys, all of which must be there.
func (r *run) entity(at string, keys feature.Row) ([]feature.Value, error) {
	fields := r.view.JoinKeys()
	values, err := r.values(at, keys, fields)
	if err != nil {
		return nil, err
	}
	entity := make([]feature.Value, len(fields))
	for i, f := range fields {
		v, ok := values[f.Name]
		if !ok {
			return nil, r.fault("%s: join key %q is missing", at, f.Name)
		}
		entity[i] = v
	}
	return entity, nil
}

func (r *run) rowsOf(entity []feature.Value) []row {
	var out []row
	for _, candidate := range r.rows {
		if slices.Equal(candidate.values[:len(entity)], entity) {
			out = append(out, candidate)
		}
	}
	return out
}

// features returns those of an entity's rows at a time, in the view's order.
func (r *run) features(rows []row, at window.Time) ([]feature.Value, error) {
	if !r.view.Aggregated() {
		return r.latest(rows, at)
	}
	a, err := newAggregator(r.view, r.columns)
	if err != nil {
		return nil, err
	}
	edge := r.view.CompleteEnd(at)
	if r.view.AggregationSecondaryKey == "" {
		return a.finish(rows, edge)
	}
	return a.finishLists(rows, edge)
}

// latest returns the features of the newest row that counts at a time: by then its
// window is complete, and its ttl not over.
func (r *run) latest(rows []row, at window.Time) ([]feature.Value, error) {
	place := len(r.view.JoinKeys()) // of the timestamp
	var newest *row
	for i, candidate := range rows {
		if candidate.at >= r.view.CompleteEnd(at) {
			continue
		}
		if newest == nil || cmp.Or(cmp.Compare(candidate.at, newest.at), bytes.Compare(candidate.canonical, newest.canonical)) > 0 {
			newest = &rows[i]
		}
	}
	none := make([]feature.Value, len(r.columns)-place-1)
	if newest == nil {
		return none, nil
	}
	if expires, ok := r.view.Expires(newest.at); ok && at >= expires {
		return none, nil
	}
	return newest.values[place+1:], nil
}
