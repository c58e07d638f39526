package serve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// query is what a request for features names, prepared for reading: the features
// of a service, or all of one view. It is immutable.
type query struct {
	kind feature.ServiceType
	keys []feature.Field // that a request gives, in the order of their first use
	// wildcards are the names of keys that an online_serving_index leaves out. A
	// vector is that of one entity, so get-features needs them as well.
	wildcards []string
	views     []*view // each once
	parts     []part  // by namespace, as features are ordered
	size      int     // number of features
}

// part is what a query takes from a view for one entity.
type part struct {
	namespace string
	view      int             // index in query.views
	keys      []feature.Field // of the view
	names     []string        // of keys, in requests
	features  []servedFeature // by name
}

type servedFeature struct {
	name     string // namespace and feature, joined by a dot
	index    int    // in the view's features
	count    bool   // an aggregation that counts, not by secondary key
	series   int    // of it the windows of a series; 0: no series
	dataType api.DataType
}

// newQuery prepares a service of a generation, whose views are read from the stores
// that serve.
func newQuery(g *registry.Generation, service feature.Service) (*query, error) {
	q := &query{kind: service.Type(), keys: service.JoinKeys()}
	for _, v := range service.Views {
		i := slices.IndexFunc(q.views, func(known *view) bool { return known.target.View.Name == v.View.Name })
		if i < 0 {
			target, err := materialize.NewServingTarget(g, v.View)
			if err != nil {
				return nil, err
			}
			i = len(q.views)
			q.views = append(q.views, newView(target))
		}
		if key, ok := v.View.WildcardJoinKey(); ok {
			q.wildcards = append(q.wildcards, v.Keys[key])
		}
		p := newPart(v, i)
		q.parts = append(q.parts, p)
		q.size += len(p.features)
	}
	slices.SortStableFunc(q.parts, func(a, b part) int { return cmp.Compare(a.namespace, b.namespace) })
	return q, nil
}

func newPart(v feature.ServiceView, view int) part {
	p := part{namespace: v.Namespace, view: view, keys: v.View.JoinKeys()}
	for _, key := range p.keys {
		p.names = append(p.names, v.Keys[key.Name])
	}
	for index, name := range v.View.FeatureNames() {
		taken, ok := v.Features.Lookup(name)
		if !ok {
			continue
		}
		f := servedFeature{name: v.Namespace + "." + name, index: index, dataType: dataType(taken.Type)}
		if index < len(v.View.Aggregations) { // lists of secondary keys follow them
			a := v.View.Aggregations[index]
			f.count = a.Function == feature.Count && v.View.AggregationSecondaryKey == ""
			if a.TimeWindow.IsSeries() {
				f.series = len(a.TimeWindow.Intervals(0, 0))
			}
		}
		p.features = append(p.features, f)
	}
	slices.SortFunc(p.features, func(a, b servedFeature) int { return cmp.Compare(a.name, b.name) })
	return p
}

// zeroForNull returns a count with 0 for null, in each window of a series.
func (f servedFeature) zeroForNull(v feature.Value) feature.Value {
	zero := feature.Int64Value(0)
	switch {
	case !f.count || f.series == 0 && !v.IsNull():
		return v
	case f.series == 0:
		return zero
	}
	counts := slices.Collect(v.Elements())
	if v.IsNull() {
		counts = make([]feature.Value, f.series)
	}
	for i, count := range counts {
		if count.IsNull() {
			counts[i] = zero
		}
	}
	return feature.ArrayValue(feature.Int64, counts)
}

// noDataError is a view whose store is not ready to be read.
type noDataError struct{ view string }

func (e *noDataError) Error() string {
	return fmt.Sprintf("view %s has no materialized data in the online store", e.view)
}

// reading is what a query read, and what that cost.
type reading struct {
	vectors    []vector // by part
	storeTime  time.Duration
	storeBytes int64
}

// read returns the vectors of the entities, one for each part, as of now. The cells of
// all views are read in one round, after the status of each.
func (q *query) read(ctx context.Context, store online.Store, entities [][]byte, now window.Time) (reading, error) {
	started := time.Now()
	edges, err := q.edges(ctx, store, now)
	if err != nil {
		return reading{}, err
	}
	reads := make([]online.Read, len(q.parts))
	for i, p := range q.parts {
		reads[i] = q.views[p.view].ask(edges[p.view], entities[i])
	}
	answers, err := store.Read(ctx, reads)
	if err != nil {
		return reading{}, fmt.Errorf("read %d entities: %w", len(reads), err)
	}
	out := reading{vectors: make([]vector, len(q.parts)), storeTime: time.Since(started)}
	for i, p := range q.parts {
		for _, item := range answers[i] {
			out.storeBytes += int64(len(item.Cell.Value))
		}
		v := q.views[p.view]
		if out.vectors[i], err = v.answer(edges[p.view], answers[i]); err != nil {
			return reading{}, fmt.Errorf("entity %x of %s: %w", entities[i], v.target.Store(), err)
		}
	}
	return out, nil
}

// edges returns where each view is read.
func (q *query) edges(ctx context.Context, store online.Store, now window.Time) ([]edge, error) {
	edges := make([]edge, len(q.views))
	group, ctx := errgroup.WithContext(ctx)
	for i, v := range q.views {
		group.Go(func() (err error) {
			edges[i], err = v.edge(ctx, store, now)
			return err
		})
	}
	return edges, group.Wait()
}

// entities encodes the entity of each part.
func (q *query) entities(values map[string]any) ([][]byte, error) {
	if err := q.checkKeys(values); err != nil {
		return nil, err
	}
	out := make([][]byte, len(q.parts))
	for i, p := range q.parts {
		entity := make([]feature.Value, len(p.keys))
		for j, key := range p.keys {
			var valid bool
			if entity[j], valid = feature.JSONValue(key.Type, values[p.names[j]]); !valid {
				return nil, fail(api.InvalidArgument, "Unexpected JSON type for %s in joinKeyMap. Expected %s or null.", p.names[j], dataType(key.Type))
			}
		}
		var err error
		if out[i], err = record.AppendKey(nil, p.keys, entity); err != nil {
			return nil, fail(api.InvalidArgument, "%v", err)
		}
	}
	return out, nil
}
