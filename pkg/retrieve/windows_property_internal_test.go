package retrieve

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

// TestEveryCellIsTheMergeOfTheTilesInItsWindow draws windows of every kind, tiles in
// overlapping files, and instants.
func TestEveryCellIsTheMergeOfTheTilesInItsWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		view := drawView(t)
		target := newTarget(t, view)
		tiles := drawTiles(t, view.AggregationSecondaryKey != "")
		asks := drawAsks(t)
		features, err := view.Features()
		require.NoError(t, err)
		asked := rapid.SliceOfN(rapid.IntRange(0, len(features)-1), 1, 5).Draw(t, "asked")
		made, err := newWindows(target, asked)
		require.NoError(t, err)
		j := made.(*windows)
		j.atLeast = rapid.SampledFrom([]int64{0, 1000, 10_000, compactBytes}).Draw(t, "limit")

		cells := naiveCells(target, tiles)
		var schema feature.Schema
		for _, f := range asked {
			schema = append(schema, features[f])
		}
		// Keys come in batches, to one joiner.
		for _, batch := range batches(t, asks) {
			b, keys := batchOf(batch)
			j.begin(b)
			for _, file := range drawFiles(t, tiles) {
				addFile(t, target, j, keys, file, rapid.IntRange(1, 40).Draw(t, "rows of a record"))
			}
			columns, err := j.end()
			require.NoError(t, err)
			got := valuesOf(t, schema, columns)
			for i, f := range asked {
				for row, a := range batch {
					require.Equal(t, cells(f, a), got[i][row], "%s of key %d at %v", features[f].Name, a.key, a.at)
				}
			}
		}
	})
}

const days = 5

func drawView(t *rapid.T) feature.View {
	duration := func(label string, least, most int) time.Duration {
		return time.Duration(rapid.IntRange(least, most).Draw(t, label)) * hour
	}
	secondary := rapid.SampledFrom([]bool{false, false, true}).Draw(t, "secondary key")
	functions := []feature.Aggregation{
		{Function: feature.Sum, Column: "n"}, {Function: feature.Count, Column: "n"}, {Function: feature.Max, Column: "n"},
		{Function: feature.Sum, Column: "amount"}, {Function: feature.Mean, Column: "amount"}, {Function: feature.Min, Column: "amount"},
		{Function: feature.Min, Column: "label"}, {Function: feature.LastDistinct(2), Column: "label"},
		{Function: feature.StddevPop, Column: "n"}, {Function: feature.ApproxCountDistinct, Column: "label"},
	}
	var aggregations []feature.Aggregation
	for range rapid.IntRange(1, 4).Draw(t, "windows") {
		w := trailing(duration("size", 1, 40))
		switch kind := rapid.SampledFrom([]string{"trailing", "offset", "lifetime", "series", "series"}).Draw(t, "kind"); {
		case kind == "offset":
			w.Offset = -feature.Offset(duration("offset", 0, 60))
		case kind == "lifetime":
			w = feature.Lifetime
		case kind == "series" && !secondary:
			w.StepSize = feature.Duration(rapid.SampledFrom([]int{1, 1, 2, 3, 7, 24}).Draw(t, "step")) * feature.Duration(hour)
			w.SeriesEnd = -feature.Offset(duration("end", 0, 10))
			w.SeriesStart = w.SeriesEnd - feature.Offset(w.WindowSize) - feature.Offset(w.StepSize) - feature.Offset(duration("more", 0, 60))
		}
		for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom(functions), 1, 4, rapid.ID[feature.Aggregation]).Draw(t, "functions") {
			a.TimeWindow = w
			aggregations = append(aggregations, a)
		}
	}
	view := playView(aggregations...)
	view.BatchSchedule = feature.Duration(rapid.SampledFrom([]int{1, 2, 6, 24}).Draw(t, "schedule")) * feature.Duration(hour)
	view.Sources = []feature.Source{{BatchSource: feature.BatchSource{BatchConfig: feature.FileConfig{
		DataDelay: feature.Duration(rapid.IntRange(0, 90).Draw(t, "delay")) * feature.Duration(time.Minute),
	}}}}
	view.FeatureStartTime = at(duration("feature start", 0, 30))
	view.LifetimeStartTime = at(duration("lifetime start", 0, 24*days) + 1)
	if secondary {
		view.AggregationSecondaryKey = "page"
	}
	return view
}

func drawTiles(t *rapid.T, secondary bool) []tile {
	hours := rapid.SampledFrom([]int{10, 24 * days}).Draw(t, "hours")
	out := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tile {
		one := tile{
			key:   rapid.Int32Range(0, 3).Draw(t, "key"),
			start: at(time.Duration(rapid.IntRange(0, hours-1).Draw(t, "hour")) * hour),
			null:  rapid.Bool().Draw(t, "null"),
		}
		if secondary {
			one.page = rapid.SampledFrom([]string{"", "a", "b", "bb"}).Draw(t, "page")
		}
		one.values = rapid.SliceOfN(rapid.Int64Range(-3, 9), 0, 3).Draw(t, "values")
		one.null = one.null || len(one.values) == 0
		return one
	}), 0, 150).Draw(t, "tiles")
	return out
}

func drawAsks(t *rapid.T) []ask {
	out := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ask {
		minutes := 20 * rapid.IntRange(-10, 3*24*(days+3)).Draw(t, "minutes")
		return ask{rapid.Int32Range(0, 4).Draw(t, "key"), at(time.Duration(minutes) * time.Minute)}
	}), 1, 60).Draw(t, "asks")
	slices.SortFunc(out, func(a, b ask) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	return out
}

// batches divides sorted asks between keys.
func batches(t *rapid.T, asks []ask) (out [][]ask) {
	for i, a := range asks {
		if i == 0 || a.key != asks[i-1].key && rapid.Bool().Draw(t, "batch") {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], a)
	}
	return out
}

// drawFiles deals tiles out to files. Some have times of their own, as windows of a
// table do.
func drawFiles(t *rapid.T, tiles []tile) [][]tile {
	files := make([][]tile, rapid.IntRange(1, 5).Draw(t, "files"))
	byTime := rapid.Bool().Draw(t, "by time")
	for i, one := range tiles {
		file := i % len(files)
		if byTime {
			file = int(one.start.Sub(midnight)/(24*hour)) % len(files)
		}
		files[file] = append(files[file], one)
	}
	if rapid.Bool().Draw(t, "latest first") {
		slices.Reverse(files)
	}
	return files
}

// naiveCells computes one cell at a time.
func naiveCells(target *materialize.Target, tiles []tile) func(f int, a ask) feature.Value {
	view := target.View
	tiles = slices.Clone(tiles)
	all := statesOf(target.Layout, tiles)
	merged := func(key int32, page *string, i window.Interval) (*aggregate.States, bool) {
		states := target.Layout.NewStates()
		states.Grow(1)
		for group, tile := range tiles {
			if tile.key == key && i.Contains(tile.start) && (page == nil || tile.page == *page) {
				states.Merge(0, all, group)
			}
		}
		return states, states.Present(0)
	}
	byPage := func(f int, w feature.TimeWindow, a ask, edge window.Time) feature.Value {
		i := w.Intervals(edge, view.LifetimeStart())[0]
		var names, values []feature.Value
		for _, page := range []string{"", "a", "b", "bb"} {
			if states, some := merged(a.key, &page, i); some {
				names = append(names, feature.StringValue(page))
				if f < len(view.Aggregations) {
					values = append(values, states.Finish(0, f))
				}
			}
		}
		switch {
		case names == nil:
			return feature.Null
		case f < len(view.Aggregations):
			return feature.ArrayValue(target.Layout.OutputType(f), values)
		}
		return feature.ArrayValue(feature.String, names)
	}
	return func(f int, a ask) feature.Value {
		edge := view.CompleteEnd(a.at)
		if edge < view.CompleteEnd(view.FeatureStartTime) {
			return feature.Null
		}
		if view.AggregationSecondaryKey != "" {
			if f >= len(view.Aggregations) {
				return byPage(f, view.TimeWindows()[f-len(view.Aggregations)], a, edge)
			}
			return byPage(f, view.Aggregations[f].TimeWindow, a, edge)
		}
		w := view.Aggregations[f].TimeWindow
		var values []feature.Value
		one := false
		for _, i := range w.Intervals(edge, view.LifetimeStart()) {
			states, some := merged(a.key, nil, i)
			one = one || some
			values = append(values, states.Finish(0, f))
		}
		switch {
		case !w.IsSeries():
			return values[0]
		case !one:
			return feature.Null
		}
		return feature.ArrayValue(target.Layout.OutputType(f), values)
	}
}
