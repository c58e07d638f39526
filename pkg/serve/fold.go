package serve

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// fold merges the tiles of an entity by the segments of a grid.
type fold struct {
	*tiles
	grid   *grid
	states *aggregate.States
	spans  aggregate.Spans
	keys   map[string][]int32 // by secondary key, "" without one: by segment the group; -1: no tile
}

// add adds the tiles of a cell.
func (f *fold) add(item online.Item) error {
	switch {
	case item.Key.Kind != online.KindTile || item.Cell.Tombstone:
		return nil
	case len(f.secondary) == 0:
		return f.addTiles("", item.Key.Block, item.Cell.Value)
	}
	for k, err := range online.TilesByKey(item.Cell.Value) {
		if err != nil {
			return err
		}
		if err := f.addTiles(string(k.Key), item.Key.Block, k.Tiles); err != nil {
			return err
		}
	}
	return nil
}

func (f *fold) addTiles(key string, block window.Time, tiles []byte) error {
	interval, perBlock := f.target.View.Interval(), f.target.TilesPerBlock()
	for tile, err := range online.Tiles(tiles) {
		if err != nil {
			return err
		}
		if int64(tile.Index) >= int64(perBlock) {
			return fmt.Errorf("%w: tile %d of a block of %d", online.ErrDamaged, tile.Index, perBlock)
		}
		start := block.Add(time.Duration(tile.Index) * interval)
		for i := range f.grid.cuts {
			segment, ok := f.grid.cuts[i].segment(start)
			if !ok {
				continue
			}
			if err := f.merge(key, segment, tile.State); err != nil {
				return fmt.Errorf("tile %v: %w", start, err)
			}
		}
	}
	return nil
}

func (f *fold) merge(key string, segment int, state []byte) error {
	groups := f.keys[key]
	if groups == nil {
		// Each key is one of a window's, so one window at least has too many.
		if len(f.keys) == feature.MaxSecondaryKeys*len(f.windows) {
			return f.tooManyKeys()
		}
		groups = slices.Repeat([]int32{-1}, f.grid.segments)
		f.keys[key] = groups
	}
	if groups[segment] < 0 {
		groups[segment] = int32(f.states.Len())
		f.states.Grow(f.states.Len() + 1)
	}
	rest, err := f.states.MergeEncoded(int(groups[segment]), state)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", online.ErrDamaged, err)
	}
	return nil
}

func (f *fold) tooManyKeys() error {
	return fail(api.FailedPrecondition, "FeatureView: %s has more than %d values of %s in a window for these join keys, the most that are served. Shorten the window, or let the SQL keep fewer.",
		f.target.View.Name, feature.MaxSecondaryKeys, f.secondary[0].Name)
}

// intervals returns, by interval of the grid, the group of a key; -1: no tile.
func (f *fold) intervals(key string) []int32 {
	out := slices.Repeat([]int32{-1}, f.grid.intervals())
	segments := f.keys[key]
	if segments == nil {
		return out
	}
	for i := range f.grid.cuts {
		c := &f.grid.cuts[i]
		own, groups := segments[c.first:c.first+len(c.bounds)], make([]int32, len(c.spans))
		if c.series {
			f.spans.Slide(f.states, own, c.spans, groups)
		} else {
			f.spans.Nest(f.states, own, c.spans, groups)
		}
		for at, interval := range c.intervals {
			out[interval] = groups[at]
		}
	}
	return out
}

// sortedKeys returns the secondary keys in the order of their bytes.
func (f *fold) sortedKeys() []string { return slices.Sorted(maps.Keys(f.keys)) }
