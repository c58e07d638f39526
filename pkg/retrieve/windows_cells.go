package retrieve

import (
	"cmp"
	"slices"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// timeWindow is a window, or a series of them, with what it holds in a batch.
type timeWindow struct {
	feature.TimeWindow
	start, size   window.Time // of the first one; start is counted from the edge
	steps         int         // of a series; else 1
	step          window.Time
	lifetimeStart window.Time

	groups []int32          // of one window after the other
	lists  []aggregate.Span // by edge: its part of groups, empty for null; nil: one group each
	ids    []int32          // of secondary keys, as groups
}

func newTimeWindow(asked feature.TimeWindow, lifetimeStart window.Time) *timeWindow {
	all := asked.Intervals(0, lifetimeStart)
	w := &timeWindow{TimeWindow: asked, steps: len(all), lifetimeStart: lifetimeStart}
	if !asked.Lifetime {
		w.start, w.size = all[0].Start, all[0].End-all[0].Start
	}
	if len(all) > 1 {
		w.step = all[1].Start - all[0].Start
	}
	return w
}

// at returns the window of an edge, the first one of a series.
func (t *timeWindow) at(edge window.Time) window.Interval {
	if t.Lifetime {
		return window.Interval{Start: min(t.lifetimeStart, edge), End: edge}
	}
	return window.Interval{Start: edge + t.start, End: edge + t.start + t.size}
}

// fillCells merges what a window holds at each edge of the batch.
func (w *windows) fillCells(t *timeWindow) error {
	t.groups, t.lists, t.ids = t.groups[:0], t.lists[:0], t.ids[:0]
	if w.secondary == nil && !t.IsSeries() {
		t.groups = resized(t.groups, len(w.edges.all))
		fill(t.groups, -1)
	}
	for key := range w.edges.keys() {
		edges := w.edges.of(key)
		switch {
		case w.secondary != nil:
			if err := w.fillByKey(t, key, edges); err != nil {
				return err
			}
		case t.IsSeries():
			w.fillSeries(t, key, edges)
		default:
			w.placeEach(t, edges)
			w.mergeIntervals(w.tiles.firsts[key], w.tiles.firsts[key+1], t.groups[w.edges.firsts[key]:w.edges.firsts[key+1]])
		}
	}
	return nil
}

// placeEach sets the intervals to those of a window that is no series.
func (w *windows) placeEach(t *timeWindow, edges []window.Time) {
	w.intervals = w.intervals[:0]
	for _, edge := range edges {
		w.intervals = append(w.intervals, t.at(edge))
	}
}

// mergeIntervals merges the sorted stretches [from, to), of one key, over
// w.intervals, of which both ends ascend. It sets groups[lo:hi]; the other intervals
// hold nothing.
func (w *windows) mergeIntervals(from, to int32, groups []int32) (lo, hi int) {
	starts := w.tiles.starts[from:to]
	if len(starts) == 0 {
		return 0, 0
	}
	first, last := starts[0], starts[len(starts)-1]
	lo, _ = slices.BinarySearchFunc(w.intervals, first+1, func(i window.Interval, t window.Time) int { return cmp.Compare(i.End, t) })
	hi, _ = slices.BinarySearchFunc(w.intervals, last+1, func(i window.Interval, t window.Time) int { return cmp.Compare(i.Start, t) })
	if lo >= hi {
		return 0, 0
	}
	at, _ := slices.BinarySearch(starts, w.intervals[lo].Start)
	span := aggregate.Span{From: int32(at), To: int32(at)}
	w.within = w.within[:0]
	for _, i := range w.intervals[lo:hi] {
		for int(span.From) < len(starts) && starts[span.From] < i.Start {
			span.From++
		}
		for int(span.To) < len(starts) && starts[span.To] < i.End {
			span.To++
		}
		w.within = append(w.within, span)
	}
	w.spans.Slide(w.states, w.tiles.merged[from:to], w.within, groups[lo:hi])
	return lo, hi
}

// fillSeries merges the windows of a series at all edges of a key. Windows of two
// edges are the same where the edges are some steps apart, so the edges are taken by
// what they leave when divided by the step: each window is merged once.
func (w *windows) fillSeries(t *timeWindow, key int32, edges []window.Time) {
	phase := func(edge int32) window.Time {
		at := edges[edge] + t.start
		return ((at % t.step) + t.step) % t.step
	}
	w.order = w.order[:0]
	for i := range edges {
		w.order = append(w.order, int32(i))
	}
	slices.SortFunc(w.order, func(a, b int32) int { return cmp.Or(cmp.Compare(phase(a), phase(b)), cmp.Compare(a, b)) })

	first := len(t.lists)
	t.lists = append(t.lists, make([]aggregate.Span, len(edges))...)
	lists := t.lists[first:]
	for i := 0; i < len(w.order); {
		offset := int32(len(t.groups))
		w.intervals = w.intervals[:0]
		own := phase(w.order[i])
		for ; i < len(w.order) && phase(w.order[i]) == own; i++ {
			at := w.addSeries(t, edges[w.order[i]])
			lists[w.order[i]] = aggregate.Span{From: offset + at, To: offset + at + int32(t.steps)}
		}
		t.groups = slices.Grow(t.groups, len(w.intervals))[:len(t.groups)+len(w.intervals)]
		fill(t.groups[offset:], -1)
		w.mergeIntervals(w.tiles.firsts[key], w.tiles.firsts[key+1], t.groups[offset:])
	}
	for i, list := range lists {
		if !slices.ContainsFunc(t.groups[list.From:list.To], func(group int32) bool { return group >= 0 }) {
			lists[i] = aggregate.Span{}
		}
	}
}

// addSeries adds the windows of an edge to w.intervals, which are of earlier edges of
// its phase, and returns the number of the first.
func (w *windows) addSeries(t *timeWindow, edge window.Time) int32 {
	start, have := edge+t.start, 0
	if n := len(w.intervals); n > 0 && w.intervals[n-1].Start >= start {
		have = int((w.intervals[n-1].Start-start)/t.step) + 1
	}
	first := len(w.intervals) - have
	for k := have; k < t.steps; k++ {
		at := start + window.Time(k)*t.step
		w.intervals = append(w.intervals, window.Interval{Start: at, End: at + t.size})
	}
	return int32(first)
}
