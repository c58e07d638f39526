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

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

func finish(f feature.Function, column string, rows []row) feature.Value {
	l := newLayout(feature.Aggregation{Column: column, Function: f})
	return build(l, rows, 1).Finish(0, 0)
}

func TestFloat64SumsRoundOnce(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{1e308, 1, -1e308}, 1},
		{[]float64{1e300, 1e-300, -1e300}, 1e-300},
		{[]float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64}, math.MaxFloat64},
		{[]float64{0x1.8p1022, 0x1.8p1022, 0x1.8p1022, -0x1.8p1022, -0x1.8p1022, -0x1p1022}, 0x1p1021},
		{[]float64{math.MaxFloat64, 0x1p969}, math.MaxFloat64},
		{[]float64{math.MaxFloat64, 0x1p970}, inf}, // half of the last place: to even, which is past the end
		{[]float64{math.MaxFloat64, 0x1p970, -math.SmallestNonzeroFloat64}, math.MaxFloat64},
		{[]float64{-math.MaxFloat64, -math.MaxFloat64}, -inf},
		{[]float64{1, 0x1p-53}, 1},
		{[]float64{1, 0x1p-53, math.SmallestNonzeroFloat64}, math.Nextafter(1, 2)},
		{[]float64{1 + 0x1p-52, 0x1p-53}, 1 + 0x1p-51},
		{[]float64{0x1p-1022, -0x1p-1074}, 0x0.fffffffffffffp-1022},
		{[]float64{inf, 1, inf}, inf},
		{[]float64{math.Copysign(0, -1)}, 0},
	} {
		for range 2 {
			got := finish(feature.Sum, "f", floatRows(c.values...))
			require.Equal(t, feature.Float64Value(c.want), got, "sum of %g", c.values)
			slices.Reverse(c.values)
		}
	}
	require.True(t, math.IsNaN(finish(feature.Sum, "f", floatRows(inf, -inf)).Float64()))
	require.True(t, math.IsNaN(finish(feature.Mean, "f", floatRows(1, math.NaN())).Float64()))
}

func TestMeansRoundOnce(t *testing.T) {
	t.Parallel()
	const least = math.SmallestNonzeroFloat64
	const m = least * (1<<50 + 1)
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64},
		{[]float64{least, 0}, 0}, // half of the least: to even
		{[]float64{least, least, least, 0}, least},
		{[]float64{-least, 0, 0}, 0},
		{[]float64{0x1p60, 1, 1}, 0x1p60 / 3}, // 2^60+2 = 3k: the true quotient lies just above
		{[]float64{1e300, 1e-300, -1e300, 0}, 1e-300 / 4},
		{[]float64{1e308, -least, -1e308}, 0},
		{[]float64{m, m, m, m, m, m, m, m, m + 4*least}, m}, // m+4/9: in 53 bits m+1/2, and that to even m+1
	} {
		got := finish(feature.Mean, "f", floatRows(c.values...))
		require.Equal(t, math.Float64bits(c.want), math.Float64bits(got.Float64()), "mean of %g is %g", c.values, got.Float64())
	}
	require.Equal(t, feature.Float64Value(-4438286018566295), finish(feature.Mean, "i", intRows(-13314858055698885, 0, 0)))
	require.Equal(t, feature.Float64Value(math.MinInt64), finish(feature.Mean, "i", intRows(math.MinInt64, math.MinInt64, math.MinInt64)))
}

func TestMeansOfMoreRowsThanADoubleCountsRoundOnce(t *testing.T) {
	t.Parallel()
	const sum, count = 6032992456500923, 36380511919490652 // float64(sum)/float64(count) is another number
	want, _ := big.NewRat(sum, count).Float64()
	for column, sums := range map[string]arrow.Array{"f": float64s(sum), "i": int64s(sum)} {
		s := build(newLayout(feature.Aggregation{Column: column, Function: feature.Mean}), nil, 1)
		require.NoError(t, s.MergeColumns([]int32{0}, []arrow.Array{int64s(count), sums, noBinary()}))
		require.Equal(t, feature.Float64Value(want), s.Finish(0, 0), column)
	}
}

func TestInt64SumPast64BitsIsNullAndComesBack(t *testing.T) {
	t.Parallel()
	require.Equal(t, feature.Null, finish(feature.Sum, "i", intRows(math.MaxInt64, 1)))
	require.Equal(t, feature.Null, finish(feature.Sum, "i", intRows(math.MinInt64, -1)))
	require.Equal(t, feature.Int64Value(math.MaxInt64), finish(feature.Sum, "i", intRows(math.MaxInt64, 1, -1)))
	require.Equal(t, feature.Float64Value(0x1p62), finish(feature.Mean, "i", intRows(math.MaxInt64, 1)))
}

func TestExtremesOrderNaNAboveInfinityAndKnowOneZero(t *testing.T) {
	t.Parallel()
	nan, inf, minusZero := math.NaN(), math.Inf(1), math.Copysign(0, -1)
	require.Equal(t, feature.Float64Value(inf), finish(feature.Min, "f", floatRows(nan, inf)))
	require.Equal(t, uint64(0x7ff8000000000000), math.Float64bits(finish(feature.Max, "f", floatRows(nan, inf)).Float64()))
	require.Equal(t, feature.Float64Value(0), finish(feature.Min, "f", floatRows(minusZero)))
	require.Equal(t, feature.Float64Value(-inf), finish(feature.Max, "f", floatRows(-inf)))
	require.Equal(t, feature.Int64Value(math.MaxInt64), finish(feature.Min, "i", intRows(math.MaxInt64)))
	require.Equal(t, feature.Int64Value(math.MinInt64), finish(feature.Max, "i", intRows(math.MinInt64)))
}

func TestNullsOnlyCountZeroAndNothingIsNull(t *testing.T) {
	t.Parallel()
	aggregations := everything()
	l := newLayout(aggregations...)
	s := build(l, []row{{group: 1}, {group: -1}}, 3)
	for g := range 3 {
		require.Equal(t, g == 1, s.Present(g))
		for i, a := range aggregations {
			want := feature.Null
			if g == 1 && a.Function == feature.Count {
				want = feature.Int64Value(0)
			}
			require.Equal(t, want, s.Finish(g, i), "%s of %s", a.Function, a.Column)
		}
	}
	require.Panics(t, func() { s.AppendEncoded(nil, 0) })
	require.Panics(t, func() { s.AppendColumns([]int32{2}, nil) })
}

func TestResetStatesAreEmptyAgain(t *testing.T) {
	t.Parallel()
	l := newLayout(everything()...)
	rows := slices.Concat(floatRows(1e300, 1, math.NaN()), intRows(1, 2), rowsOf("s", "a text"), rowsOf("is", []any{int64(1), nil}))
	used := build(l, rows, 2)
	used.Reset()
	require.Zero(t, used.Len())
	used.Grow(1)
	used.Grow(5)
	require.Equal(t, 5, used.Len())
	require.Empty(t, present(used))
	used.Add(groupsOf(rows[:1]), timesOf(rows[:1]), arrays(l, rows[:1]))
	require.Equal(t, build(l, rows[:1], 5).AppendEncoded(nil, 0), used.AppendEncoded(nil, 0))
}

func TestAGroupMergesWithItself(t *testing.T) {
	t.Parallel()
	l := newLayout(everything()...)
	rows := slices.Concat(floatRows(1e300, 0.1, 1e-300, 1e-50, 1e150, 1e-250, math.Inf(1)), intRows(7), rowsOf("s", "a", "b"))
	once := build(l, rows, 1)
	once.Merge(0, once, 0)
	require.Equal(t, build(l, append(slices.Clone(rows), rows...), 1).AppendEncoded(nil, 0), once.AppendEncoded(nil, 0))
}

func TestSlicesOfArraysAreReadFromTheirOffset(t *testing.T) {
	t.Parallel()
	aggregations := everything()
	l := newLayout(aggregations...)
	rows := slices.Concat(floatRows(1, 2, 4), intRows(1, 2, 4), rowsOf("s", "c", "a", "b"), rowsOf("ss", []any{"c", nil}, []any{"a"}))
	for i := range rows {
		rows[i].at = window.Time(i)
	}
	sliced := build(l, nil, 1)
	for i := range rows {
		var inputs []arrow.Array
		for _, a := range arrays(l, rows) {
			inputs = append(inputs, array.NewSlice(a, int64(i), int64(i+1)))
		}
		sliced.Add([]int32{0}, timesOf(rows[i:i+1]), inputs)
	}
	require.Equal(t, build(l, rows, 1).AppendEncoded(nil, 0), sliced.AppendEncoded(nil, 0))

	half := build(l, nil, 1)
	var columns []arrow.Array
	both := build(l, slices.Concat(rows[:4], []row{{group: 1}}, []row{{group: 1, values: map[string]any{"s": "c", "is": []any{int64(3)}}}}), 2)
	for _, c := range tiles(l, both) {
		columns = append(columns, array.NewSlice(c, 1, 2))
	}
	require.NoError(t, half.MergeColumns([]int32{0}, columns))
	require.Equal(t, both.AppendEncoded(nil, 1), half.AppendEncoded(nil, 0))
}

func TestCountsTakeArraysOfTypeNull(t *testing.T) {
	t.Parallel()
	s := newLayout(feature.Aggregation{Column: "s", Function: feature.Count}).NewStates()
	s.Grow(1)
	s.Add([]int32{0, 0}, make([]arrow.Timestamp, 2), []arrow.Array{array.NewNull(2)})
	require.Equal(t, feature.Int64Value(0), s.Finish(0, 0))
}

func TestStringsDoNotShareTheBatch(t *testing.T) {
	t.Parallel()
	l := newLayout(feature.Aggregation{Column: "s", Function: feature.Min})
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Append("kept")
	batch := b.NewArray()
	s := l.NewStates()
	s.Grow(1)
	s.Add([]int32{0}, make([]arrow.Timestamp, 1), []arrow.Array{batch})
	copy(batch.Data().Buffers()[2].Bytes(), "lost")
	require.Equal(t, feature.StringValue("kept"), s.Finish(0, 0))
}

func TestWrongShapesPanic(t *testing.T) {
	t.Parallel()
	l := newLayout(feature.Aggregation{Column: "f", Function: feature.Sum})
	s := build(l, nil, 1)
	inputs := arrays(l, floatRows(1))
	require.Panics(t, func() { s.Add([]int32{0}, make([]arrow.Timestamp, 1), nil) })
	require.Panics(t, func() { s.Add([]int32{0, 0}, make([]arrow.Timestamp, 2), inputs) })
	require.Panics(t, func() { s.Add([]int32{1}, make([]arrow.Timestamp, 1), inputs) })
}
