package serve

import (
	"cmp"
	"slices"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// grid says which tiles the windows of a view hold at an edge. It is immutable.
//
// All windows of a view become intervals: a series several, any other one.
type grid struct {
	edge   window.Time
	blocks []online.Blocks // that an interval touches
	// firsts has, by window, its first interval among all; one more at the end.
	firsts   []int
	cuts     []cut
	segments int // of all cuts
}

// cut divides time at the bounds of some intervals, so that a tile is merged once
// however many of them hold it.
type cut struct {
	first     int              // of its segments among those of the grid
	bounds    []window.Time    // segment i is [bounds[i], bounds[i+1])
	held      []bool           // by segment: an interval holds it
	intervals []int            // their numbers, in the order of spans
	spans     []aggregate.Span // the intervals as segments
	series    bool             // each span begins and ends after the one before
}

// newGrid places windows at an edge. Each series has a cut of its own, all other
// windows share one.
func newGrid(target *materialize.Target, windows []feature.TimeWindow, edge window.Time) *grid {
	g := &grid{edge: edge}
	var intervals []window.Interval
	var single []int
	for _, w := range windows {
		g.firsts = append(g.firsts, len(intervals))
		if !w.IsSeries() {
			single = append(single, len(intervals))
		}
		intervals = append(intervals, w.Intervals(edge, target.View.LifetimeStart())...)
	}
	g.firsts = append(g.firsts, len(intervals))
	g.blocks = touched(target, intervals)
	g.add(intervals, single, false)
	for i, w := range windows {
		if w.IsSeries() {
			var own []int
			for interval := g.firsts[i]; interval < g.firsts[i+1]; interval++ {
				own = append(own, interval)
			}
			g.add(intervals, own, true)
		}
	}
	return g
}

// intervals is the number of intervals of all windows.
func (g *grid) intervals() int { return g.firsts[len(g.firsts)-1] }

// add adds a cut for the intervals of some numbers.
func (g *grid) add(intervals []window.Interval, numbers []int, series bool) {
	c := cut{first: g.segments, intervals: numbers, series: series}
	if !series { // as Spans.Nest takes them
		slices.SortFunc(numbers, func(a, b int) int {
			return cmp.Or(cmp.Compare(intervals[a].End, intervals[b].End), cmp.Compare(intervals[b].Start, intervals[a].Start))
		})
	}
	for _, n := range numbers {
		c.bounds = append(c.bounds, intervals[n].Start, intervals[n].End)
	}
	slices.Sort(c.bounds)
	c.bounds = slices.Compact(c.bounds)
	c.held = make([]bool, len(c.bounds))
	for _, n := range numbers {
		from, _ := slices.BinarySearch(c.bounds, intervals[n].Start)
		to, _ := slices.BinarySearch(c.bounds, intervals[n].End)
		c.spans = append(c.spans, aggregate.Span{From: int32(from), To: int32(to)})
		for i := from; i < to; i++ {
			c.held[i] = true
		}
	}
	g.cuts = append(g.cuts, c)
	g.segments += len(c.bounds)
}

// segment returns the one that holds a time, among those of the grid; false: no
// interval holds it.
func (c *cut) segment(at window.Time) (int, bool) {
	i, exact := slices.BinarySearch(c.bounds, at)
	if !exact {
		i--
	}
	if i < 0 || !c.held[i] {
		return 0, false
	}
	return c.first + i, true
}

// touched returns the blocks that intervals lie in. Of more ranges than one Read
// takes, the nearest are joined: what lies between is read in vain.
func touched(target *materialize.Target, intervals []window.Interval) []online.Blocks {
	ranges := window.NewSet(intervals...).Widen(target.Block())
	gap := func(i int) window.Time { return ranges[i].Start - ranges[i-1].End }
	for len(ranges) > online.MaxBlockRanges {
		least := 1
		for i := 2; i < len(ranges); i++ {
			if gap(i) < gap(least) {
				least = i
			}
		}
		ranges[least-1].End = ranges[least].End
		ranges = slices.Delete(ranges, least, least+1)
	}
	var out []online.Blocks
	for _, r := range ranges {
		out = append(out, online.Blocks{From: r.Start, To: r.End})
	}
	return out
}
