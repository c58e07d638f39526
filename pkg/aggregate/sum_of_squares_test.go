package aggregate_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// numbersLayout is that of functions of a column x.
func numbersLayout(t feature.Type, functions ...feature.Function) *aggregate.Layout {
	var aggregations []feature.Aggregation
	for _, f := range functions {
		aggregations = append(aggregations, feature.Aggregation{Column: "x", Function: f})
	}
	l, err := aggregate.NewLayout(aggregations, feature.Schema{{Name: "x", Type: t}})
	if err != nil {
		panic(err) //nolint:forbidigo // the layouts of these tests are constants
	}
	return l
}

// addNumbers puts values into group 0 of states of one input.
func addNumbers[T any](s *aggregate.States, values ...T) {
	s.Grow(1)
	s.Add(make([]int32, len(values)), make([]arrow.Timestamp, len(values)), []arrow.Array{arrayOf(values...)})
}

func finishNumbers[T any](f feature.Function, values ...T) feature.Value {
	var zero T
	s := numbersLayout(typeOfNumber(zero), f).NewStates()
	addNumbers(s, values...)
	return s.Finish(0, 0)
}

func typeOfNumber(v any) feature.Type {
	switch v.(type) {
	case int32:
		return feature.Int32
	case int64:
		return feature.Int64
	case float32:
		return feature.Float32
	default:
		return feature.Float64
	}
}

// arrayOf takes nil bytes as null.
func arrayOf[T any](values ...T) arrow.Array {
	switch values := any(values).(type) {
	case []int32:
		return array.NewInt32Data(plain(arrow.PrimitiveTypes.Int32, arrow.Int32Traits.CastToBytes(values), len(values)))
	case []int64:
		return array.NewInt64Data(plain(arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(values), len(values)))
	case []float32:
		return array.NewFloat32Data(plain(arrow.PrimitiveTypes.Float32, arrow.Float32Traits.CastToBytes(values), len(values)))
	case []float64:
		return array.NewFloat64Data(plain(arrow.PrimitiveTypes.Float64, arrow.Float64Traits.CastToBytes(values), len(values)))
	case [][]byte:
		b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
		valid := make([]bool, len(values))
		for i, v := range values {
			valid[i] = v != nil
		}
		b.AppendValues(values, valid)
		return b.NewArray()
	}
	return nil
}

func nullOf(t arrow.DataType) arrow.Array {
	return array.MakeArrayOfNull(memory.DefaultAllocator, t, 1)
}

func plain(t arrow.DataType, values []byte, n int) arrow.ArrayData {
	return array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(values)}, nil, 0, 0)
}

// squareColumns returns sumsq_x and sumsq_x_rest of group 0.
func squareColumns(l *aggregate.Layout, s *aggregate.States) (sum, rest arrow.Array) {
	columns := columnsOf(l, s)
	return columns[len(columns)-2], columns[len(columns)-1]
}

func TestSumsOfSquaresAreStoredAsTheRoundedNumberAndItsRest(t *testing.T) {
	t.Parallel()
	l := numbersLayout(feature.Float64, feature.VarPop)
	var names []string
	for _, field := range l.Fields() {
		names = append(names, field.String())
	}
	require.Equal(t, []string{
		"count_x: type=int64", "sum_x: type=float64, nullable", "sum_x_rest: type=binary, nullable",
		"sumsq_x: type=float64, nullable", "sumsq_x_rest: type=binary, nullable",
	}, names)
	for _, c := range []struct {
		values []float64
		sum    float64
		rest   []byte // version, header, bytes, exponent above 2^-2148, magnitude
	}{
		{[]float64{3, -4}, 25, nil},
		{[]float64{0x1p300}, 0x1p600, nil},
		{[]float64{math.Copysign(0, -1)}, 0, nil},
		{[]float64{0x1p-537}, math.SmallestNonzeroFloat64, nil},
		{[]float64{0x1p511, 0x1p-600}, 0x1p1022, []byte{1, 1, 1, 0xb4, 7, 1}}, // 2148-1200 = 948
		{[]float64{math.SmallestNonzeroFloat64}, 0, []byte{1, 1, 1, 0, 1}},
		{[]float64{1 + 0x1p-52}, 1 + 0x1p-51, []byte{1, 1, 1, 0xfc, 15, 1}},                            // 2148-104 = 2044
		{[]float64{1 + 0x1p-52, 0x1p-27}, 1 + 0x1p-51, []byte{1, 1, 7, 0xfc, 15, 1, 0, 0, 0, 0, 0, 4}}, // 2^-104 + 2^-54
		{[]float64{0x1.0000000000001p-486}, 0x1.0000000000002p-972, []byte{1, 1, 1, 0xb0, 8, 1}},       // 2148-1076 = 1072
		{[]float64{0x1p600}, math.Inf(1), []byte{1, 1, 1, 0x94, 26, 1}},                                // 2148+1200 = 3348
		{[]float64{math.Inf(-1), 2}, math.Inf(1), []byte{1, 3, 0, 1, 0, 1, 0xe6, 16, 1}},               // 2148+2 = 2150
		{[]float64{math.NaN()}, math.NaN(), []byte{1, 3, 1, 0, 0, 0}},
	} {
		s := l.NewStates()
		addNumbers(s, c.values...)
		sum, rest := squareColumns(l, s)
		require.Equal(t, feature.Float64Value(c.sum), feature.Float64Value(sum.(*array.Float64).Value(0)), "%g", c.values)
		require.Equal(t, c.rest == nil, rest.IsNull(0), "%g", c.values)
		if c.rest != nil {
			require.Equal(t, c.rest, rest.(*array.Binary).Value(0), "%g", c.values)
		}
	}
}

func TestSumsOfSquaresOfIntegersPast63BitsGoToTheRest(t *testing.T) {
	t.Parallel()
	l := numbersLayout(feature.Int64, feature.VarPop)
	for _, c := range []struct {
		values []int64
		sum    int64
		rest   []byte // version, 1 + bytes, sum
	}{
		{[]int64{0}, 0, nil},
		{[]int64{-3, 4}, 25, nil},
		{[]int64{-3037000499}, 9223372030926249001, nil},
		{[]int64{1 << 31, -1 << 31}, 0, []byte{1, 9, 0x80, 0, 0, 0, 0, 0, 0, 0}},
		{[]int64{math.MinInt64, 1}, 0, []byte{1, 17, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		{slices.Repeat([]int64{math.MinInt64}, 4), 0, slices.Concat([]byte{1, 18, 1}, make([]byte, 16))},
	} {
		s := l.NewStates()
		addNumbers(s, c.values...)
		sum, rest := squareColumns(l, s)
		require.Equal(t, c.rest != nil, sum.IsNull(0), "%d", c.values)
		if c.rest == nil {
			require.True(t, rest.IsNull(0), "%d", c.values)
			require.Equal(t, c.sum, sum.(*array.Int64).Value(0), "%d", c.values)
		} else {
			require.Equal(t, c.rest, rest.(*array.Binary).Value(0), "%d", c.values)
		}
	}
}

// drawSquareRoots draws numbers whose squares lie far apart, cancel or underflow.
func drawSquareRoots(t *rapid.T) []float64 {
	sign := rapid.SampledFrom([]float64{1, -1})
	base := rapid.Float64Range(-1e9, 1e9).Draw(t, "base")
	number := rapid.OneOf(
		rapid.Float64(),
		rapid.SampledFrom([]float64{0, 1, 0.1, 1e160, -1e160, 1e-160, math.MaxFloat64, math.SmallestNonzeroFloat64, 0x1p-485, 0x1p480, 0x1.fffffffffffffp-486, 0x1.fffffffffffffp479, 0x1p-1022}),
		rapid.Custom(func(t *rapid.T) float64 {
			return math.Ldexp(sign.Draw(t, "sign")/3, rapid.IntRange(-1074, 1023).Draw(t, "exponent"))
		}),
	)
	near := rapid.Custom(func(t *rapid.T) float64 {
		return base + float64(rapid.IntRange(-3, 3).Draw(t, "offset"))*rapid.SampledFrom([]float64{1, 0x1p-20, 1e-3}).Draw(t, "step")
	})
	return rapid.SliceOfN(rapid.SampledFrom([]*rapid.Generator[float64]{number, near}).Draw(t, "flavour"), 1, 20).Draw(t, "values")
}

func TestSumsOfSquaresDoNotShowHowTheyWerePutTogether(t *testing.T) {
	t.Parallel()
	l := numbersLayout(feature.Float64, feature.VarPop)
	rapid.Check(t, func(t *rapid.T) {
		values := drawSquareRoots(t)
		want := l.NewStates()
		addNumbers(want, values...)
		wantSum, wantRest := squareColumns(l, want)

		exact := new(big.Rat)
		for _, v := range rationals(values) {
			exact.Add(exact, v.Mul(v, v))
		}
		rounded, _ := exact.Float64()
		require.Equal(t, rounded, wantSum.(*array.Float64).Value(0))

		got := l.NewStates()
		got.Grow(1)
		shuffled := rapid.Permutation(values).Draw(t, "order")
		for len(shuffled) > 0 {
			n := rapid.IntRange(1, len(shuffled)).Draw(t, "piece")
			piece := l.NewStates()
			addNumbers(piece, shuffled[:n]...)
			mergeSomehow(t, l, got, piece)
			shuffled = shuffled[n:]
		}
		require.Equal(t, want.AppendEncoded(nil, 0), got.AppendEncoded(nil, 0))
		gotSum, gotRest := squareColumns(l, got)
		require.True(t, array.Equal(wantSum, gotSum))
		require.True(t, array.Equal(wantRest, gotRest))
	})
}

func mergeSomehow(t *rapid.T, l *aggregate.Layout, to, from *aggregate.States) {
	switch rapid.IntRange(0, 2).Draw(t, "way") {
	case 0:
		to.Merge(0, from, 0)
	case 1:
		rest, err := to.MergeEncoded(0, from.AppendEncoded(nil, 0))
		require.NoError(t, err)
		require.Empty(t, rest)
	default:
		require.NoError(t, to.MergeColumns([]int32{0}, columnsOf(l, from)))
	}
}

func columnsOf(l *aggregate.Layout, s *aggregate.States) []arrow.Array {
	var columns []arrow.Array
	builders := make([]array.Builder, 0, len(l.Fields()))
	for _, field := range l.Fields() {
		builders = append(builders, array.NewBuilder(memory.DefaultAllocator, field.Type))
	}
	s.AppendColumns([]int32{0}, builders)
	for _, b := range builders {
		columns = append(columns, b.NewArray())
	}
	return columns
}

func TestRareSquaresOfGroupsStayApart(t *testing.T) {
	t.Parallel()
	l := numbersLayout(feature.Float64, feature.StddevPop)
	s := l.NewStates()
	s.Grow(4)
	s.Add([]int32{0, 0, 1, 1, 2, 2}, make([]arrow.Timestamp, 6), []arrow.Array{arrayOf(0x1p600, -0x1p600, 0x1p700, -0x1p700, 1, -1.0)})
	s.Merge(3, s, 1)
	s.Merge(3, s, 3)
	s.Merge(2, s, 2)
	for group, want := range []float64{0x1p600, 0x1p700, 1, 0x1p700} {
		require.Equal(t, feature.Float64Value(want), s.Finish(group, 0))
	}
	s.Reset()
	require.Zero(t, s.Bytes())
	s.Grow(2)
	s.Add([]int32{1, 1}, make([]arrow.Timestamp, 2), []arrow.Array{arrayOf(0x1p-600, -0x1p-600)})
	require.Equal(t, feature.Float64Value(0x1p-600), s.Finish(1, 0))

	large := l.NewStates()
	addNumbers(large, 0x1p500, -0x1p500)
	require.NoError(t, s.MergeColumns([]int32{0}, columnsOf(l, large))) // its square is one double
	require.Equal(t, feature.Float64Value(0x1p500), s.Finish(0, 0))
}
