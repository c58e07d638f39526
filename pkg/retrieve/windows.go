package retrieve

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

// windows joins the features of a view with aggregations. Tiles are merged as they
// come, into one state for each stretch of a key's time that its windows cannot tell
// apart; what a window holds is then merged from stretches, with few merges for each
// stretch and edge, however long the window is.
//
// Memory is bounded by the batch and not by the tiles: a key has at most as many
// stretches as its windows have bounds at its edges, and a series of more than
// maxBoundSeries windows at most one for each tile that they hold.
type windows struct {
	delay, schedule, reach time.Duration
	firstEdge              window.Time // that of feature_start_time
	lifetimeStart          window.Time // where the lifetime is one of the view's windows; else window.MaxTime

	keyColumns int
	secondary  *secondary // nil: there is none
	layout     *aggregate.Layout
	names      []string
	features   []windowFeature
	windows    []*timeWindow

	edges   edges
	bounds  bounds
	tiles   stretches
	states  *aggregate.States
	spare   *aggregate.States // of compactTiles
	limit   int64             // bytes of states from which on that is worth a try
	atLeast int64             // what limit begins with

	spans     aggregate.Spans
	intervals []window.Interval // scratch from here on
	within    []aggregate.Span  // intervals as stretches
	order     []int32
	groups    []int32
	inputs    []arrow.Array
	values    []feature.Value
}

// windowFeature is a feature that is asked for.
type windowFeature struct {
	feature.Field
	window      *timeWindow
	aggregation int // of the layout; -1: the list of secondary keys
}

// compactBytes is how much the states of a batch may take before stretches that came
// from several files are put together.
const compactBytes = 64 << 20

// newWindows prepares the features of those numbers in View.Features.
func newWindows(target *materialize.Target, features []int) (joiner, error) {
	view := target.View
	schema, err := view.Features()
	if err != nil {
		return nil, err
	}
	w := &windows{
		delay: view.DataDelay(), schedule: view.Schedule(), reach: view.Reach(),
		firstEdge: view.CompleteEnd(view.FeatureStartTime), lifetimeStart: window.MaxTime, keyColumns: len(target.Keys),
		atLeast: compactBytes,
	}
	if view.HasLifetime() {
		w.lifetimeStart = view.LifetimeStart()
	}
	if len(target.SecondaryKey()) > 0 {
		w.secondary = newSecondary(view.Name, target.SecondaryKey(), w.keyColumns-1)
	}
	var aggregations []feature.Aggregation
	all := view.TimeWindows()
	for _, number := range features {
		f := windowFeature{Field: schema[number], aggregation: -1}
		if number < len(view.Aggregations) {
			a := view.Aggregations[number]
			f.aggregation, f.window = len(aggregations), w.window(a.TimeWindow, view.LifetimeStart())
			aggregations = append(aggregations, a)
		} else {
			f.window = w.window(all[number-len(view.Aggregations)], view.LifetimeStart())
		}
		w.features = append(w.features, f)
	}
	if w.layout, err = aggregate.NewLayout(aggregations, view.Schema); err != nil {
		return nil, fmt.Errorf("features of %s: %w", view.Name, err)
	}
	for _, field := range w.layout.Fields() {
		w.names = append(w.names, field.Name)
	}
	w.states = w.layout.NewStates()
	w.bounds = newBounds(w.windows)
	return w, nil
}

// window returns the one of w.windows that is as asked, which is added if need be.
func (w *windows) window(asked feature.TimeWindow, lifetimeStart window.Time) *timeWindow {
	i := slices.IndexFunc(w.windows, func(have *timeWindow) bool { return have.TimeWindow == asked })
	if i < 0 {
		i = len(w.windows)
		w.windows = append(w.windows, newTimeWindow(asked, lifetimeStart))
	}
	return w.windows[i]
}

func (w *windows) columns() []string { return w.names }

// edge returns the end of the windows of an instant; false: before feature_start_time.
func (w *windows) edge(at window.Time) (window.Time, bool) {
	edge := at.Add(-w.delay).Floor(w.schedule)
	return edge, edge >= w.firstEdge
}

func (w *windows) needs(at window.Time) window.Interval {
	edge, ok := w.edge(at)
	if !ok {
		return window.Interval{}
	}
	return window.Interval{Start: min(edge.Add(-w.reach), w.lifetimeStart), End: edge}
}

func (w *windows) begin(b *keyBatch) {
	w.edges.begin(b, w.edge)
	w.tiles.begin()
	w.states.Reset()
	w.limit = w.atLeast
	if w.secondary != nil {
		w.secondary.begin()
	}
}

func (w *windows) add(rec arrow.Record, rows, keys []int32) error {
	if len(rows) == 0 {
		return nil
	}
	first, end := rows[0], rows[len(rows)-1]+1
	if w.secondary != nil {
		if err := w.secondary.open(rec); err != nil {
			return err
		}
	}
	w.groups = resized(w.groups, int(end-first))
	if int(end-first) > len(rows) {
		fill(w.groups, -1)
	}
	times := rec.Column(w.keyColumns).(*array.Timestamp).TimestampValues()
	for i, row := range rows {
		id := int32(0)
		if w.secondary != nil {
			var err error
			if id, err = w.secondary.id(int(row)); err != nil {
				return err
			}
		}
		w.groups[row-first] = w.place(keys[i], id, window.Time(times[row]))
	}
	w.states.Grow(int(w.tiles.groups))
	if err := w.mergeColumns(rec, int64(first), int64(end)); err != nil {
		return err
	}
	if w.states.Bytes() > w.limit {
		w.compactTiles()
	}
	return nil
}

// place returns the group that a tile goes into; -1: no window holds it.
func (w *windows) place(key, id int32, start window.Time) int32 {
	t := &w.tiles
	switch {
	case key != t.key || id != t.id || start < t.at:
		w.bounds.seek(w.edges.of(key), start)
	case start >= w.bounds.next:
		w.bounds.advance(start)
	default:
		t.at = start
		return t.group
	}
	return t.open(key, id, start, w.bounds.held)
}

func (w *windows) mergeColumns(rec arrow.Record, first, end int64) error {
	w.inputs = w.inputs[:0]
	for i := range w.names {
		w.inputs = append(w.inputs, array.NewSlice(rec.Column(w.keyColumns+1+i), first, end))
	}
	err := w.states.MergeColumns(w.groups, w.inputs)
	for _, column := range w.inputs {
		column.Release()
	}
	return err
}

func (w *windows) end() ([]arrow.Array, error) {
	w.sortTiles()
	for _, t := range w.windows {
		if err := w.fillCells(t); err != nil {
			return nil, err
		}
	}
	out := make([]arrow.Array, 0, len(w.features))
	for _, f := range w.features {
		column, err := w.finish(f)
		if err != nil {
			for _, done := range out {
				done.Release()
			}
			return nil, fmt.Errorf("feature %s: %w", f.Name, err)
		}
		out = append(out, column)
	}
	return out, nil
}

// edges are the distinct edges of a batch.
type edges struct {
	all    []window.Time
	firsts []int32 // by key: its first edge; one more at the end
	ofRow  []int32 // by row: its edge; -1: none, as it lies before feature_start_time
}

func (e *edges) begin(b *keyBatch, edge func(window.Time) (window.Time, bool)) {
	e.all, e.firsts, e.ofRow = e.all[:0], append(e.firsts[:0], 0), e.ofRow[:0]
	for key := range b.keys() {
		first := len(e.all)
		for _, at := range b.times[b.firsts[key]:b.firsts[key+1]] {
			own, ok := edge(at)
			if !ok {
				e.ofRow = append(e.ofRow, -1)
				continue
			}
			if len(e.all) == first || e.all[len(e.all)-1] != own {
				e.all = append(e.all, own)
			}
			e.ofRow = append(e.ofRow, int32(len(e.all)-1))
		}
		e.firsts = append(e.firsts, int32(len(e.all)))
	}
}

func (e *edges) keys() int32 { return int32(len(e.firsts) - 1) }

// of returns the edges of a key, which ascend.
func (e *edges) of(key int32) []window.Time { return e.all[e.firsts[key]:e.firsts[key+1]] }

// resized returns scratch with n elements, which hold anything.
func resized[T any](scratch []T, n int) []T {
	return slices.Grow(scratch[:0], n)[:n]
}

func fill(groups []int32, group int32) {
	for i := range groups {
		groups[i] = group
	}
}

// never is after every tile.
const never = window.Time(math.MaxInt64)
