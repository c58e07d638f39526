package retrieve

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

var (
	null = feature.Null
	n    = feature.Int64Value
)

func list(values ...feature.Value) feature.Value { return feature.ArrayValue(feature.Int64, values) }

func trailing(d time.Duration) feature.TimeWindow { return feature.Trailing(feature.Duration(d)) }

// one is a tile of key 0 with one value.
func one(hours int, value int64) tile {
	return tile{start: at(time.Duration(hours) * hour), values: []int64{value}}
}

// asksAt are instants of key 0.
func asksAt(times ...time.Duration) []ask {
	var out []ask
	for _, d := range times {
		out = append(out, ask{0, at(d)})
	}
	return out
}

func sums(windows ...feature.TimeWindow) feature.View {
	var all []feature.Aggregation
	for _, w := range windows {
		all = append(all, aggregation(feature.Sum, "n", w))
	}
	return playView(all...)
}

func TestAWindowEndsAtTheLastEdgeBeforeTheInstant(t *testing.T) {
	t.Parallel()
	view := sums(trailing(2 * hour))
	view.BatchSchedule = feature.Duration(2 * hour)
	view.Sources = []feature.Source{{BatchSource: feature.BatchSource{BatchConfig: feature.FileConfig{DataDelay: feature.Duration(10 * time.Minute)}}}}
	got := joined(t, newTarget(t, view), asksAt(
		4*hour+10*time.Minute-time.Microsecond, 4*hour+10*time.Minute, 6*hour+10*time.Minute-time.Microsecond, 6*hour+10*time.Minute, 8*hour+10*time.Minute,
	), []tile{one(0, 1), one(1, 2), one(2, 4), one(3, 8), one(4, 16)})
	require.Equal(t, [][]feature.Value{{n(3), n(12), n(12), n(16), null}}, got)
}

func TestOffsetsAndLifetimes(t *testing.T) {
	t.Parallel()
	view := sums(feature.TimeWindow{WindowSize: feature.Duration(hour), Offset: feature.Offset(-2 * hour)}, feature.Lifetime)
	view.LifetimeStartTime = at(90 * time.Minute)
	got := joined(t, newTarget(t, view), asksAt(hour, 2*hour, 3*hour, 5*hour, 90*hour),
		[]tile{one(0, 1), one(1, 2), one(4, 4), one(80, 8)})
	require.Equal(t, [][]feature.Value{
		{null, null, n(1), null, null},
		{null, n(2), n(2), n(6), n(14)},
	}, got)
}

func TestAnEdgeBeforeThatOfFeatureStartTimeHasNoFeatures(t *testing.T) {
	t.Parallel()
	view := sums(trailing(3*hour), feature.Lifetime)
	view.FeatureStartTime, view.LifetimeStartTime = at(90*time.Minute), at(0)
	target := newTarget(t, view)
	got := joined(t, target, asksAt(hour-time.Microsecond, hour, 2*hour), []tile{one(0, 1), one(1, 2)})
	require.Equal(t, [][]feature.Value{{null, n(1), n(3)}, {null, n(1), n(3)}}, got)

	j, err := newWindows(target, []int{0})
	require.NoError(t, err)
	require.True(t, j.needs(at(hour-time.Microsecond)).Empty())
	require.Equal(t, window.Interval{Start: at(-hour), End: at(2 * hour)}, j.needs(at(2*hour)))
	require.Equal(t, window.Interval{Start: at(0), End: at(9 * hour)}, j.needs(at(9*hour)), "the lifetime")
}

func TestATileOfNullsCountsZeroAndNoTileIsNull(t *testing.T) {
	t.Parallel()
	hourly := feature.TimeWindow{WindowSize: feature.Duration(hour), SeriesStart: feature.Offset(-3 * hour)}
	view := playView(aggregation(feature.Count, "n", trailing(hour)), aggregation(feature.Sum, "n", trailing(hour)), aggregation(feature.Count, "n", hourly))
	nulls := one(1, 0)
	nulls.values, nulls.null = nil, true
	got := joined(t, newTarget(t, view), asksAt(hour, 2*hour, 3*hour, 4*hour, 7*hour), []tile{one(0, 1), nulls})
	require.Equal(t, [][]feature.Value{
		{n(1), n(0), null, null, null},
		{n(1), null, null, null, null},
		{list(null, null, n(1)), list(null, n(1), n(0)), list(n(1), n(0), null), list(n(0), null, null), null},
	}, got)
}

func TestRowsOfOneEdgeShareTheResultAndKeysDoNot(t *testing.T) {
	t.Parallel()
	target := newTarget(t, playView(aggregation(feature.LastDistinct(2), "label", trailing(2*hour)), aggregation(feature.Max, "n", trailing(hour))))
	other := one(0, 9)
	other.key = 5
	between := one(0, 8)
	between.key = 3
	got := joined(t, target, []ask{{0, at(hour)}, {0, at(hour)}, {0, at(hour + 1)}, {0, at(2 * hour)}, {5, at(hour)}, {7, at(hour)}},
		[]tile{one(0, 1), between, other}, []tile{one(1, 2)})
	texts := func(values ...string) feature.Value {
		var out []feature.Value
		for _, v := range values {
			out = append(out, feature.StringValue(v))
		}
		return feature.ArrayValue(feature.String, out)
	}
	require.Equal(t, [][]feature.Value{
		{texts("b"), texts("b"), texts("b"), texts("b", "c"), texts("c"), null},
		{n(1), n(1), n(1), n(2), n(9), null},
	}, got)
}

func TestFilesMayComeInAnyOrderAndOverlap(t *testing.T) {
	t.Parallel()
	target := newTarget(t, sums(trailing(3*hour), trailing(hour)))
	asks := asksAt(hour, 2*hour, 3*hour, 4*hour)
	files := [][]tile{{one(3, 8)}, {one(0, 1), one(2, 4)}, {one(1, 2), one(2, 100)}}
	want := [][]feature.Value{{n(1), n(3), n(107), n(114)}, {n(1), n(2), n(104), n(8)}}
	require.Equal(t, want, joined(t, target, asks, files...))
	slices.Reverse(files)
	require.Equal(t, want, joined(t, target, asks, files...))
}

func TestOnlyTheColumnsOfTheFeaturesAreRead(t *testing.T) {
	t.Parallel()
	view := playView(aggregation(feature.Count, "n", trailing(hour)), aggregation(feature.Sum, "amount", trailing(hour)), aggregation(feature.Max, "n", trailing(9*hour)))
	j, err := newWindows(newTarget(t, view), []int{2, 0, 2})
	require.NoError(t, err)
	require.Equal(t, []string{"count_n", "max_n"}, j.columns())
	batch, keys := batchOf(asksAt(5 * hour))
	for range 2 { // a joiner is used again and again
		j.begin(batch)
		addFile(t, newTarget(t, view), j, keys, []tile{one(0, 7), one(4, 3)}, 10)
		columns, err := j.end()
		require.NoError(t, err)
		require.Equal(t, [][]feature.Value{{n(7)}, {n(1)}, {n(7)}},
			valuesOf(t, feature.Schema{{Type: feature.Int64}, {Type: feature.Int64}, {Type: feature.Int64}}, columns))
	}
	require.Len(t, j.(*windows).tiles.all, 2, "tiles between two bounds are one state")
}

func TestNoTilesAndNoRows(t *testing.T) {
	t.Parallel()
	weekly := feature.TimeWindow{WindowSize: feature.Duration(hour), SeriesStart: feature.Offset(-168 * hour)}
	target := newTarget(t, sums(trailing(hour), weekly))
	require.Equal(t, [][]feature.Value{{null, null}, {null, null}}, joined(t, target, asksAt(hour, 2*hour)))
	require.Equal(t, [][]feature.Value{nil, nil}, joined(t, target, nil))
}

func TestOneStateForWhatNoWindowTellsApart(t *testing.T) {
	t.Parallel()
	var files [][]tile
	for day := 9; day >= 0; day-- {
		var file []tile
		for h := range 24 {
			file = append(file, one(24*day+h, 1))
		}
		files = append(files, file)
	}
	target := newTarget(t, sums(trailing(48*hour), trailing(240*hour)))
	made, err := newWindows(target, []int{0, 1})
	require.NoError(t, err)
	j := made.(*windows)
	j.atLeast = 0 // as if the states took more than the limit at once
	batch, keys := batchOf(asksAt(240 * hour))
	j.begin(batch)
	for _, file := range files {
		addFile(t, target, j, keys, file, 24)
		require.LessOrEqual(t, j.states.Len(), 5)
		j.limit = 0
	}
	columns, err := j.end()
	require.NoError(t, err)
	require.Equal(t, [][]feature.Value{{n(48)}, {n(240)}}, valuesOf(t, feature.Schema{{Type: feature.Int64}, {Type: feature.Int64}}, columns))
}

func TestTilesOfALongSeriesAreToldApart(t *testing.T) {
	t.Parallel()
	hourly := feature.TimeWindow{WindowSize: feature.Duration(2 * hour), StepSize: feature.Duration(hour), SeriesStart: feature.Offset(-20 * hour)}
	got := joined(t, newTarget(t, sums(hourly)), asksAt(4*hour, 6*hour), []tile{one(1, 1), one(2, 2), one(3, 4)})
	want := func(values ...feature.Value) feature.Value {
		return list(append(make([]feature.Value, 19-len(values)), values...)...)
	}
	require.Equal(t, [][]feature.Value{{want(n(1), n(3), n(6)), want(n(1), n(3), n(6), n(4), null)}}, got)
}
