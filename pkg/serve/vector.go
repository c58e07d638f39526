package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// errNoData is a view whose store is not ready to be read.
var errNoData = errors.New("no materialized data in the online store")

// vector is the features of one entity at the view's leading edge.
type vector struct {
	values        []feature.Value // in the order of the view's features
	present       []bool          // the window holds rows; a value may be null all the same
	effectiveTime window.Time
	storeTime     time.Duration
	storeBytes    int64
}

// view is a feature view prepared for reading. It is immutable.
type view struct {
	target   *materialize.Target
	features []servedFeature // by name
	windows  []time.Duration // of the features, each once, ascending
}

type servedFeature struct {
	name        string // view and feature, joined by a dot
	aggregation int
	window      int // index in view.windows
	function    feature.Function
	dataType    string
}

func newView(target *materialize.Target) *view {
	v := &view{target: target}
	for _, a := range target.View.Aggregations {
		v.windows = append(v.windows, time.Duration(a.TimeWindow))
	}
	slices.Sort(v.windows)
	v.windows = slices.Compact(v.windows)
	for i, name := range target.View.FeatureNames() {
		a := target.View.Aggregations[i]
		v.features = append(v.features, servedFeature{
			name: target.View.Name + "." + name, aggregation: i, window: slices.Index(v.windows, time.Duration(a.TimeWindow)),
			function: a.Function, dataType: dataType(target.Layout.OutputType(i)),
		})
	}
	slices.SortFunc(v.features, func(a, b servedFeature) int { return cmp.Compare(a.name, b.name) })
	return v
}

// read returns the vector of an encoded entity.
func (v *view) read(ctx context.Context, store online.Store, entity []byte) (vector, error) {
	started := time.Now()
	status, _, ok, err := online.ReadStatus(ctx, store, v.target.Store())
	if err != nil {
		return vector{}, err
	}
	edge, covered := v.target.Watermark(status.Covered)
	if !ok || !covered {
		return vector{}, errNoData
	}
	longest := v.windows[len(v.windows)-1]
	blocks := v.target.Blocks(window.Interval{Start: edge.Add(-longest), End: edge})
	answers, err := store.Read(ctx, []online.Read{{
		Store: v.target.CellStore(status.Epoch), Entity: entity,
		Blocks: []online.Blocks{{From: blocks.Start, To: blocks.End}},
	}})
	if err != nil {
		return vector{}, fmt.Errorf("read %s: %w", v.target.Store(), err)
	}
	out := vector{effectiveTime: edge.Add(v.target.View.DataDelay()), storeTime: time.Since(started)}
	states := v.target.Layout.NewStates()
	states.Grow(len(v.windows))
	for _, item := range answers[0] {
		out.storeBytes += int64(len(item.Cell.Value))
		if err := v.fold(states, item, edge); err != nil {
			return vector{}, fmt.Errorf("cell %v of %s: %w", item.Key.Block, v.target.Store(), err)
		}
	}
	v.finish(states, &out)
	return out, nil
}

// fold merges each tile of a cell into the shortest window that holds it.
func (v *view) fold(states *aggregate.States, item online.Item, edge window.Time) error {
	if item.Key.Kind != online.KindTile || item.Cell.Tombstone {
		return nil
	}
	interval := v.target.View.Interval()
	for tile, err := range online.Tiles(item.Cell.Value) {
		if err != nil {
			return err
		}
		if int64(tile.Index) >= int64(v.target.TilesPerBlock()) {
			return fmt.Errorf("%w: tile %d of a block of %d", online.ErrDamaged, tile.Index, v.target.TilesPerBlock())
		}
		start := item.Key.Block.Add(time.Duration(tile.Index) * interval)
		// The first window that is at least as long as the tile's distance.
		group, _ := slices.BinarySearch(v.windows, edge.Sub(start))
		if start >= edge || group == len(v.windows) {
			continue
		}
		rest, err := states.MergeEncoded(group, tile.State)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes too many", len(rest))
		}
		if err != nil {
			return fmt.Errorf("%w: tile %v: %w", online.ErrDamaged, start, err)
		}
	}
	return nil
}

// finish adds every window to the longer ones and reads off the features.
func (v *view) finish(states *aggregate.States, out *vector) {
	for longer := 1; longer < len(v.windows); longer++ {
		states.Merge(longer, states, longer-1)
	}
	out.values = make([]feature.Value, len(v.features))
	out.present = make([]bool, len(v.features))
	for i, f := range v.features {
		out.values[i] = states.Finish(f.window, f.aggregation)
		out.present[i] = states.Present(f.window)
	}
}
