// Package oracle computes features at times of the past the slow and obvious way,
// from raw events, for tests to compare the product with. It imports nothing of the
// product but the oracle of its functions, knows no tiles, files or cursors, and goes
// through all events for each value.
//
// Times and lengths are microseconds, times since the Unix epoch. Values are those of
// the functions' oracle: nil for null, bool, int32, int64, float32, float64, string,
// or []any of these. A definition that makes no sense is a mistake in the test.
package oracle

import (
	"math"
	"slices"

	"github.com/tilery/tilery/pkg/aggregate/oracle"
)

// Event is a row that a view's SQL returned.
type Event struct {
	Key    any // of the entity; compared with ==
	Time   int64
	Values map[string]any // by column
}

// Definition is a view. With Aggregations its features are these, and after them, if
// there is a SecondaryKey, the lists of its values, one for each window in the order
// of first use. Without Aggregations they are the Columns of the latest row.
type Definition struct {
	Schedule     int64 // of the batch jobs
	Delay        int64 // of the data
	FeatureStart int64

	Columns []string
	TTL     int64 // 0: rows never expire

	Aggregations  []Aggregation
	Interval      int64 // of the tiles
	LifetimeStart int64
	SecondaryKey  string // a column
}

// Aggregation is a function of a column over a window.
type Aggregation struct {
	Function oracle.Function
	Column   string
	Window   Window
}

// Window is Size before the edge, moved by Offset; or all since the lifetime's start; or,
// if Step is not 0, a series of windows of Size from SeriesStart on, each Step after
// the one before, that end by SeriesEnd. Offset and the series' bounds are from the
// edge, at most 0.
type Window struct {
	Size, Offset                 int64
	Lifetime                     bool
	SeriesStart, SeriesEnd, Step int64
}

// At returns the features of an entity as of an instant; nil for null.
func (d Definition) At(events []Event, key any, at int64) []any {
	var own []Event
	for _, e := range events {
		if e.Key == key {
			own = append(own, e)
		}
	}
	switch {
	case len(d.Aggregations) == 0:
		return d.latest(own, at)
	case d.SecondaryKey == "":
		return d.windows(own, at)
	}
	return d.lists(own, at)
}

// Edge returns the end of the newest window of the schedule whose data is complete.
func (d Definition) Edge(at int64) int64 {
	if at < math.MinInt64+d.Delay+d.Schedule {
		return math.MinInt64
	}
	return floor(at-d.Delay, d.Schedule)
}

// Effective returns when a row begins to count: its window has ended, and the data
// is complete.
func (d Definition) Effective(row int64) int64 {
	return floor(row, d.Schedule) + d.Schedule + d.Delay
}

func floor(at, step int64) int64 {
	rest := at % step
	if rest < 0 {
		rest += step
	}
	return at - rest
}

// latest returns the columns of the latest row that counts, unless it has expired by
// then or lies before the start.
func (d Definition) latest(own []Event, at int64) []any {
	var found *Event
	for i, e := range own {
		if d.Effective(e.Time) <= at && (found == nil || e.Time > found.Time || e.Time == found.Time && d.compare(e, *found) > 0) {
			found = &own[i]
		}
	}
	out := make([]any, len(d.Columns))
	if found == nil || found.Time < d.FeatureStart || d.TTL > 0 && at >= d.Effective(found.Time+d.TTL) {
		return out
	}
	for i, column := range d.Columns {
		out[i] = found.Values[column]
	}
	return out
}

// windows returns the aggregations. A series is null when no window of it has rows.
func (d Definition) windows(own []Event, at int64) []any {
	out := make([]any, len(d.Aggregations))
	edge := d.Edge(at)
	if edge < d.Edge(d.FeatureStart) {
		return out
	}
	for i, a := range d.Aggregations {
		if a.Window.Step == 0 {
			out[i] = a.finish(within(own, d.bounds(a.Window, edge)))
			continue
		}
		var series []any
		rows := 0
		for start := edge + a.Window.SeriesStart; start+a.Window.Size <= edge+a.Window.SeriesEnd; start += a.Window.Step {
			inside := within(own, [2]int64{start, start + a.Window.Size})
			series, rows = append(series, a.finish(inside)), rows+len(inside)
		}
		if rows > 0 {
			out[i] = series
		}
	}
	return out
}

// lists returns, for each aggregation, its values by the secondary keys that have
// rows in its window, in their order, and then, for each window, these keys. A list
// without any is null.
func (d Definition) lists(own []Event, at int64) []any {
	var windows []Window
	for _, a := range d.Aggregations {
		if !slices.Contains(windows, a.Window) {
			windows = append(windows, a.Window)
		}
	}
	out := make([]any, len(d.Aggregations)+len(windows))
	edge := d.Edge(at)
	if edge < d.Edge(d.FeatureStart) {
		return out
	}
	for i, a := range d.Aggregations {
		if keys, rows := d.byKey(within(own, d.bounds(a.Window, edge))); len(keys) > 0 {
			var list []any
			for _, key := range keys {
				list = append(list, a.finish(rows[key]))
			}
			out[i] = list
		}
	}
	for i, w := range windows {
		if keys, _ := d.byKey(within(own, d.bounds(w, edge))); len(keys) > 0 {
			out[len(d.Aggregations)+i] = keys
		}
	}
	return out
}

// bounds returns the start and the end of a window that is no series.
func (d Definition) bounds(w Window, edge int64) [2]int64 {
	if w.Lifetime {
		return [2]int64{floor(d.LifetimeStart, d.Interval), edge}
	}
	return [2]int64{edge + w.Offset - w.Size, edge + w.Offset}
}

func within(events []Event, bounds [2]int64) (inside []Event) {
	for _, e := range events {
		if bounds[0] <= e.Time && e.Time < bounds[1] {
			inside = append(inside, e)
		}
	}
	return inside
}

func (a Aggregation) finish(events []Event) any {
	var in []oracle.Event
	for _, e := range events {
		in = append(in, oracle.Event{Time: e.Time, Value: e.Values[a.Column]})
	}
	return oracle.Finish(a.Function, in)
}
