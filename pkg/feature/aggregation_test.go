package feature_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

var types = []feature.Type{
	feature.Bool, feature.Int64, feature.Float64, feature.String, feature.Timestamp, feature.Int32, feature.Float32,
	feature.ArrayOf(feature.String), feature.ArrayOf(feature.ArrayOf(feature.Float32)),
}

// functions are all, with their parameters at some value.
var functions = []feature.Function{
	feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max,
	feature.VarPop, feature.VarSamp, feature.StddevPop, feature.StddevSamp,
	feature.Last, feature.LastN(3), feature.FirstN(1), feature.LastDistinct(1000), feature.FirstDistinct(2),
	feature.ApproxCountDistinct, feature.ApproxCountDistinctOf(12), feature.ApproxPercentile(0.5, 0), feature.ApproxPercentile(1, 200),
}

func TestTypeTextRoundTrips(t *testing.T) {
	for _, want := range types {
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got feature.Type
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	}
}

func TestTypeTextRefusesWhatIsNoType(t *testing.T) {
	for _, text := range []string{"", "invalid", "int64", "Int16", "Type(9)", "Array[Array[Array[Array[Int64]]]]", "Array[Int64", "Array[]"} {
		var got feature.Type
		require.EqualError(t, got.UnmarshalText([]byte(text)),
			`unknown type "`+text+`", want one of Bool, Int64, Float64, String, Timestamp, Int32, Float32, or Array[...] of one`)
	}
	for want, bad := range map[string]feature.Type{"invalid": feature.InvalidType, "Type(9)": 9} {
		_, err := bad.MarshalText()
		require.EqualError(t, err, want+" is no type of a column")
	}
}

func TestFunctionTextRefusesWhatIsNoFunction(t *testing.T) {
	for _, want := range functions {
		var got feature.Function
		require.NoError(t, got.UnmarshalText([]byte(want)))
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "SUM", "median"} {
		var got feature.Function
		require.EqualError(t, got.UnmarshalText([]byte(text)),
			`unknown aggregation function "`+text+`", want one of count, sum, mean, min, max, var_pop, var_samp, stddev_pop, stddev_samp, last, last(n), first(n), last_distinct(n), first_distinct(n), approx_count_distinct, approx_percentile(p)`)
	}
}

func TestFunctionsHaveOneForm(t *testing.T) {
	for text, want := range map[string]feature.Function{
		"last_distinct( 3 )": feature.LastDistinct(3), "last(n=5)": "last(5)", "stddev": feature.StddevSamp, "variance": feature.VarSamp,
		"approx_count_distinct()": feature.ApproxCountDistinct, "approx_count_distinct(8)": feature.ApproxCountDistinct,
		"approx_count_distinct(precision=16)":                feature.ApproxCountDistinctOf(16),
		"approx_percentile(precision=100, percentile=0.50)":  "approx_percentile(0.5)",
		"approx_percentile(percentile=1e-3, precision = 20)": "approx_percentile(0.001, precision=20)",
		" approx_percentile(-0) ":                            "approx_percentile(0)",
	} {
		var got feature.Function
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got)
	}
	for text, want := range map[string]string{
		"first":                           `aggregation function "first" needs its parameter, for instance first(3)`,
		"approx_percentile":               `aggregation function "approx_percentile" needs its parameter, for instance approx_percentile(0.5)`,
		"approx_percentile(precision=50)": `aggregation function "approx_percentile(precision=50)": needs its percentile, for instance approx_percentile(0.5)`,
		"last(0)":                         `aggregation function "last(0)": n is "0", want a whole number from 1 to 1000`,
		"last(1001)":                      `aggregation function "last(1001)": n is "1001", want a whole number from 1 to 1000`,
		"approx_percentile(1.01)":         `aggregation function "approx_percentile(1.01)": percentile is "1.01", want a number from 0 to 1`,
		"approx_percentile(NaN)":          `aggregation function "approx_percentile(NaN)": percentile is "NaN", want a number from 0 to 1`,
		"approx_percentile(0.5, 19)":      `aggregation function "approx_percentile(0.5, 19)": precision is "19", want a whole number from 20 to 500`,
		"approx_count_distinct(17)":       `aggregation function "approx_count_distinct(17)": precision is "17", want a whole number from 4 to 16`,
		"sum(3)":                          `aggregation function "sum(3)": has 1 parameters, at most 0 are allowed`,
		"last(m=3)":                       `aggregation function "last(m=3)": has no parameter "m", want one of ["n"]`,
		"last(3, n=3)":                    `aggregation function "last(3, n=3)": has parameter "n" twice`,
	} {
		var got feature.Function
		require.EqualError(t, got.UnmarshalText([]byte(text)), want)
	}
}

func TestOutputTypes(t *testing.T) {
	const (
		numbers = "Int64, Float64, Int32 or Float32"
		lists   = numbers + ", Bool, String, or an array of one"
	)
	texts := feature.ArrayOf(feature.String)
	for _, c := range []struct {
		functions []feature.Function
		takes     string
		outputs   map[feature.Type]feature.Type // by input
	}{
		{[]feature.Function{feature.Count}, "any type", map[feature.Type]feature.Type{
			feature.Bool: feature.Int64, feature.Int64: feature.Int64, feature.Float64: feature.Int64, feature.String: feature.Int64,
			feature.Timestamp: feature.Int64, feature.Int32: feature.Int64, feature.Float32: feature.Int64,
			types[7]: feature.Int64, types[8]: feature.Int64,
		}},
		{[]feature.Function{feature.Sum}, numbers, map[feature.Type]feature.Type{
			feature.Int64: feature.Int64, feature.Int32: feature.Int64, feature.Float64: feature.Float64, feature.Float32: feature.Float64,
		}},
		{
			[]feature.Function{feature.Mean, feature.VarPop, feature.VarSamp, feature.StddevPop, feature.StddevSamp, feature.ApproxPercentile(0.9, 0)},
			numbers, map[feature.Type]feature.Type{
				feature.Int64: feature.Float64, feature.Int32: feature.Float64, feature.Float64: feature.Float64, feature.Float32: feature.Float64,
			},
		},
		{[]feature.Function{feature.Min, feature.Max}, numbers + ", or String", map[feature.Type]feature.Type{
			feature.Int64: feature.Int64, feature.Int32: feature.Int32, feature.Float64: feature.Float64, feature.Float32: feature.Float32,
			feature.String: feature.String,
		}},
		{[]feature.Function{feature.Last}, lists, map[feature.Type]feature.Type{
			feature.Bool: feature.Bool, feature.Int64: feature.Int64, feature.Float64: feature.Float64, feature.String: feature.String,
			feature.Int32: feature.Int32, feature.Float32: feature.Float32, texts: texts,
		}},
		{[]feature.Function{feature.LastN(2), feature.FirstN(2)}, lists, map[feature.Type]feature.Type{
			feature.Bool: feature.ArrayOf(feature.Bool), feature.Int64: feature.ArrayOf(feature.Int64), feature.Float64: feature.ArrayOf(feature.Float64),
			feature.String: texts, feature.Int32: feature.ArrayOf(feature.Int32), feature.Float32: feature.ArrayOf(feature.Float32),
			texts: feature.ArrayOf(texts),
		}},
		{[]feature.Function{feature.LastDistinct(2), feature.FirstDistinct(2)}, "String or Int64", map[feature.Type]feature.Type{
			feature.String: texts, feature.Int64: feature.ArrayOf(feature.Int64),
		}},
		{[]feature.Function{feature.ApproxCountDistinct, feature.ApproxCountDistinctOf(4)}, "String, Int64 or Int32", map[feature.Type]feature.Type{
			feature.String: feature.Int64, feature.Int64: feature.Int64, feature.Int32: feature.Int64,
		}},
	} {
		for _, function := range c.functions {
			for _, input := range types {
				got, err := function.Output(input)
				want, ok := c.outputs[input]
				if !ok {
					require.EqualError(t, err, string(function)+" takes "+c.takes+", not "+input.String())
					continue
				}
				require.NoError(t, err, "%s of %s", function, input)
				require.Equal(t, want, got, "%s of %s", function, input)
			}
		}
	}
	_, err := feature.Function("median").Output(feature.Int64)
	require.ErrorContains(t, err, `unknown aggregation function "median"`)
}

func TestFeaturesAreNamedAsTectonDoes(t *testing.T) {
	series := feature.TimeWindow{WindowSize: day, SeriesStart: feature.Offset(-7 * day)}
	halves := feature.TimeWindow{WindowSize: day, SeriesStart: feature.Offset(-4 * day), SeriesEnd: feature.Offset(-day), StepSize: 12 * hour}
	for want, a := range map[string]struct {
		column   string
		function feature.Function
		window   feature.TimeWindow
		tile     feature.Duration
		name     string
	}{
		"amt_sum_1h_10m":                        {"amt", feature.Sum, feature.Trailing(hour), 10 * minute, ""},
		"amt_mean_7d_1d":                        {"amt", feature.Mean, feature.Trailing(7 * day), day, ""},
		"value_min_1h30m_30m":                   {"value", feature.Min, feature.Trailing(90 * minute), 30 * minute, ""},
		"value_count_1d_1h":                     {"value", feature.Count, feature.Trailing(24 * hour), hour, ""},
		"spent":                                 {"amt", feature.Sum, feature.Trailing(hour), 10 * minute, "spent"},
		"transaction_id_last_3_1d_1d":           {"transaction_id", feature.LastN(3), feature.Trailing(day), day, ""},
		"page_first_distinct_2_lifetime_1d":     {"page", feature.FirstDistinct(2), feature.Lifetime, day, ""},
		"amt_sum_7d_1d_offset_3d":               {"amt", feature.Sum, feature.TimeWindow{WindowSize: 7 * day, Offset: feature.Offset(-3 * day)}, day, ""},
		"amt_approx_percentile_p0_5_1d_1h":      {"amt", feature.ApproxPercentile(0.5, 200), feature.Trailing(day), hour, ""},
		"ip_approx_count_distinct_1d_1h":        {"ip", feature.ApproxCountDistinctOf(12), feature.Trailing(day), hour, ""},
		"amt_stddev_samp_1d_1d_series_7d_0s_1d": {"amt", feature.StddevSamp, series, day, ""},
		"amt_sum_1d_12h_series_4d_1d_12h":       {"amt", feature.Sum, halves, 12 * hour, ""},
	} {
		got := feature.Aggregation{Column: a.column, Function: a.function, TimeWindow: a.window, Name: a.name}
		require.Equal(t, want, got.FeatureName(a.tile))
	}
}

func TestPartialsAreSharedAndOrdered(t *testing.T) {
	schema := feature.Schema{{Name: "b", Type: feature.Float64}, {Name: "a", Type: feature.Int64}}
	aggregations := []feature.Aggregation{
		{Column: "b", Function: feature.Sum, TimeWindow: feature.Trailing(day)},
		{Column: "b", Function: feature.Mean, TimeWindow: feature.Trailing(hour)},
		{Column: "a", Function: feature.Max, TimeWindow: feature.Trailing(hour)},
		{Column: "a", Function: feature.Count, TimeWindow: feature.Trailing(hour)},
		{Column: "b", Function: feature.Count, TimeWindow: feature.Trailing(7 * day)},
		{Column: "a", Function: feature.Max, TimeWindow: feature.Trailing(day)},
	}
	want := []feature.Partial{
		{Kind: feature.PartialCount, Column: "a", Type: feature.Int64},
		{Kind: feature.PartialMax, Column: "a", Type: feature.Int64},
		{Kind: feature.PartialCount, Column: "b", Type: feature.Float64},
		{Kind: feature.PartialSum, Column: "b", Type: feature.Float64},
	}
	for range len(aggregations) {
		got, err := feature.Partials(aggregations, schema)
		require.NoError(t, err)
		require.Equal(t, want, got)
		aggregations = append(aggregations[1:], aggregations[0])
	}
}

func TestPartialsNeedTheirColumnAndItsType(t *testing.T) {
	schema := feature.Schema{{Name: "a", Type: feature.Bool}, {Name: "b", Type: feature.Int64}}
	_, err := feature.Partials([]feature.Aggregation{{Column: "c", Function: feature.Count}}, schema)
	require.EqualError(t, err, `aggregation of "c": no such column, want one of a, b`)
	_, err = feature.Partials([]feature.Aggregation{{Column: "a", Function: feature.Mean}}, schema)
	require.EqualError(t, err, `aggregation of "a": mean takes Int64, Float64, Int32 or Float32, not Bool`)
}

// Validate refuses tile columns that collide, so it must know what they are called.
func TestPartialColumnsAreThoseOfTheTiles(t *testing.T) {
	for _, function := range functions {
		for _, input := range types {
			if _, err := function.Output(input); err != nil {
				continue
			}
			schema := feature.Schema{{Name: "c", Type: input}}
			aggregations := []feature.Aggregation{{Column: "c", Function: function}}
			layout, err := aggregate.NewLayout(aggregations, schema)
			require.NoError(t, err)
			partials, err := feature.Partials(aggregations, schema)
			require.NoError(t, err)
			var want, got []string
			for _, p := range partials {
				got = append(got, p.Columns()...)
			}
			for _, field := range layout.Fields() {
				want = append(want, field.Name)
			}
			require.Equal(t, want, got, "%s of %s", function, input)
		}
	}
}
