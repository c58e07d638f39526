package feature_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func TestValidateTimes(t *testing.T) {
	times := func(interval, schedule feature.Duration) func(r *feature.Repository) {
		return inView(func(v *feature.BatchFeatureView) { v.AggregationInterval, v.BatchSchedule = interval, schedule })
	}
	refuses(t, map[string]refusal{
		"no interval":       {times(0, day), []string{ofView + "aggregation_interval: is required with aggregations, for instance 1h"}},
		"short interval":    {times(30e9, day), []string{ofView + "aggregation_interval: is 30s, want whole seconds from 1m to 31d"}},
		"long interval":     {times(32*day, 0), []string{ofView + "aggregation_interval: is 32d, want whole seconds from 1m to 31d"}},
		"longest":           {times(math.MaxInt64, 0), []string{ofView + "aggregation_interval: is 106751d23h47m16.854775807s, want whole seconds from 1m to 31d"}},
		"broken interval":   {times(hour+1, day), []string{ofView + "aggregation_interval: is 1h0.000000001s, want whole seconds from 1m to 31d"}},
		"no multiple":       {times(7*hour, day), []string{ofView + "batch_schedule: 1d is not a multiple of the aggregation interval 7h"}},
		"shorter":           {times(day, hour), []string{ofView + "batch_schedule: 1h is not a multiple of the aggregation interval 1d"}},
		"negative schedule": {times(hour, -day), []string{ofView + "batch_schedule: -1d is not a multiple of the aggregation interval 1h"}},
		"long schedule":     {times(day, 32*day), []string{ofView + "batch_schedule: 32d is longer than 31d"}},
		"many tiles":        {times(minute, 2*day), []string{ofView + "batch_schedule: 2d holds 2880 tiles of 1m, at most 1440 are allowed"}},
	})
}

func TestLongestTimesDoNotOverflow(t *testing.T) {
	r := valid()
	r.BatchSources[0].BatchConfig.DataDelay = 366 * day
	v := &r.BatchFeatureViews[0]
	v.AggregationInterval, v.BatchSchedule, v.FeatureStartTime = 31*day, 0, at("1900-01-01")
	v.Aggregations = []feature.Aggregation{{Column: "delay", Function: feature.Sum, TimeWindow: feature.Trailing(36487 * day)}}
	require.Empty(t, problems(r))
	start := view(t, r).MaterializationStart()
	require.Positive(t, at("2090-01-01").Sub(start))
	require.Equal(t, at("1799-01-23"), start)
	v.Aggregations[0].TimeWindow = feature.Trailing(36518 * day)
	require.Equal(t, []string{ofView + "aggregations[0].time_window: window_size 36518d is longer than 36500d"}, problems(r))
}

func TestValidateAggregations(t *testing.T) {
	first := func(change func(a *feature.Aggregation)) func(r *feature.Repository) {
		return inView(func(v *feature.BatchFeatureView) { change(&v.Aggregations[0]) })
	}
	const at = ofView + "aggregations[0]."
	refuses(t, map[string]refusal{
		"none": {inView(func(v *feature.BatchFeatureView) { v.Aggregations = nil }), []string{
			ofView + "aggregation_interval: is the length of a tile, and a view without aggregations has none: add aggregations, or leave it out",
		}},
		"many": {inView(func(v *feature.BatchFeatureView) {
			for i := range 498 {
				v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: "x", Function: feature.Count, TimeWindow: feature.Trailing(day), Name: fmt.Sprint("f", i)})
			}
		}), []string{ofView + "aggregations: 501 aggregations, at most 500 are allowed"}},
		"no column":       {first(func(a *feature.Aggregation) { a.Column = "" }), []string{at + "column: is required"}},
		"join key":        {first(func(a *feature.Aggregation) { a.Column = "Origin" }), []string{at + `column: "Origin" is a join key or the timestamp field`}},
		"timestamp field": {first(func(a *feature.Aggregation) { a.Column = "departure" }), []string{at + `column: "departure" is a join key or the timestamp field`}},
		"sign": {first(func(a *feature.Aggregation) { a.Column = "max(delay)" }), []string{
			at + `column: "max(delay)" must be letters, digits and underscores, not starting with a digit: rename it in the SQL`,
		}},
		"no function": {first(func(a *feature.Aggregation) { a.Function = "" }), []string{at + "function: is required, one of count, sum, mean, min, max, var_pop, var_samp, stddev_pop, stddev_samp, last, last(n), first(n), last_distinct(n), first_distinct(n), approx_count_distinct, approx_percentile(p)"}},
		"function": {first(func(a *feature.Aggregation) { a.Function = "median" }), []string{
			at + `function: unknown aggregation function "median", want one of count, sum, mean, min, max, var_pop, var_samp, stddev_pop, stddev_samp, last, last(n), first(n), last_distinct(n), first_distinct(n), approx_count_distinct, approx_percentile(p)`,
		}},
		"no window":       {first(func(a *feature.Aggregation) { a.TimeWindow = feature.TimeWindow{} }), []string{at + "time_window: is required, for instance 7d"}},
		"negative window": {first(func(a *feature.Aggregation) { a.TimeWindow = feature.Trailing(-day) }), []string{at + "time_window: window_size -1d is not a multiple of the aggregation interval 1h"}},
		"window":          {first(func(a *feature.Aggregation) { a.TimeWindow = feature.Trailing(90 * minute) }), []string{at + "time_window: window_size 1h30m is not a multiple of the aggregation interval 1h"}},
		"long window":     {first(func(a *feature.Aggregation) { a.TimeWindow = feature.Trailing(65 * day) }), []string{at + "time_window: 65d is longer than 64d, the longest for tiles of 1h"}},
		"name": {first(func(a *feature.Aggregation) { a.Name = "1st" }), []string{
			at + `name: "1st" must be a letter followed by letters, digits and underscores, at most 128 in all`,
		}},
		"name twice": {first(func(a *feature.Aggregation) { a.Name = "delay_count_7d_1h" }), []string{
			ofView + `aggregations[1].name: feature "delay_count_7d_1h" is defined twice`,
		}},
		"default name twice": {first(func(a *feature.Aggregation) { a.Function, a.TimeWindow = feature.Count, feature.Trailing(7*day) }), []string{
			ofView + `aggregations[1].name: feature "delay_count_7d_1h" is defined twice`,
		}},
	})
}

func TestValidateTileColumns(t *testing.T) {
	sums := func(key string, columns ...string) func(r *feature.Repository) {
		return func(r *feature.Repository) {
			r.Entities[0].JoinKeys[0].Name = key
			v := &r.BatchFeatureViews[0]
			v.Aggregations = nil
			for _, c := range columns {
				v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: c, Function: feature.Sum, TimeWindow: feature.Trailing(day)})
			}
		}
	}
	refuses(t, map[string]refusal{
		"the rest of a sum is another sum": {sums("origin", "c", "c_rest"), []string{
			ofView + `aggregations[1].column: the sum of column "c_rest" is stored as "sum_c_rest", which is taken by the sum of column "c": rename one in the SQL`,
		}},
		"in the other order": {sums("origin", "c_rest", "c"), []string{
			ofView + `aggregations[1].column: the sum of column "c" is stored as "sum_c_rest", which is taken by the sum of column "c_rest": rename one in the SQL`,
		}},
		"upper and lower case": {sums("origin", "c", "C"), []string{
			ofView + `aggregations[1].column: the sum of column "C" is stored as "sum_C", which is taken by the sum of column "c": rename one in the SQL`,
		}},
		"a join key": {sums("Sum_c", "c"), []string{
			ofView + `aggregations[0].column: the sum of column "c" is stored as "sum_c", which is taken by join key "Sum_c": rename one in the SQL`,
		}},
	})
	r := valid()
	sums("origin", "c", "d_rest", "start")(r)
	r.BatchFeatureViews[0].Aggregations = append(r.BatchFeatureViews[0].Aggregations,
		feature.Aggregation{Column: "c_rest", Function: feature.Count, TimeWindow: feature.Trailing(day)})
	require.Empty(t, problems(r))
}
