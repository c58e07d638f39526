package serve

import (
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// tiles finishes the aggregations of a view from the tiles before its leading edge.
type tiles struct {
	target   *materialize.Target
	windows  []time.Duration // of the aggregations, each once, ascending
	windowOf []int           // by aggregation: index in windows
}

func newTiles(target *materialize.Target) *tiles {
	t := &tiles{target: target}
	for _, a := range target.View.Aggregations {
		t.windows = append(t.windows, time.Duration(a.TimeWindow.WindowSize))
	}
	slices.Sort(t.windows)
	t.windows = slices.Compact(t.windows)
	for _, a := range target.View.Aggregations {
		t.windowOf = append(t.windowOf, slices.Index(t.windows, time.Duration(a.TimeWindow.WindowSize)))
	}
	return t
}

// blocks returns those that the longest window before the edge lies in.
func (t *tiles) blocks(edge window.Time) []online.Blocks {
	longest := t.windows[len(t.windows)-1]
	blocks := t.target.Blocks(window.Interval{Start: edge.Add(-longest), End: edge})
	return []online.Blocks{{From: blocks.Start, To: blocks.End}}
}

func (t *tiles) answer(edge window.Time, items []online.Item) (vector, error) {
	states := t.target.Layout.NewStates()
	states.Grow(len(t.windows))
	for _, item := range items {
		if err := t.fold(states, item, edge); err != nil {
			return vector{}, fmt.Errorf("cell %v: %w", item.Key.Block, err)
		}
	}
	out := t.finish(states)
	out.effective = edge.Add(t.target.View.DataDelay())
	return out, nil
}

// fold merges each tile of a cell into the shortest window that holds it.
func (t *tiles) fold(states *aggregate.States, item online.Item, edge window.Time) error {
	if item.Key.Kind != online.KindTile || item.Cell.Tombstone {
		return nil
	}
	interval := t.target.View.Interval()
	for tile, err := range online.Tiles(item.Cell.Value) {
		if err != nil {
			return err
		}
		if int64(tile.Index) >= int64(t.target.TilesPerBlock()) {
			return fmt.Errorf("%w: tile %d of a block of %d", online.ErrDamaged, tile.Index, t.target.TilesPerBlock())
		}
		start := item.Key.Block.Add(time.Duration(tile.Index) * interval)
		// The first window that is at least as long as the tile's distance.
		group, _ := slices.BinarySearch(t.windows, edge.Sub(start))
		if start >= edge || group == len(t.windows) {
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
func (t *tiles) finish(states *aggregate.States) vector {
	for longer := 1; longer < len(t.windows); longer++ {
		states.Merge(longer, states, longer-1)
	}
	out := vector{values: make([]feature.Value, len(t.windowOf)), present: make([]bool, len(t.windowOf))}
	for i, w := range t.windowOf {
		out.values[i] = states.Finish(w, i)
		out.present[i] = states.Present(w)
	}
	return out
}
