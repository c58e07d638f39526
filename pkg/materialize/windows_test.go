package materialize_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// withWindows returns a view with a sum over each of the windows.
func withWindows(interval, schedule time.Duration, lifetimeStart window.Time, windows ...feature.TimeWindow) feature.View {
	v := newView(interval, schedule)
	v.LifetimeStartTime = lifetimeStart
	v.Aggregations = nil
	for i, w := range windows {
		v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: "n", Function: feature.Sum, TimeWindow: w, Name: fmt.Sprint("sum_", i)})
	}
	return v
}

// offset is a window of a size that ends so long before the edge.
func offset(size, before time.Duration) feature.TimeWindow {
	return feature.TimeWindow{WindowSize: feature.Duration(size), Offset: feature.Offset(-before)}
}

// mixedView has a window of each kind. Its windows are of half a day.
func mixedView() feature.View {
	return withWindows(hour, 12*hour, start.Add(18*hour),
		feature.Trailing(feature.Duration(12*hour)), offset(6*hour, 30*hour), feature.Lifetime,
		feature.TimeWindow{WindowSize: feature.Duration(3 * hour), SeriesStart: feature.Offset(-24 * hour), StepSize: feature.Duration(hour)})
}

// The watermark is the latest time before which every window is covered, whatever
// their kinds and however coverage is torn.
func TestTheWatermarkNeedsAllThatTheWindowsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		hours := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(rt, label)) * hour
		}
		var windows []feature.TimeWindow
		if rapid.Bool().Draw(rt, "lifetime") {
			windows = append(windows, feature.Lifetime)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "windows") {
			windows = append(windows, offset(hours("size", 1, 12), hours("offset", 0, 12)))
		}
		if len(windows) == 0 || rapid.Bool().Draw(rt, "series") {
			first := hours("series", 2, 24)
			windows = append(windows, feature.TimeWindow{WindowSize: feature.Duration(hour), SeriesStart: feature.Offset(-first)})
		}
		lifetimeStart := start.Add(hours("lifetime start", -10, 60))
		view := withWindows(hour, 3*hour, lifetimeStart, windows...)
		var covered []window.Interval
		for range rapid.IntRange(0, 4).Draw(rt, "intervals") {
			from := 3 * hours("from", -5, 20)
			covered = append(covered, span(from, from+3*hours("length", 0, 15)))
		}
		set := window.NewSet(covered...)

		want, found := window.Time(0), false
		for edge := start.Add(200 * hour).Floor(3 * hour); !found && edge > start.Add(-50*hour); edge = edge.Add(-3 * hour) {
			found = set.Covers(window.Interval{Start: edge.Add(-3 * hour), End: edge})
			for _, w := range windows {
				for _, i := range w.Intervals(edge, lifetimeStart) {
					found = found && set.Covers(window.Interval{Start: i.Start, End: edge})
				}
			}
			want = edge
		}
		got, ok := newTarget(t, view).Watermark(set)
		require.Equal(rt, found, ok)
		if found {
			require.Equal(rt, want, got)
		}
	})
}

func TestWithALifetimeAllIsServedFromItsStartOn(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(7), 500, span(0, 6*day))
	s := newMemoryScene(t, withWindows(hour, day, 0, feature.Trailing(feature.Duration(day))), &events)
	for d := range 6 {
		s.commit(false, d == 5, s.build(oneDay(d)))
	}
	s.apply()
	status, _ := s.status()
	require.Equal(t, window.NewSet(oneDay(5)), status.Covered)
	require.Equal(t, start.Add(6*day), *status.Watermark)

	// A lifetime is added to tiles that are there already. It begins within a window.
	s.target = newTarget(t, withWindows(hour, day, start.Add(day+5*hour+1), feature.Trailing(feature.Duration(day)), feature.Lifetime))
	require.Equal(t, start.Add(day), s.target.OnlineStart(start.Add(6*day)))
	_, ok := s.target.Watermark(status.Covered)
	require.False(t, ok, "it is not served by half")
	result, err := s.engine.Serve(t.Context(), s.target, s.table, nil)
	require.NoError(t, err)
	require.Equal(t, window.NewSet(span(day, 6*day)), result.Status.Covered)
	require.Equal(t, start.Add(6*day), *result.Status.Watermark)
}

func TestMaterializationStartsWithTheEarliestWindow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		view feature.View
		want time.Duration
	}{
		// floor(start - 6h) is a day before start; windows of the schedule are of a day.
		"trailing": {withWindows(hour, day, 0, feature.Trailing(feature.Duration(5*hour))), -2 * day},
		"offset":   {withWindows(hour, day, 0, feature.Trailing(feature.Duration(day)), offset(day, 25*hour)), -4 * day},
		"series": {withWindows(hour, day, 0, feature.TimeWindow{
			WindowSize: feature.Duration(hour), SeriesStart: feature.Offset(-3 * day), SeriesEnd: feature.Offset(-2 * day),
		}), -4 * day},
		"earlier lifetime": {withWindows(hour, day, start.Add(-10*day+hour), feature.Trailing(feature.Duration(day)), feature.Lifetime), -10 * day},
		"later lifetime":   {withWindows(hour, day, start.Add(10*day), feature.Trailing(feature.Duration(day)), feature.Lifetime), -2 * day},
		"lifetime alone":   {withWindows(hour, day, start.Add(10*day), feature.Lifetime), -day},
	} {
		c.view.Sources[0].BatchConfig.DataDelay = feature.Duration(6 * hour)
		require.Equal(t, start.Add(c.want), c.view.MaterializationStart(), name)
	}
}
