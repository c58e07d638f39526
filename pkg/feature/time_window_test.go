package feature_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

func TestTimeWindowsRoundTrip(t *testing.T) {
	for text, want := range map[string]feature.TimeWindow{
		`"7d"`:                                feature.Trailing(7 * day),
		`"lifetime"`:                          feature.Lifetime,
		`{"window_size":"7d","offset":"-1d"}`: {WindowSize: 7 * day, Offset: feature.Offset(-day)},
		`{"window_size":"1d","series_start":"-7d","series_end":"-1d","step_size":"12h"}`: {
			WindowSize: day, SeriesStart: feature.Offset(-7 * day), SeriesEnd: feature.Offset(-day), StepSize: 12 * hour,
		},
	} {
		var got feature.TimeWindow
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got)
		again, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, text, string(again))
	}
	var w feature.TimeWindow
	require.EqualError(t, w.UnmarshalText([]byte("a week")), `time window: duration "a week" is not of the form 7d, 1h30m or 90s, nor lifetime`)
}

func TestIntervalsLieBeforeTheEdge(t *testing.T) {
	edge, born := at("2024-06-10"), at("2024-01-01")
	days := func(first, last int) window.Interval {
		return window.Interval{Start: edge.Add(time.Duration(first) * 24 * time.Hour), End: edge.Add(time.Duration(last) * 24 * time.Hour)}
	}
	for name, c := range map[string]struct {
		window feature.TimeWindow
		want   []window.Interval
	}{
		"trailing": {feature.Trailing(7 * day), []window.Interval{days(-7, 0)}},
		"offset":   {feature.TimeWindow{WindowSize: 7 * day, Offset: feature.Offset(-3 * day)}, []window.Interval{days(-10, -3)}},
		"lifetime": {feature.Lifetime, []window.Interval{{Start: born, End: edge}}},
		"series": {
			feature.TimeWindow{WindowSize: 2 * day, SeriesStart: feature.Offset(-6 * day)},
			[]window.Interval{days(-6, -4), days(-4, -2), days(-2, 0)},
		},
		"steps with a rest": {
			feature.TimeWindow{WindowSize: 2 * day, SeriesStart: feature.Offset(-6 * day), SeriesEnd: feature.Offset(-day), StepSize: 2 * day},
			[]window.Interval{days(-6, -4), days(-4, -2)},
		},
		"overlapping": {
			feature.TimeWindow{WindowSize: 3 * day, SeriesStart: feature.Offset(-5 * day), StepSize: day},
			[]window.Interval{days(-5, -2), days(-4, -1), days(-3, 0)},
		},
	} {
		require.Equal(t, c.want, c.window.Intervals(edge, born), name)
	}
	require.Equal(t, []window.Interval{{Start: edge, End: edge}}, feature.Lifetime.Intervals(edge, edge.Add(1)), "not yet born")
}

func TestValidateTimeWindows(t *testing.T) {
	set := func(w feature.TimeWindow) func(r *feature.Repository) {
		return inView(func(v *feature.BatchFeatureView) { v.Aggregations[0].TimeWindow = w })
	}
	back := func(d feature.Duration) feature.Offset { return feature.Offset(-d) }
	const at = ofView + "aggregations[0].time_window: "
	refuses(t, map[string]refusal{
		"positive offset": {set(feature.TimeWindow{WindowSize: day, Offset: back(-day)}), []string{at + "offset -1d is not a multiple of the aggregation interval 1h"}},
		"odd step":        {set(feature.TimeWindow{WindowSize: day, SeriesStart: back(7 * day), StepSize: 90 * minute}), []string{at + "step_size 1h30m is not a multiple of the aggregation interval 1h"}},
		"short series":    {set(feature.TimeWindow{WindowSize: day, SeriesStart: back(day)}), []string{at + "the series from -1d to 0s has fewer than two windows of 1d"}},
		"long series":     {set(feature.TimeWindow{WindowSize: hour, SeriesStart: back(1001 * hour)}), []string{at + "the series has 1001 windows, at most 1000 are allowed"}},
		"both":            {set(feature.TimeWindow{WindowSize: day, Offset: back(day), SeriesStart: back(7 * day)}), []string{at + "a series has no offset: move series_start and series_end"}},
		"long span":       {set(feature.TimeWindow{WindowSize: day, SeriesStart: back(65 * day)}), []string{at + "1d_series_65d_0s_1d is longer than 64d, the longest for tiles of 1h"}},
		"far back":        {set(feature.TimeWindow{WindowSize: day, Offset: back(36500 * day)}), []string{at + "1d_offset_36500d starts 36501d before its edge, at most 36500d are allowed"}},
		"size of a life": {set(feature.TimeWindow{WindowSize: day, Lifetime: true}), []string{
			ofView + "lifetime_start_time: is required with lifetime windows, for instance 2020-01-01; 1970-01-01T00:00:00Z itself is not accepted",
			at + "lifetime has no size, offset or series",
		}},
		"short tiles": {inView(func(v *feature.BatchFeatureView) {
			v.Aggregations[0].TimeWindow, v.LifetimeStartTime = feature.Lifetime, v.FeatureStartTime
		}), []string{at + "the lifetime needs longer tiles than 1h: those that are read together span 1d, want 6d"}},
		"no lifetime": {inView(func(v *feature.BatchFeatureView) { v.LifetimeStartTime = v.FeatureStartTime }), []string{
			ofView + "lifetime_start_time: needs an aggregation with time_window: lifetime",
		}},
	})
	r := valid()
	set(feature.TimeWindow{WindowSize: 30 * day, Offset: back(1000 * day)})(r)
	require.Empty(t, problems(r), "what lies between is not read")
}

func TestWindowsStartWithTheEarliestOne(t *testing.T) {
	r := valid()
	v := &r.BatchFeatureViews[0]
	v.AggregationInterval, v.BatchSchedule, v.FeatureStartTime = day, 0, at("2024-06-10")
	r.BatchSources[0].BatchConfig.DataDelay = 2 * hour
	v.Aggregations = []feature.Aggregation{
		{Column: "delay", Function: feature.Sum, TimeWindow: feature.Trailing(7 * day)},
		{Column: "delay", Function: feature.Sum, TimeWindow: feature.TimeWindow{WindowSize: day, Offset: feature.Offset(-9 * day)}},
	}
	require.Empty(t, problems(r))
	// floor(2024-06-10 - 2h) is 2024-06-09.
	require.Equal(t, at("2024-05-30"), view(t, r).MaterializationStart())
	v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: "delay", Function: feature.Last, TimeWindow: feature.Lifetime})
	v.LifetimeStartTime = at("2020-02-03T04:05:06Z")
	require.Empty(t, problems(r))
	require.Equal(t, at("2020-02-03"), view(t, r).MaterializationStart())
	v.LifetimeStartTime = at("2024-06-01")
	require.Equal(t, at("2024-05-30"), view(t, r).MaterializationStart())
}

func TestLargeStatesShareShorterBlocks(t *testing.T) {
	for function, want := range map[feature.Function]feature.Duration{
		feature.Sum: 24 * hour, feature.LastN(100): 24 * hour, feature.LastDistinct(1000): 8 * hour, feature.ApproxCountDistinctOf(16): 3 * hour,
	} {
		v := valid().BatchFeatureViews[0]
		v.Aggregations = []feature.Aggregation{{Column: "c", Function: function}, {Column: "c", Function: function, Name: "again"}}
		require.Equal(t, time.Duration(want), v.BlockLength(), function)
	}
}

func TestSecondaryKeysMakeLists(t *testing.T) {
	r := valid()
	v := &r.BatchFeatureViews[0]
	v.AggregationSecondaryKey = "carrier"
	v.Schema = append(v.Schema, feature.Field{Name: "carrier", Type: feature.String})
	require.Empty(t, problems(r))
	resolved := view(t, r)
	features, err := resolved.Features()
	require.NoError(t, err)
	require.Equal(t, features.Names(), resolved.FeatureNames())
	for _, f := range features {
		require.True(t, f.Type.IsArray(), f.Name)
	}
	lists := features[len(v.Aggregations):]
	require.Equal(t, len(v.TimeWindows()), len(lists))
	require.Equal(t, feature.Field{Name: "carrier_keys_1d", Type: feature.ArrayOf(feature.String)}, lists[0])
	output, err := resolved.OutputSchema()
	require.NoError(t, err)
	require.Equal(t, "carrier", output[len(resolved.JoinKeys())].Name)

	const field = ofView + "aggregation_secondary_key: "
	refuses(t, map[string]refusal{
		"join key": {inView(func(v *feature.BatchFeatureView) { v.AggregationSecondaryKey = "ORIGIN" }), []string{field + `"ORIGIN" is a join key or the timestamp field`}},
		"sign":     {inView(func(v *feature.BatchFeatureView) { v.AggregationSecondaryKey = "a b" }), []string{field + `"a b" must be letters, digits and underscores, not starting with a digit: rename it in the SQL`}},
		"series": {inView(func(v *feature.BatchFeatureView) {
			v.AggregationSecondaryKey = "carrier"
			v.Aggregations[0].TimeWindow = feature.TimeWindow{WindowSize: day, SeriesStart: feature.Offset(-7 * day)}
		}), []string{ofView + "aggregations[0].time_window: a series cannot be told apart by aggregation_secondary_key"}},
		"aggregated": {inView(func(v *feature.BatchFeatureView) { v.AggregationSecondaryKey = v.Aggregations[0].Column }), []string{
			ofView + `aggregations[0].column: "delay" is the aggregation_secondary_key`, ofView + `aggregations[1].column: "delay" is the aggregation_secondary_key`,
		}},
	})
	resolved.Schema = resolved.Schema[:len(resolved.Schema)-1]
	_, err = resolved.Features()
	require.ErrorContains(t, err, `no column "carrier"`)
}

func TestRowsHaveNeitherSecondaryKeyNorLifetime(t *testing.T) {
	require.Equal(t, []string{ofView + "aggregation_secondary_key: needs aggregations"},
		inRows(func(v *feature.BatchFeatureView) { v.AggregationSecondaryKey = "delay" }))
	require.Equal(t, []string{ofView + "lifetime_start_time: needs an aggregation with time_window: lifetime"},
		inRows(func(v *feature.BatchFeatureView) { v.LifetimeStartTime = v.FeatureStartTime }))
}

func TestArraysAreValues(t *testing.T) {
	inner := feature.ArrayValue(feature.Int64, []feature.Value{feature.Int64Value(-1), feature.Null})
	empty := feature.ArrayValue(feature.Int64, nil)
	outer := feature.ArrayValue(inner.Type(), []feature.Value{inner, feature.Null, empty})
	require.Equal(t, feature.ArrayOf(feature.ArrayOf(feature.Int64)), outer.Type())
	require.Equal(t, 3, outer.Len())
	var got []feature.Value
	for e := range outer.Elements() {
		got = append(got, e)
	}
	require.Equal(t, []feature.Value{inner, feature.Null, empty}, got)
	require.Equal(t, "[[-1, null], null, []]", outer.String())
	require.True(t, inner == feature.ArrayValue(feature.Int64, []feature.Value{feature.Int64Value(-1), feature.Null}))
	require.False(t, inner == empty)
	texts := feature.ArrayValue(feature.String, []feature.Value{feature.StringValue(""), feature.StringValue("a, b")})
	require.Equal(t, "[, a, b]", texts.String())
	require.Empty(t, texts.Text())
	require.Panics(t, func() { feature.ArrayValue(feature.Int64, []feature.Value{feature.StringValue("")}) })
	require.Equal(t, feature.InvalidType, feature.ArrayOf(feature.ArrayOf(feature.ArrayOf(feature.ArrayOf(feature.Bool)))))
}
