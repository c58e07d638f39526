package serve

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// tiles finishes the aggregations of a view from the tiles before its leading edge.
type tiles struct {
	target    *materialize.Target
	secondary []feature.Field      // the secondary key, if there is one
	windows   []feature.TimeWindow // of the aggregations, each once
	windowOf  []int                // by aggregation: index in windows
	newest    atomic.Pointer[grid] // of the edge that was asked for last: it moves once a batch schedule
}

func newTiles(target *materialize.Target) *tiles {
	t := &tiles{target: target, secondary: target.SecondaryKey(), windows: target.View.TimeWindows()}
	for _, a := range target.View.Aggregations {
		t.windowOf = append(t.windowOf, slices.Index(t.windows, a.TimeWindow))
	}
	return t
}

// grid returns the grid of an edge.
func (t *tiles) grid(edge window.Time) *grid {
	if g := t.newest.Load(); g != nil && g.edge == edge {
		return g
	}
	g := newGrid(t.target, t.windows, edge)
	t.newest.Store(g)
	return g
}

// blocks returns those that the windows before the edge lie in.
func (t *tiles) blocks(edge window.Time) []online.Blocks { return t.grid(edge).blocks }

func (t *tiles) answer(edge window.Time, items []online.Item) (vector, error) {
	f := &fold{tiles: t, grid: t.grid(edge), states: t.target.Layout.NewStates(), keys: map[string][]int32{}}
	for _, item := range items {
		if err := f.add(item); err != nil {
			return vector{}, fmt.Errorf("cell %v: %w", item.Key.Block, err)
		}
	}
	out := vector{effective: edge.Add(t.target.View.DataDelay())}
	if len(t.secondary) > 0 {
		err := f.finishByKey(&out)
		return out, err
	}
	f.finish(&out)
	return out, nil
}

// finish reads off the features. That of a series has a null for each window
// without tiles, and is null if all are.
func (f *fold) finish(out *vector) {
	groups := f.intervals("")
	for i, w := range f.windowOf {
		own := groups[f.grid.firsts[w]:f.grid.firsts[w+1]]
		present := slices.ContainsFunc(own, func(group int32) bool { return group >= 0 })
		value := feature.Null
		switch {
		case !present:
		case f.windows[w].IsSeries():
			value = f.list(i, own)
		default:
			value = f.states.Finish(int(own[0]), i)
		}
		out.values, out.present = append(out.values, value), append(out.present, present)
	}
}

// list returns an aggregation over several groups; -1 gives null.
func (f *fold) list(aggregation int, groups []int32) feature.Value {
	values := make([]feature.Value, len(groups))
	for i, group := range groups {
		if group >= 0 {
			values[i] = f.states.Finish(int(group), aggregation)
		}
	}
	return feature.ArrayValue(f.target.Layout.OutputType(aggregation), values)
}

// finishByKey reads off the features of a view with a secondary key: for each
// aggregation one value for each key that has tiles in its window, and after them
// for each window those keys. Without any they are null.
func (f *fold) finishByKey(out *vector) error {
	keys := make([][]feature.Value, len(f.windows)) // by window
	groups := make([][]int32, len(f.windows))       // of them
	for _, encoded := range f.sortedKeys() {
		key, err := record.DecodeKey([]byte(encoded), f.secondary)
		if err != nil {
			return fmt.Errorf("%w: secondary key: %w", online.ErrDamaged, err)
		}
		for w, group := range f.intervals(encoded) { // none is of a series
			if group >= 0 {
				keys[w], groups[w] = append(keys[w], key[0]), append(groups[w], group)
			}
		}
	}
	add := func(w int, list func() feature.Value) {
		value, present := feature.Null, len(keys[w]) > 0
		if present {
			value = list()
		}
		out.values, out.present = append(out.values, value), append(out.present, present)
	}
	for i, w := range f.windowOf {
		add(w, func() feature.Value { return f.list(i, groups[w]) })
	}
	for w := range f.windows {
		if len(keys[w]) > feature.MaxSecondaryKeys {
			return f.tooManyKeys()
		}
		add(w, func() feature.Value { return feature.ArrayValue(f.secondary[0].Type, keys[w]) })
	}
	return nil
}
