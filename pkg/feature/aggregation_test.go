package feature_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

var types = []feature.Type{feature.Bool, feature.Int64, feature.Float64, feature.String, feature.Timestamp}

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
	for _, text := range []string{"", "invalid", "int64", "Int32", "Type(9)"} {
		var got feature.Type
		require.EqualError(t, got.UnmarshalText([]byte(text)),
			`unknown type "`+text+`", want one of Bool, Int64, Float64, String, Timestamp`)
	}
	for want, bad := range map[string]feature.Type{"invalid": feature.InvalidType, "Type(9)": 9} {
		_, err := bad.MarshalText()
		require.EqualError(t, err, want+" is no type of a column")
	}
}

func TestFunctionTextRefusesWhatIsNoFunction(t *testing.T) {
	for _, want := range []feature.Function{feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max} {
		var got feature.Function
		require.NoError(t, got.UnmarshalText([]byte(want)))
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "SUM", "median"} {
		var got feature.Function
		require.EqualError(t, got.UnmarshalText([]byte(text)),
			`unknown aggregation function "`+text+`", want one of count, sum, mean, min, max`)
	}
}

func TestOutputTypes(t *testing.T) {
	const (
		numeric = " takes Int64 or Float64, not "
		ordered = " takes Int64, Float64 or String, not "
	)
	for function, outputs := range map[feature.Function][]any{ // in the order of types
		feature.Count: {feature.Int64, feature.Int64, feature.Int64, feature.Int64, feature.Int64},
		feature.Sum:   {numeric, feature.Int64, feature.Float64, numeric, numeric},
		feature.Mean:  {numeric, feature.Float64, feature.Float64, numeric, numeric},
		feature.Min:   {ordered, feature.Int64, feature.Float64, feature.String, ordered},
		feature.Max:   {ordered, feature.Int64, feature.Float64, feature.String, ordered},
	} {
		for i, input := range types {
			got, err := function.Output(input)
			if refusal, ok := outputs[i].(string); ok {
				require.EqualError(t, err, string(function)+refusal+input.String())
				continue
			}
			require.NoError(t, err, "%s of %s", function, input)
			require.Equal(t, outputs[i], got, "%s of %s", function, input)
		}
	}
	_, err := feature.Function("median").Output(feature.Int64)
	require.EqualError(t, err, `unknown aggregation function "median"`)
}

func TestFeaturesAreNamedAsTectonDoes(t *testing.T) {
	for want, a := range map[string]struct {
		column       string
		function     feature.Function
		window, tile feature.Duration
		name         string
	}{
		"amt_sum_1h_10m":      {"amt", feature.Sum, hour, 10 * minute, ""},
		"amt_mean_7d_1d":      {"amt", feature.Mean, 7 * day, day, ""},
		"value_min_1h30m_30m": {"value", feature.Min, 90 * minute, 30 * minute, ""},
		"value_count_1d_1h":   {"value", feature.Count, 24 * hour, hour, ""},
		"spent":               {"amt", feature.Sum, hour, 10 * minute, "spent"},
	} {
		got := feature.Aggregation{Column: a.column, Function: a.function, TimeWindow: feature.Trailing(a.window), Name: a.name}
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
	require.EqualError(t, err, `aggregation of "a": mean takes Int64 or Float64, not Bool`)
}

// Validate refuses tile columns that collide, so it must know what they are called.
func TestPartialColumnsAreThoseOfTheTiles(t *testing.T) {
	for _, function := range []feature.Function{feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max} {
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
