package aggregate_test

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// ofNumbers are functions whose states compute.
var ofNumbers = append([]feature.Function{feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max}, variances...)

func TestNarrowNumbersAreAggregatedAsWideOnes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ints := rapid.SliceOfN(rapid.OneOf(rapid.Int32(), rapid.SampledFrom([]int32{math.MinInt32, math.MaxInt32})), 1, 10).Draw(t, "ints")
		requireSameStates(t, ints, widen[int64](ints))
		floats := rapid.SliceOfN(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{
			0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, math.SmallestNonzeroFloat32,
		})), 1, 10).Draw(t, "floats")
		requireSameStates(t, floats, widen[float64](floats))
	})
}

func widen[W int64 | float64, N int32 | float32](values []N) []W {
	out := make([]W, len(values))
	for i, v := range values {
		out[i] = W(v)
	}
	return out
}

func requireSameStates[N int32 | float32, W int64 | float64](t *rapid.T, narrow []N, wide []W) {
	narrowLayout := numbersLayout(typeOfNumber(narrow[0]), ofNumbers...)
	wideLayout := numbersLayout(typeOfNumber(wide[0]), ofNumbers...)
	require.Equal(t, wideLayout.Fields(), narrowLayout.Fields())
	require.Equal(t, typeOfNumber(narrow[0]), narrowLayout.Inputs()[0].Type)

	narrowStates, wideStates := narrowLayout.NewStates(), wideLayout.NewStates()
	addNumbers(narrowStates, narrow...)
	addNumbers(wideStates, wide...)
	require.Equal(t, wideStates.AppendEncoded(nil, 0), narrowStates.AppendEncoded(nil, 0))

	again := narrowLayout.NewStates()
	again.Grow(1)
	again.Merge(0, narrowStates, 0)
	for i, f := range ofNumbers {
		want := wideStates.Finish(0, i)
		if f == feature.Min || f == feature.Max {
			want = narrowed(want, narrow[0])
		}
		require.Equal(t, want, again.Finish(0, i), f)
		if !want.IsNull() {
			require.Equal(t, narrowLayout.OutputType(i), want.Type(), f)
		}
	}
}

func narrowed(v feature.Value, like any) feature.Value {
	if _, ok := like.(int32); ok {
		return feature.Int32Value(int32(v.Int64()))
	}
	return feature.Float32Value(float32(v.Float64()))
}

func TestNullsAndSlicesOfNarrowNumbersAreLeftOut(t *testing.T) {
	t.Parallel()
	b := array.NewInt32Builder(memory.DefaultAllocator)
	b.AppendValues([]int32{100, 7, -100, 5, 100}, []bool{true, true, false, true, true})
	slice := array.NewSlice(b.NewArray(), 1, 4)
	l := numbersLayout(feature.Int32, ofNumbers...)
	s := l.NewStates()
	s.Grow(1)
	s.Add([]int32{0, 0, 0}, make([]arrow.Timestamp, 3), []arrow.Array{slice})
	want := l.NewStates()
	addNumbers(want, int32(7), int32(5))
	require.Equal(t, want.AppendEncoded(nil, 0), s.AppendEncoded(nil, 0))
}

func TestColumnsOfBothNarrowTypesDoNotShareMemory(t *testing.T) {
	t.Parallel()
	schema := feature.Schema{{Name: "a", Type: feature.Int32}, {Name: "b", Type: feature.Int32}, {Name: "c", Type: feature.Float32}}
	var aggregations []feature.Aggregation
	for _, field := range schema {
		aggregations = append(aggregations, feature.Aggregation{Column: field.Name, Function: feature.Sum}, feature.Aggregation{Column: field.Name, Function: feature.Max})
	}
	l, err := aggregate.NewLayout(aggregations, schema)
	require.NoError(t, err)
	s := l.NewStates()
	s.Grow(1)
	for range 2 {
		s.Add([]int32{0, 0}, make([]arrow.Timestamp, 2), []arrow.Array{arrayOf[int32](1, 2), arrayOf[int32](10, 20), arrayOf[float32](0.25, 0.5)})
	}
	var got []feature.Value
	for i := range aggregations {
		got = append(got, s.Finish(0, i))
	}
	require.Equal(t, []feature.Value{
		feature.Int64Value(6), feature.Int32Value(2), feature.Int64Value(60), feature.Int32Value(20),
		feature.Float64Value(1.5), feature.Float32Value(0.5),
	}, got)
}

func TestExtremesThatTheInputCannotHoldAreDamaged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of     feature.Type
		column arrow.Array
	}{
		{feature.Int32, arrayOf[int64](math.MaxInt32 + 1)},
		{feature.Int32, arrayOf[int64](math.MinInt64)},
		{feature.Float32, arrayOf(0.1)},
		{feature.Float32, arrayOf(math.MaxFloat64)},
		{feature.Float32, arrayOf(math.SmallestNonzeroFloat64)},
	} {
		for _, f := range []feature.Function{feature.Min, feature.Max} {
			wideType := feature.Int64
			if c.of == feature.Float32 {
				wideType = feature.Float64
			}
			wide := numbersLayout(wideType, f).NewStates()
			wide.Grow(1)
			require.NoError(t, wide.MergeColumns([]int32{0}, []arrow.Array{c.column}))
			narrow := numbersLayout(c.of, f).NewStates()
			narrow.Grow(1)
			require.ErrorIs(t, narrow.MergeColumns([]int32{0}, []arrow.Array{c.column}), aggregate.ErrDamaged, "%s %s", f, c.column)
			_, err := narrow.MergeEncoded(0, wide.AppendEncoded(nil, 0))
			require.ErrorIs(t, err, aggregate.ErrDamaged, "%s %s", f, c.column)
			require.NoError(t, narrow.MergeColumns([]int32{-1}, []arrow.Array{c.column}))
		}
	}
}

func TestAddingWarmNumbersAllocatesPerBatchOnly(t *testing.T) {
	const rows, perBatch = 4096, 8
	floats, narrow, ints := make([]float64, rows), make([]float32, rows), make([]int32, rows)
	for i := range rows {
		floats[i], narrow[i], ints[i] = math.Ldexp(1/float64(3+i), i%2000-1000), float32(i)/3, int32(i)-rows/2
	}
	groups, times := make([]int32, rows), make([]arrow.Timestamp, rows)
	for _, input := range []arrow.Array{arrayOf(floats...), arrayOf(narrow...), arrayOf(ints...)} {
		types := map[arrow.Type]feature.Type{arrow.FLOAT64: feature.Float64, arrow.FLOAT32: feature.Float32, arrow.INT32: feature.Int32}
		s := numbersLayout(types[input.DataType().ID()], ofNumbers...).NewStates()
		allocations := testing.AllocsPerRun(10, func() {
			s.Reset()
			s.Grow(1)
			s.Add(groups, times, []arrow.Array{input})
		})
		require.LessOrEqual(t, allocations, float64(perBatch), input.DataType())
	}
}
