package aggregate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

func TestFunctionsOfAColumnShareItsPartials(t *testing.T) {
	t.Parallel()
	l := newLayout(
		feature.Aggregation{Column: "i", Function: feature.Mean},
		feature.Aggregation{Column: "f", Function: feature.Max, TimeWindow: feature.Trailing(1)},
		feature.Aggregation{Column: "i", Function: feature.Sum},
		feature.Aggregation{Column: "f", Function: feature.Max, TimeWindow: feature.Trailing(2)},
		feature.Aggregation{Column: "i", Function: feature.Count},
	)
	require.Equal(t, []feature.Partial{
		{Kind: feature.PartialMax, Column: "f", Type: feature.Float64},
		{Kind: feature.PartialCount, Column: "i", Type: feature.Int64},
		{Kind: feature.PartialSum, Column: "i", Type: feature.Int64},
	}, l.Partials())
	require.Equal(t, []feature.Field{{Name: "f", Type: feature.Float64}, {Name: "i", Type: feature.Int64}}, l.Inputs())
	var fields []string
	for _, f := range l.Fields() {
		fields = append(fields, f.String())
	}
	require.Equal(t, []string{
		"max_f: type=float64, nullable",
		"count_i: type=int64",
		"sum_i: type=int64, nullable",
		"sum_i_rest: type=binary, nullable",
	}, fields)
	var outputs []feature.Type
	for i := range 5 {
		outputs = append(outputs, l.OutputType(i))
	}
	require.Equal(t, []feature.Type{feature.Float64, feature.Float64, feature.Int64, feature.Float64, feature.Int64}, outputs)
}

func TestNewLayoutNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	schema := feature.Schema{
		{Name: "c", Type: feature.Float64},
		{Name: "c_rest", Type: feature.Float64},
		{Name: "s", Type: feature.String},
	}
	for _, c := range []struct {
		aggregations []feature.Aggregation
		message      string
	}{
		{[]feature.Aggregation{{Column: "x", Function: feature.Sum}}, `no such column`},
		{[]feature.Aggregation{{Column: "s", Function: feature.Sum}}, `not String`},
		{[]feature.Aggregation{{Column: "c", Function: feature.Sum}, {Column: "c_rest", Function: feature.Sum}}, `"sum_c_rest"`},
	} {
		_, err := aggregate.NewLayout(c.aggregations, schema)
		require.ErrorContains(t, err, c.message)
	}
}
