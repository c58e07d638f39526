package aggregate_test

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func numbersOf(values ...float64) arrow.Array {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

var percentiles = []float64{0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.7, 0.75, 0.9, 0.95, 0.99, 0.999, 1}

func percentilesOf(precision int) []feature.Function {
	var out []feature.Function
	for _, p := range percentiles {
		out = append(out, feature.ApproxPercentile(p, precision))
	}
	return out
}

// sorted puts NaN last.
func sorted(values []float64) []float64 {
	return slices.SortedFunc(slices.Values(values), func(a, b float64) int {
		if math.IsNaN(a) || math.IsNaN(b) {
			return -cmp.Compare(a, b) // cmp puts NaN first
		}
		return cmp.Compare(a, b)
	})
}

var shapes = map[string]func(random *rand.Rand) float64{
	"exponential": func(random *rand.Rand) float64 { return random.ExpFloat64() * 100 },
	"normal":      func(random *rand.Rand) float64 { return random.NormFloat64() },
	"log-normal":  func(random *rand.Rand) float64 { return math.Exp(2 * random.NormFloat64()) },
	"cents":       func(random *rand.Rand) float64 { return float64(random.IntN(100_000)-20_000) / 100 },
	"few":         func(random *rand.Rand) float64 { return float64(random.IntN(4) - 1) },
	"tiny":        func(random *rand.Rand) float64 { return random.Float64() * 0x1p-1015 },
	"huge":        func(random *rand.Rand) float64 { return -random.Float64() * math.MaxFloat64 },
	"specials": func(random *rand.Rand) float64 {
		return []float64{math.Inf(1), math.Inf(-1), math.NaN(), 0, math.Copysign(0, -1), 3, -3}[random.IntN(7)]
	},
}

func TestQuantilesAreWithinTheAccuracyOfTheLowerQuantile(t *testing.T) {
	t.Parallel()
	const seed = 11
	random := rand.New(rand.NewPCG(seed, seed))
	for name, draw := range shapes {
		for _, n := range []int{1, 2, 10, 255, 256, 257, 1000, 20_000} {
			values := make([]float64, n)
			for i := range values {
				values[i] = draw(random)
			}
			exact := sorted(values)
			for _, precision := range []int{20, 100, 500} {
				s := statesOf(feature.Float64, 1, percentilesOf(precision)...)
				addToFirst(s, numbersOf(values...))
				for i, p := range percentiles {
					want, got := exact[int(p*float64(n-1))], s.Finish(0, i).Float64()
					tolerance := 0.0
					if n > 256 {
						tolerance = errorOf(want, exact, precision)
					}
					same := want == got || math.IsNaN(want) && math.IsNaN(got)
					require.True(t, same || math.Abs(got-want) <= tolerance,
						"%s, %d values, precision %d: %g is %g, want %g, seed %d", name, n, precision, p, got, want, seed)
				}
			}
		}
	}
}

// errorOf returns how far the sketch of values may be from one of them.
func errorOf(of float64, values []float64, precision int) float64 {
	if math.IsInf(of, 0) || math.IsNaN(of) {
		return 0
	}
	most := 0.0
	for _, v := range values {
		if math.Signbit(v) == math.Signbit(of) && !math.IsInf(v, 0) && !math.IsNaN(v) {
			most = max(most, math.Abs(v))
		}
	}
	tolerance := math.Abs(of) * (1/float64(precision) + 1e-15)
	// Of precision 500, all bins together span a factor of 3,600.
	if collapsed := most * math.Pow(float64(precision+1)/float64(precision-1), -2046); math.Abs(of) <= collapsed {
		return max(tolerance, collapsed)
	}
	return max(tolerance, 0x1p-1022) // which is zero
}

func TestMagnitudesFarBelowTheGreatestCollapse(t *testing.T) {
	t.Parallel()
	s := statesOf(feature.Float64, 1, feature.ApproxPercentile(0, 0), feature.ApproxPercentile(0.9, 0), feature.ApproxPercentile(1, 0))
	values := slices.Repeat([]float64{1e-200, 1e-100, 2, 1e30}, 100)
	addToFirst(s, numbersOf(values...))
	require.InEpsilon(t, 1e30, s.Finish(0, 2).Float64(), 0.01)
	require.InEpsilon(t, 1e30, s.Finish(0, 1).Float64(), 0.01)
	require.InEpsilon(t, 1e30*math.Pow(101.0/99, -2047), s.Finish(0, 0).Float64(), 0.03, "the lowest bin that is left")
}

func TestTheLargestNumbersStayFinite(t *testing.T) {
	t.Parallel()
	for precision := 20; precision <= 500; precision += 7 {
		s := statesOf(feature.Float64, 1, feature.ApproxPercentile(0, precision), feature.ApproxPercentile(1, precision))
		addToFirst(s, numbersOf(slices.Repeat([]float64{-math.MaxFloat64, math.MaxFloat64}, 200)...))
		for i, sign := range []float64{-1, 1} {
			require.InDelta(t, sign, s.Finish(0, i).Float64()/math.MaxFloat64, 1/float64(precision)+1e-15)
		}
	}
}

func TestQuantilesOfInt64AreThoseOfTheirFloat64s(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{100, 1000} {
		integers := array.NewInt64Builder(memory.DefaultAllocator)
		var floats []float64
		for range n {
			v := int64(random.Uint64())
			integers.Append(v)
			floats = append(floats, float64(v))
		}
		a, b := statesOf(feature.Int64, 1, percentilesOf(100)...), statesOf(feature.Float64, 1, percentilesOf(100)...)
		addToFirst(a, integers.NewArray())
		addToFirst(b, numbersOf(floats...))
		require.Equal(t, b.AppendEncoded(nil, 0), a.AppendEncoded(nil, 0))
		for i := range percentiles {
			require.Equal(t, b.Finish(0, i), a.Finish(0, i))
		}
	}
}

func TestAGroupMergedWithItselfHasEachValueTwice(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(6, 6))
	for _, n := range []int{1, 100, 128, 129, 256, 1000} {
		values := make([]float64, n)
		for i := range values {
			values[i] = random.NormFloat64()
		}
		s := statesOf(feature.Float64, 2, feature.ApproxPercentile(0.5, 0))
		addToFirst(s, numbersOf(values...))
		s.Merge(1, s, 0)
		s.Merge(1, s, 0)
		s.Merge(0, s, 0)
		twice := statesOf(feature.Float64, 1, feature.ApproxPercentile(0.5, 0))
		addToFirst(twice, numbersOf(slices.Concat(values, values)...))
		require.Equal(t, twice.AppendEncoded(nil, 0), s.AppendEncoded(nil, 0), "%d values", n)
		require.Equal(t, twice.AppendEncoded(nil, 0), s.AppendEncoded(nil, 1), "%d values", n)
	}
}

func TestDamagedDistributionsAreRefused(t *testing.T) {
	t.Parallel()
	exact := func(values ...float64) []byte {
		data := []byte{byte(len(values))}
		for _, v := range values {
			data = binary.BigEndian.AppendUint64(data, math.Float64bits(v))
		}
		return data
	}
	// sketch appends the counts of -Inf, zero, +Inf and NaN, and bins.
	sketch := func(numbers ...uint64) []byte {
		data := []byte{0x81, 2}
		for _, n := range numbers {
			data = binary.AppendUvarint(data, n)
		}
		return data
	}
	s := statesOf(feature.Float64, 1, feature.ApproxPercentile(0.5, 0))
	// The index of the largest number above that of the smallest normal one.
	addToFirst(s, numbersOf(slices.Repeat([]float64{math.MaxFloat64}, 257)...))
	top, _ := binary.Uvarint(s.AppendEncoded(nil, 0)[1+2+4+1+1:])

	good := [][]byte{
		exact(1), exact(math.Inf(-1), -1, 0, 0, 1, math.Inf(1), math.Float64frombits(0x7ff8000000000000)),
		sketch(100, 50, 50, 57, 0, 0),
		sketch(0, 0, 0, 0, 1, 0, 200, 1, top, 57),
		sketch(0, 0, 0, 0, 2, 5, 200, 2046, 57, 0),
		sketch(0, 0, 0, 0, 0, 1, top, 1<<56),
	}
	damaged := [][]byte{
		{}, {1}, exact(2, 1), exact(math.Copysign(0, -1)), exact(math.Float64frombits(0x7ff8000000000001)), exact(math.Float64frombits(0x7ff8000000000000), math.Inf(1)),
		{0x80, 2}, {0x82, 2}, {0x81, 0}, sketch(), sketch(300, 0, 0), sketch(300, 0, 0, 0, 0),
		sketch(100, 50, 50, 56, 0, 0),               // 256 values
		sketch(0, 0, 0, 0, 2, 5, 300, 2047, 57, 0),  // 2049 bins
		sketch(0, 0, 0, 0, 2, 5, 300, 0, 0, 0),      // an empty bin
		sketch(0, 0, 0, 0, 0, 1, top+1, 300),        // above the largest number
		sketch(0, 0, 0, 0, 0, 2, top, 300, 0, 1),    // again
		sketch(0, 0, 0, 0, 0, 1, top, 1<<56+1),      // too many values
		sketch(1, 0, 0, 0, 1, 0, 1, 1, top, 1<<56),  // together
		sketch(1<<56, 1, 0, 0, 0, 0),                // as well
		sketch(0, 0, 0, 0, 2049, 0),                 // bins
		sketch(0, 0, 0, 0, 1<<40, 0),                // bins
		sketch(0, 0, 0, 0, 2, 5, 300, 1<<63, 57, 0), // far apart
	}
	requireStrict(t, s, good, damaged)
}
