package feature_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

func view(t *testing.T, r *feature.Repository) feature.View {
	v, err := r.View("delays")
	require.NoError(t, err)
	return v
}

func TestViewNamesWhatIsMissing(t *testing.T) {
	r := valid()
	_, err := r.View("nothing")
	require.EqualError(t, err, `no feature view "nothing"`)
	r.BatchSources = nil
	_, err = r.View("delays")
	require.EqualError(t, err, `feature view "delays": no source "flights"`)
	r.Entities = nil
	_, err = r.View("delays")
	require.EqualError(t, err, `feature view "delays": no entity "airport"`)
}

func TestViewHoldsWhatItRefersTo(t *testing.T) {
	r := valid()
	r.BatchSources[0].BatchConfig.DataDelay = hour
	v := view(t, r)
	require.Equal(t, []feature.Field{{Name: "origin", Type: feature.String}}, v.JoinKeys())
	require.Equal(t, []string{"delay_mean_1d_1h", "delay_count_7d_1h", "distance_sum_1h_1h"}, v.FeatureNames())
	require.Equal(t, time.Hour, v.DataDelay())
	require.Equal(t, 7*24*time.Hour, v.Reach())
	features, err := v.Features()
	require.NoError(t, err)
	require.Equal(t, feature.Schema{
		{Name: "delay_mean_1d_1h", Type: feature.Float64}, {Name: "delay_count_7d_1h", Type: feature.Int64},
		{Name: "distance_sum_1h_1h", Type: feature.Float64},
	}, features)
	output, err := v.OutputSchema()
	require.NoError(t, err)
	require.Equal(t, outputSchema(), output)

	r.BatchFeatureViews[0].BatchSchedule = 0
	require.Equal(t, time.Hour, view(t, r).Schedule())
}

func TestFeaturesOfRowsAreTheOtherColumns(t *testing.T) {
	r := rows()
	definition := &r.BatchFeatureViews[0]
	definition.Schema = feature.Schema{
		{Name: "distance", Type: feature.Float64}, {Name: "departure", Type: feature.Timestamp}, {Name: "late", Type: feature.Bool},
		{Name: "origin", Type: feature.String}, {Name: "arrival", Type: feature.Timestamp},
	}
	v := view(t, r)
	want := feature.Schema{{Name: "distance", Type: feature.Float64}, {Name: "late", Type: feature.Bool}, {Name: "arrival", Type: feature.Timestamp}}
	features, err := v.Features()
	require.NoError(t, err)
	require.Equal(t, want, features)
	require.Equal(t, want.Names(), v.FeatureNames())
	output, err := v.OutputSchema()
	require.NoError(t, err)
	require.Equal(t, append(feature.Schema{{Name: "origin", Type: feature.String}, {Name: "departure", Type: feature.Timestamp}}, want...), output)

	definition.Schema = nil
	v = view(t, r)
	require.Empty(t, v.FeatureNames())
	_, err = v.Features()
	require.EqualError(t, err, "features of delays: the columns of its result are not known")
	_, err = v.OutputSchema()
	require.Error(t, err)
}

func TestFeaturesNeedTheAggregatedColumns(t *testing.T) {
	r := valid()
	r.BatchFeatureViews[0].Schema = nil
	_, err := view(t, r).Features()
	require.ErrorContains(t, err, `features of delays: aggregation of "delay": no such column`)
}

func TestWildcardIsTheJoinKeyThatTheIndexLeavesOut(t *testing.T) {
	for _, c := range []struct {
		index []string
		want  string
	}{{nil, ""}, {[]string{"destination", "origin"}, ""}, {[]string{"destination"}, "origin"}, {[]string{"origin"}, "destination"}} {
		r := valid()
		r.Entities[0].JoinKeys = append(r.Entities[0].JoinKeys, feature.Field{Name: "destination", Type: feature.String})
		r.BatchFeatureViews[0].OnlineServingIndex = c.index
		require.Empty(t, problems(r))
		key, ok := view(t, r).WildcardJoinKey()
		require.Equal(t, c.want, key)
		require.Equal(t, c.want != "", ok)
	}
}

func TestRowsStartWithTheWindowOfTheFeatureStartTime(t *testing.T) {
	r := rows()
	r.BatchSources[0].BatchConfig.DataDelay = 36 * hour
	v := &r.BatchFeatureViews[0]
	for start, want := range map[string]string{"2001-01-08": "2001-01-08", "2001-01-08T23:59:59Z": "2001-01-08", "1969-12-31T12:00:00Z": "1969-12-31"} {
		v.FeatureStartTime = at(start)
		require.Equal(t, at(want), view(t, r).MaterializationStart())
	}
	v.FeatureStartTime, v.Sources[0].StartTimeOffset = at("2001-01-08"), feature.Unbounded
	require.Equal(t, at("2001-01-08"), view(t, r).MaterializationStart(), "what is seen before a window is not materialized")
}

func TestManualBackfillsEndWhereTheyAreToldTo(t *testing.T) {
	r := rows()
	v := &r.BatchFeatureViews[0]
	v.ManualTriggerBackfillEndTime = at("2001-01-20")
	for now, want := range map[string]string{"2001-01-10T12:00:00Z": "2001-01-10", "2001-01-20": "2001-01-20", "2001-02-01": "2001-01-20"} {
		v.BatchTrigger = feature.Manual
		require.Equal(t, at(want), view(t, r).MaterializationEnd(at(now)))
		v.BatchTrigger = feature.Scheduled
		require.Equal(t, view(t, r).CompleteEnd(at(now)), view(t, r).MaterializationEnd(at(now)))
	}
	require.Equal(t, at("2001-02-01"), view(t, r).CompleteEnd(at("2001-02-01")))
}

func TestMaterializationStart(t *testing.T) {
	for name, c := range map[string]struct {
		schedule, window, delay feature.Duration
		start, want             string
	}{
		"aligned":                           {day, 7 * day, 0, "2001-01-08", "2001-01-01"},
		"unaligned start":                   {day, 7 * day, 0, "2001-01-08T13:37:00Z", "2001-01-01"},
		"window shorter than the schedule":  {day, hour, 0, "2001-01-08", "2001-01-07"},
		"window no multiple of schedule":    {day, 30 * hour, 0, "2001-01-08", "2001-01-06"},
		"delay reaches into the day before": {day, day, hour, "2001-01-08", "2001-01-06"},
		"delay within the day":              {day, day, hour, "2001-01-08T02:00:00Z", "2001-01-07"},
		"delay and window are floored one by one": {day, 12 * hour, 12 * hour,
			"2001-01-08T12:00:00Z", "2001-01-07"},
		"weeks begin on Thursday": {7 * day, day, 0, "2001-01-04", "2000-12-28"},
		"before the epoch":        {day, day, 0, "1969-12-31T23:59:59Z", "1969-12-30"},
	} {
		t.Run(name, func(t *testing.T) {
			r := valid()
			r.BatchSources[0].BatchConfig.DataDelay = c.delay
			v := &r.BatchFeatureViews[0]
			v.BatchSchedule, v.FeatureStartTime = c.schedule, at(c.start)
			v.Aggregations = []feature.Aggregation{{Column: "delay", Function: feature.Sum, TimeWindow: feature.Trailing(c.window)}}
			require.Equal(t, at(c.want), view(t, r).MaterializationStart())
		})
	}
}

// The value at t is made of the tiles of [E - window, E), E = floor(t - delay): at
// feature_start_time all of them must be there, and no more windows than they need.
func TestMaterializationStartsWhereTheFirstValueNeedsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := valid()
		schedule := feature.Duration(rapid.IntRange(1, 48).Draw(t, "schedule")) * hour
		r.BatchSources[0].BatchConfig.DataDelay = feature.Duration(rapid.IntRange(0, 100_000).Draw(t, "delay")) * 1e9
		v := &r.BatchFeatureViews[0]
		v.BatchSchedule = schedule
		v.FeatureStartTime = window.Time(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))
		v.Aggregations[1].TimeWindow = feature.Trailing(feature.Duration(rapid.IntRange(24, 200).Draw(t, "window")) * hour)
		resolved, err := r.View("delays")
		require.NoError(t, err)
		start := resolved.MaterializationStart()
		first := v.FeatureStartTime.Add(-resolved.DataDelay()).Floor(time.Duration(schedule)).Add(-resolved.Reach())
		require.True(t, start.Aligned(time.Duration(schedule)))
		require.LessOrEqual(t, start, first)
		require.Greater(t, start.Add(time.Duration(schedule)), first)
	})
}

func TestMaterializationEndsWhereDataIsComplete(t *testing.T) {
	for name, c := range map[string]struct {
		delay     feature.Duration
		now, want string
	}{
		"on the boundary":          {0, "2001-02-01", "2001-02-01"},
		"just before the boundary": {0, "2001-01-31T23:59:59.999999Z", "2001-01-31"},
		"delay not over":           {hour, "2001-02-01T00:59:59Z", "2001-01-31"},
		"delay over":               {hour, "2001-02-01T01:00:00Z", "2001-02-01"},
	} {
		t.Run(name, func(t *testing.T) {
			r := valid()
			r.BatchSources[0].BatchConfig.DataDelay = c.delay
			require.Equal(t, at(c.want), view(t, r).MaterializationEnd(at(c.now)))
		})
	}
}
