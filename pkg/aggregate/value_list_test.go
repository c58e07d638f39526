package aggregate_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// maxListBytes is the limit of the values of one list.
const maxListBytes = 64 << 10

// list is a list function over one column.
type list struct {
	column   string
	function feature.Function
	naive    oracle.Function
}

func lastOf(column string, n int) list {
	if n == 0 {
		return list{column, feature.Last, oracle.Function{Name: "last"}}
	}
	return list{column, feature.LastN(n), oracle.Function{Name: "last", N: n}}
}

func firstOf(column string, n int) list {
	return list{column, feature.FirstN(n), oracle.Function{Name: "first", N: n}}
}

func lastDistinctOf(column string, n int) list {
	return list{column, feature.LastDistinct(n), oracle.Function{Name: "last_distinct", N: n}}
}

func firstDistinctOf(column string, n int) list {
	return list{column, feature.FirstDistinct(n), oracle.Function{Name: "first_distinct", N: n}}
}

func (f list) layout() *aggregate.Layout {
	return newLayout(feature.Aggregation{Column: f.column, Function: f.function})
}

// want is what the oracle says.
func (f list) want(rows []row) feature.Value {
	var events []oracle.Event
	for _, r := range rows {
		events = append(events, oracle.Event{Time: int64(r.at), Value: r.values[f.column]})
	}
	output, _ := f.function.Output(typeOf(f.column))
	return valueOf(output, oracle.Finish(f.naive, events))
}

// rowsAt returns a row for each value; its time is the index in times.
func (f list) rowsAt(times []int64, values ...any) []row {
	rows := make([]row, len(values))
	for i, v := range values {
		rows[i] = row{at: window.Time(times[i]), values: map[string]any{f.column: v}}
	}
	return rows
}

// inOrder returns rows with times 0, 1, 2 ...
func (f list) inOrder(values ...any) []row {
	times := make([]int64, len(values))
	for i := range times {
		times[i] = int64(i)
	}
	return f.rowsAt(times, values...)
}

func (f list) finish(rows []row) feature.Value { return build(f.layout(), rows, 1).Finish(0, 0) }

func (f list) elements(values ...any) feature.Value {
	return valueOf(feature.ArrayOf(typeOf(f.column)), slices.Concat([]any{}, values))
}

func TestListsAreInTheOrderOfTimesAndThenOfValues(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	for column, ascending := range map[string][]any{
		"b":    {false, true},
		"i":    {int64(math.MinInt64), int64(-1), int64(0), int64(math.MaxInt64)},
		"i32":  {int32(math.MinInt32), int32(-1), int32(0), int32(math.MaxInt32)},
		"f":    {-inf, -1.5, -math.SmallestNonzeroFloat64, 0.0, 1e-300, 2.5, inf, nan},
		"f32":  {float32(-inf), float32(-1.5), float32(0), float32(1e-40), float32(2.5), float32(inf), float32(nan)},
		"s":    {"", "\x00", "a", "a\x00", "aa", "b", "\xff"},
		"is":   {[]any{}, []any{nil}, []any{nil, int64(9)}, []any{int64(-1)}, []any{int64(-1), nil}, []any{int64(1)}},
		"ss":   {[]any{}, []any{nil}, []any{""}, []any{"", "z"}, []any{"a", "z"}, []any{"a\x00"}, []any{"aa"}, []any{"b", nil}},
		"bs":   {[]any{nil, true}, []any{false}, []any{true}},
		"i32s": {[]any{int32(-7)}, []any{int32(7)}},
		"fs":   {[]any{-inf}, []any{-0.5}, []any{0.0}, []any{0.0, nil}, []any{nan}},
		"f32s": {[]any{float32(-inf)}, []any{float32(-0.5)}, []any{float32(0)}, []any{float32(nan)}},
	} {
		shuffled := slices.Clone(ascending)
		random(1).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		at := make([]int64, len(ascending)) // one time for all
		last, all, first := lastOf(column, 0), lastOf(column, 20), firstOf(column, 1)
		require.Equal(t, valueOf(typeOf(column), ascending[len(ascending)-1]), last.finish(last.rowsAt(at, shuffled...)), column)
		require.Equal(t, all.elements(ascending...), all.finish(all.rowsAt(at, shuffled...)), column)
		require.Equal(t, first.elements(ascending[0]), first.finish(first.rowsAt(at, shuffled...)), column)
		require.Equal(t, all.elements(shuffled...), all.finish(all.inOrder(shuffled...)), column)
	}
}

func TestListsKnowOneZeroAndOneNaN(t *testing.T) {
	t.Parallel()
	minusZero, odd := math.Copysign(0, -1), math.Float64frombits(0xfff8000000000123)
	for column, values := range map[string][2][]any{
		"f":    {{minusZero, odd}, {0.0, math.NaN()}},
		"f32":  {{float32(minusZero), math.Float32frombits(0xffc00123)}, {float32(0), float32(math.NaN())}},
		"fs":   {{[]any{minusZero, odd, nil}}, {[]any{0.0, math.NaN(), nil}}},
		"f32s": {{[]any{nil, float32(minusZero)}}, {[]any{nil, float32(0)}}},
	} {
		f := firstOf(column, 3)
		require.Equal(t, f.elements(values[1]...), f.finish(f.inOrder(values[0]...)), column)
		l := f.layout()
		require.Equal(t, bitsOf(tiles(l, build(l, f.inOrder(values[1]...), 1))), bitsOf(tiles(l, build(l, f.inOrder(values[0]...), 1))), column)
	}
}

func TestDistinctListsHaveEachValueOnce(t *testing.T) {
	t.Parallel()
	last, first := lastDistinctOf("s", 2), firstDistinctOf("s", 2)
	rows := last.inOrder("a", "b", "c", "a", nil, "c", "c")
	require.Equal(t, last.elements("a", "c"), last.finish(rows))
	require.Equal(t, first.elements("a", "b"), first.finish(rows))
	slices.Reverse(rows)
	require.Equal(t, last.elements("a", "c"), last.finish(rows))
	require.Equal(t, first.elements("a", "b"), first.finish(rows))
}

func TestListsEndBeforeTheValueThatIsTooMuch(t *testing.T) {
	t.Parallel()
	text := func(n int) any { return strings.Repeat("x", n) }
	numbers := func(n int) any { return slices.Repeat([]any{int64(1)}, n) }
	const half = maxListBytes / 2
	for name, c := range map[string]struct {
		column       string
		values       []any // best first
		shown, tiled int
	}{
		"exactly full":             {"s", []any{text(half), text(half)}, 2, 2},
		"full, then empty":         {"s", []any{text(maxListBytes), "", ""}, 3, 3},
		"full, then one":           {"s", []any{text(maxListBytes), "y", "z"}, 1, 2},
		"a byte too much":          {"s", []any{text(half), text(half + 1), "z"}, 1, 2},
		"one alone":                {"s", []any{text(3 * maxListBytes), "z"}, 1, 1},
		"very long after short":    {"s", []any{"a", text(3 * maxListBytes), "z"}, 1, 2},
		"numbers in arrays":        {"is", []any{numbers(maxListBytes/8 - 1), numbers(1), []any{}, numbers(1)}, 3, 4},
		"nulls in arrays":          {"is", []any{numbers(maxListBytes / 8), []any{nil}, []any{}}, 1, 2},
		"an array alone":           {"is", []any{numbers(maxListBytes), []any{}}, 1, 1},
		"strings in arrays":        {"ss", []any{[]any{text(half), text(half - 9)}, []any{"y", nil}, []any{""}}, 3, 3},
		"strings in arrays, ended": {"ss", []any{[]any{text(half), text(half - 8)}, []any{"y", nil}, []any{""}}, 1, 2},
	} {
		for _, f := range []list{firstOf(c.column, 10), lastOf(c.column, 10)} {
			values := slices.Clone(c.values)
			want := slices.Clone(values[:c.shown])
			if f.naive.Name == "last" {
				slices.Reverse(values)
				slices.Reverse(want)
			}
			rows := f.inOrder(values...)
			s := build(f.layout(), rows, 1)
			require.Equal(t, f.elements(want...), s.Finish(0, 0), "%s of %s", f.function, name)
			require.Equal(t, f.want(rows), s.Finish(0, 0), "%s of %s", f.function, name)
			from, to := tiles(f.layout(), s)[0].(*array.List).ValueOffsets(0)
			require.Equal(t, c.tiled, int(to-from), "%s of %s", f.function, name)
		}
	}
}

// TestAValueLeftOutOfAPartIsLeftOutOfTheWhole would find a list that goes on
// after what a part of it has lost.
func TestAValueLeftOutOfAPartIsLeftOutOfTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 3, 8, 100}).Draw(t, "n")
		f := rapid.SampledFrom([]list{
			lastOf("s", n), firstOf("s", n), lastDistinctOf("s", n), firstDistinctOf("s", n), lastOf("ss", n), firstOf("is", n),
		}).Draw(t, "list")
		sizes := rapid.SampledFrom([]int{0, 1, 8, 1000, 20_000, 30_000, maxListBytes / 2, maxListBytes, maxListBytes + 1, 70_000})
		rows := make([]row, rapid.IntRange(1, 30).Draw(t, "rows"))
		for i := range rows {
			fill := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "fill")
			var v any = strings.Repeat(fill, sizes.Draw(t, "size"))
			switch f.column {
			case "ss":
				v = []any{v, nil}
			case "is":
				v = slices.Repeat([]any{any(int64(len(fill)))}, len(v.(string))/8)
			}
			rows[i] = row{at: window.Time(rapid.IntRange(0, 9).Draw(t, "time")), values: map[string]any{f.column: v}}
		}
		l := f.layout()
		whole, pieced := build(l, rows, 1), assemble(t, l, shuffled(t, rows), 1)
		require.True(t, f.want(rows) == whole.Finish(0, 0))
		require.True(t, whole.Finish(0, 0) == pieced.Finish(0, 0))
		require.True(t, string(whole.AppendEncoded(nil, 0)) == string(pieced.AppendEncoded(nil, 0)))
	})
}

func TestLongListsAreWhatTheOracleSays(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var times []int64
	var numbers, texts []any
	for range 6000 {
		times = append(times, random.Int64N(3000))
		numbers = append(numbers, random.Int64N(2000)-1000)
		texts = append(texts, strings.Repeat("t", random.IntN(40))+string(rune('a'+random.IntN(26))))
	}
	for _, f := range []list{
		lastOf("i", 1000), firstOf("i", 1000), lastDistinctOf("i", 1000), firstDistinctOf("i", 500),
		lastOf("s", 1000), firstOf("s", 999), lastDistinctOf("s", 1000), firstDistinctOf("s", 300),
	} {
		values := numbers
		if f.column == "s" {
			values = texts
		}
		rows := f.rowsAt(times, values...)
		for range 3 {
			require.Equal(t, f.want(rows), f.finish(rows), f.function)
			slices.SortStableFunc(rows, func(a, b row) int { return int(b.at - a.at) }) // latest first
			require.Equal(t, f.want(rows), f.finish(rows), f.function)
			slices.Reverse(rows)
		}
	}
}

func TestAListMergesWithItself(t *testing.T) {
	t.Parallel()
	for _, f := range []list{lastOf("s", 1000), lastOf("ss", 3), firstDistinctOf("s", 3), lastOf("s", 0)} {
		rows := f.inOrder("a", strings.Repeat("b", 3000), "c")
		if f.column == "ss" {
			rows = f.inOrder([]any{"a", nil}, []any{}, []any{"b"})
		}
		l := f.layout()
		s := build(l, rows, 1)
		s.Merge(0, s, 0)
		require.Equal(t, build(l, slices.Concat(rows, rows), 1).AppendEncoded(nil, 0), s.AppendEncoded(nil, 0), f.function)
	}
}

func TestListColumnsHaveValuesAndTimes(t *testing.T) {
	t.Parallel()
	timestamps := arrow.FixedWidthTypes.Timestamp_us
	last := lastOf("f32", 0).layout().Fields()
	require.Equal(t, []string{"last_f32", "last_f32_ts"}, []string{last[0].Name, last[1].Name})
	require.True(t, arrow.TypeEqual(arrow.PrimitiveTypes.Float32, last[0].Type))
	require.True(t, arrow.TypeEqual(timestamps, last[1].Type))
	f := lastOf("ss", 3)
	l := f.layout()
	require.Equal(t, []string{"last3_ss", "last3_ss_ts"}, []string{l.Fields()[0].Name, l.Fields()[1].Name})
	require.True(t, arrow.TypeEqual(arrow.ListOf(arrow.ListOf(arrow.BinaryTypes.String)), l.Fields()[0].Type))
	require.True(t, arrow.TypeEqual(arrow.ListOf(timestamps), l.Fields()[1].Type))

	s := build(l, append(f.inOrder([]any{"a", nil}, []any{}), row{group: 1}), 2)
	columns := tiles(l, s)
	require.Equal(t, `[["a",null],[]]`, columns[0].ValueStr(0))
	require.Equal(t, `["1970-01-01 00:00:00","1970-01-01 00:00:00.000001"]`, columns[1].ValueStr(0))
	require.True(t, columns[0].IsNull(1) && columns[1].IsNull(1))
	require.Equal(t, feature.Null, s.Finish(1, 0))
}

func TestListsAllocateNothingPerRow(t *testing.T) {
	const groups, rows = 20, 4000
	for _, f := range []list{
		lastOf("i", 0), lastOf("s", 0), lastOf("f32s", 0), lastOf("i", 3), firstOf("f", 10), lastOf("b", 100), lastOf("s", 3),
		firstOf("s", 10), lastOf("f32s", 3), lastOf("ss", 3), lastDistinctOf("i", 3), lastDistinctOf("s", 3), firstDistinctOf("s", 50),
	} {
		random, in := random(5), make([]row, rows)
		for i := range in {
			in[i] = row{group: random.Int32N(groups), at: window.Time(random.Int64N(rows)), values: map[string]any{
				f.column: manyValue(random, typeOf(f.column), 40),
			}}
		}
		l := f.layout()
		numbers, times, inputs := groupsOf(in), timesOf(in), arrays(l, in)
		s := build(l, in, groups)
		allocations := testing.AllocsPerRun(3, func() {
			s.Reset()
			s.Grow(groups)
			s.Add(numbers, times, inputs)
		})
		require.LessOrEqual(t, allocations, 1.0, "%s of %s", f.function, f.column) // a batch may cost something
	}
}
