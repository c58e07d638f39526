package serve

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// maxSecondaryKeys is how many values of a secondary key one window of an entity
// may hold to be served.
const maxSecondaryKeys = 1000

// fold merges the tiles of an entity by the segments of a grid.
type fold struct {
	*tiles
	grid   *grid
	states *aggregate.States
	keys   map[string][]int32 // by secondary key, "" without one: by segment the group + 1; 0: no tile
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
		if len(f.keys) == maxSecondaryKeys*len(f.windows) {
			return f.tooManyKeys()
		}
		groups = make([]int32, f.grid.segments)
		f.keys[key] = groups
	}
	if groups[segment] == 0 {
		groups[segment] = f.newGroup()
	}
	rest, err := f.states.MergeEncoded(int(groups[segment]-1), state)
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
		f.target.View.Name, maxSecondaryKeys, f.secondary[0].Name)
}

// newGroup returns the number of a new group, plus 1.
func (f *fold) newGroup() int32 {
	n := f.states.Len() + 1
	f.states.Grow(n)
	return int32(n)
}

// plus returns a group of what two have. As 0 is none, a sum with it is the other;
// no group changes.
func (f *fold) plus(a, b int32) int32 {
	if a == 0 || b == 0 {
		return a + b
	}
	sum := f.newGroup()
	f.states.Merge(int(sum-1), f.states, int(a-1))
	f.states.Merge(int(sum-1), f.states, int(b-1))
	return sum
}

// intervals returns, by interval of the grid, the group + 1 of a key; 0: no tile.
func (f *fold) intervals(key string) []int32 {
	out := make([]int32, f.grid.intervals())
	segments := f.keys[key]
	if segments == nil {
		return out
	}
	for i := range f.grid.cuts {
		c := &f.grid.cuts[i]
		if own := segments[c.first : c.first+len(c.bounds)]; c.series {
			f.sliding(out, c.spans, own)
		} else {
			f.nested(out, c.spans, own)
		}
	}
	return out
}

// nested merges spans that stand in the order of their ends, and of one end the
// shorter first, which the longer one goes on from.
func (f *fold) nested(out []int32, spans []span, segments []int32) {
	end, at, sum := -1, 0, int32(0)
	for _, s := range spans {
		if s.to != end {
			end, at, sum = s.to, s.to, 0
		}
		for ; at > s.from; at-- {
			sum = f.plus(sum, segments[at-1])
		}
		out[s.interval] = sum
	}
}

// sliding merges the spans of a series with few steps for each segment, however
// many spans hold it: a span is what lies before a pivot and what lies behind it.
// What lies before is merged once, backwards from the pivot, for all spans that
// reach back over it; what lies behind grows with each of them.
func (f *fold) sliding(out []int32, spans []span, segments []int32) {
	before := make([]int32, len(segments)) // from the segment up to the pivot
	pivot, at, behind := 0, 0, int32(0)
	for _, s := range spans {
		if s.from >= pivot {
			pivot, at, behind = s.to, s.to, 0
			sum := int32(0)
			for i := s.to - 1; i >= s.from; i-- {
				sum = f.plus(segments[i], sum)
				before[i] = sum
			}
		}
		for ; at < s.to; at++ {
			behind = f.plus(behind, segments[at])
		}
		out[s.interval] = f.plus(before[s.from], behind)
	}
}

// sortedKeys returns the secondary keys in the order of their bytes.
func (f *fold) sortedKeys() []string { return slices.Sorted(maps.Keys(f.keys)) }
