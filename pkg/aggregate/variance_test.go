package aggregate_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
)

var variances = []feature.Function{feature.VarPop, feature.VarSamp, feature.StddevPop, feature.StddevSamp}

func TestVariancesRoundOnce(t *testing.T) {
	t.Parallel()
	const least = math.SmallestNonzeroFloat64
	inf := math.Inf(1)
	for _, c := range []struct {
		values                           []float64
		varPop, varSamp, devPop, devSamp float64
	}{
		{[]float64{1, 3}, 1, 2, 1, math.Sqrt2},
		{[]float64{0.1, 0.1}, 0, 0, 0, 0},
		{[]float64{0, math.Copysign(0, -1)}, 0, 0, 0, 0},
		{[]float64{1e15, 1e15 + 2}, 1, 2, 1, math.Sqrt2}, // sums of squares in doubles have lost this
		{[]float64{1 << 53, 1<<53 + 2}, 1, 2, 1, math.Sqrt2},
		{[]float64{0x1p531, -0x1p531}, inf, inf, 0x1p531, math.Sqrt2 * 0x1p531}, // squares overflow, their root does not
		{[]float64{0x1p-560, -0x1p-560}, 0, 0, 0x1p-560, math.Sqrt2 * 0x1p-560}, // squares underflow, their root does not
		{[]float64{math.MaxFloat64, -math.MaxFloat64}, inf, inf, math.MaxFloat64, inf},
		{[]float64{math.MaxFloat64, math.MaxFloat64}, 0, 0, 0, 0},
		{[]float64{0x1p1000, 0x1p-1000}, inf, inf, 0x1p999, math.Sqrt2 * 0x1p999},
		{[]float64{least, 0}, 0, 0, 0, least}, // half of the least: to even; 0.7 of it: up
		{[]float64{least, -least}, 0, 0, least, least},
		{[]float64{0x1p-537, -0x1p-537}, least, 2 * least, 0x1p-537, math.Sqrt2 * 0x1p-537},
		{[]float64{0x1p-538, -0x1p-538}, 0, 0, 0x1p-538, math.Sqrt2 * 0x1p-538},
		{[]float64{0x1p-537, 0x1p-537 * (1 - 0x1p-53)}, 0, 0, 0x1p-591, math.Sqrt2 * 0x1p-591},
	} {
		for i, want := range []float64{c.varPop, c.varSamp, c.devPop, c.devSamp} {
			require.Equal(t, feature.Float64Value(want), finishNumbers(variances[i], c.values...), "%s of %g", variances[i], c.values)
		}
	}
}

func TestVariancesOfSpecialsAreNaNAndOfOneValueZeroOrNull(t *testing.T) {
	t.Parallel()
	nan, inf := feature.Float64Value(math.NaN()), math.Inf(1)
	for _, f := range variances {
		require.Equal(t, nan, finishNumbers(f, 1, math.NaN()), f)
		require.Equal(t, nan, finishNumbers(f, 1, inf), f)
		require.Equal(t, nan, finishNumbers(f, -inf, 1, 2), f)
		require.Equal(t, nan, finishNumbers(f, float32(inf), float32(inf)), f)
		require.Equal(t, feature.Null, finishNumbers[int64](f), f)

		ofOne, ofOneSpecial := feature.Float64Value(0), nan
		if f == feature.VarSamp || f == feature.StddevSamp {
			ofOne, ofOneSpecial = feature.Null, feature.Null
		}
		require.Equal(t, ofOne, finishNumbers(f, 1e200), f)
		require.Equal(t, ofOne, finishNumbers(f, int64(math.MinInt64)), f)
		require.Equal(t, ofOneSpecial, finishNumbers(f, inf), f)
	}
}

func TestVariancesAreThoseOfTheDefinitionRoundedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var exact []*big.Rat
		var finish func(feature.Function) feature.Value
		switch rapid.IntRange(0, 3).Draw(t, "type") {
		case 0:
			values := rapid.SliceOfN(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-5, 5), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})), 1, 20).Draw(t, "values")
			exact, finish = rationals(values), func(f feature.Function) feature.Value { return finishNumbers(f, values...) }
		case 1:
			values := rapid.SliceOfN(rapid.Int32(), 1, 20).Draw(t, "values")
			exact, finish = rationals(values), func(f feature.Function) feature.Value { return finishNumbers(f, values...) }
		case 2:
			values := rapid.SliceOfN(rapid.Float32(), 1, 20).Draw(t, "values")
			exact, finish = rationals(values), func(f feature.Function) feature.Value { return finishNumbers(f, values...) }
		default:
			values := drawSquareRoots(t)
			exact, finish = rationals(values), func(f feature.Function) feature.Value { return finishNumbers(f, values...) }
		}
		for _, f := range variances {
			want := feature.Null
			if len(exact) > 1 || f == feature.VarPop || f == feature.StddevPop {
				want = feature.Float64Value(nearestTo(f, exact))
			}
			require.Equal(t, want, finish(f), f)
		}
	})
}

func TestVariancesOfAsManyRowsAsAGroupHoldsRoundOnce(t *testing.T) {
	t.Parallel()
	const n = 1 << 56
	half := []*big.Rat{big.NewRat(3, 1), big.NewRat(4, 1)}
	for _, f := range variances {
		layout := numbersLayout(feature.Int64, f)
		s := layout.NewStates()
		s.Grow(1)
		require.NoError(t, s.MergeColumns([]int32{0}, []arrow.Array{
			arrayOf[int64](n), arrayOf[int64](n / 2 * 7), arrayOf[[]byte](nil), arrayOf[int64](n / 2 * 25), arrayOf[[]byte](nil),
		}))
		want := nearestTo(feature.VarPop, half)
		if f == feature.StddevPop || f == feature.StddevSamp {
			want = nearestTo(feature.StddevPop, half)
		}
		require.Equal(t, feature.Float64Value(want), s.Finish(0, 0), f) // n/(n-1) is far below half of the last place
	}
}

// A root or quotient may be half of the last place and so little more that none of
// the bits that are computed shows it.
func TestVariancesBarelyAboveAHalfRoundUp(t *testing.T) {
	t.Parallel()
	half := big.NewInt(1<<53 + 1) // between two doubles, of which the lower is even
	square := new(big.Int).Mul(half, half)
	for _, c := range []struct {
		function feature.Function
		count    int64
		variance *big.Int
		more     int64 // over the divisor
		want     float64
	}{
		{feature.VarPop, 1<<40 + 1, half, 0, 1 << 53},
		{feature.VarPop, 1<<40 + 1, half, 1, 1<<53 + 2},
		{feature.VarSamp, 1<<40 + 1, half, 1, 1<<53 + 2},
		{feature.StddevPop, 1<<40 + 1, square, 0, 1 << 53},
		{feature.StddevPop, 1<<40 + 1, square, 1, 1<<53 + 2}, // the quotient does not show it
		{feature.StddevPop, 1 << 10, square, 1, 1<<53 + 2},   // its root does not show it
		{feature.StddevSamp, 1<<10 + 1, square, 1, 1<<53 + 2},
	} {
		divisor := c.count
		if c.function == feature.VarSamp || c.function == feature.StddevSamp {
			divisor--
		}
		sum := new(big.Int).Mul(c.variance, big.NewInt(divisor)) // of squares, when that of values is 0
		magnitude := sum.Add(sum, big.NewInt(c.more)).Bytes()
		s := numbersLayout(feature.Int64, c.function).NewStates()
		s.Grow(1)
		require.NoError(t, s.MergeColumns([]int32{0}, []arrow.Array{
			arrayOf(c.count), arrayOf[int64](0), arrayOf[[]byte](nil), nullOf(arrow.PrimitiveTypes.Int64), arrayOf(append([]byte{1, byte(1 + len(magnitude))}, magnitude...)),
		}))
		require.Equal(t, feature.Float64Value(c.want), s.Finish(0, 0), "%s of %d rows", c.function, c.count)
	}
}

// Partials are checked one by one, so that they may contradict each other.
func TestPartialsThatNoRowsMakeHaveNoVariance(t *testing.T) {
	t.Parallel()
	for _, f := range variances {
		s := numbersLayout(feature.Int64, f).NewStates()
		s.Grow(1)
		require.NoError(t, s.MergeColumns([]int32{0}, []arrow.Array{
			arrayOf[int64](2), arrayOf[int64](100), arrayOf[[]byte](nil), arrayOf[int64](1), arrayOf[[]byte](nil),
		}))
		require.Equal(t, feature.Float64Value(math.NaN()), s.Finish(0, 0), f)
	}
}

// nearestTo is what f of values, by its definition, is nearest to.
func nearestTo(f feature.Function, values []*big.Rat) float64 {
	n := big.NewRat(int64(len(values)), 1)
	mean := new(big.Rat)
	for _, v := range values {
		mean.Add(mean, v)
	}
	mean.Quo(mean, n)
	variance := new(big.Rat)
	for _, v := range values {
		d := new(big.Rat).Sub(v, mean)
		variance.Add(variance, d.Mul(d, d))
	}
	if f == feature.VarSamp || f == feature.StddevSamp {
		n.Sub(n, big.NewRat(1, 1))
	}
	variance.Quo(variance, n)
	if f == feature.VarPop || f == feature.VarSamp {
		x, _ := variance.Float64()
		return x
	}
	return rootNearestTo(variance)
}

// rootNearestTo bisects the bits of a Float64, which order as the positive numbers
// do, for the last one whose lower boundary is not above the root of v.
func rootNearestTo(v *big.Rat) float64 {
	low, high := uint64(0), math.Float64bits(math.Inf(1))
	for low < high {
		middle := low + (high-low+1)/2
		boundary := halfBelow(math.Float64frombits(middle))
		order := boundary.Mul(boundary, boundary).Cmp(v)
		if order < 0 || order == 0 && middle%2 == 0 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return math.Float64frombits(low)
}

// halfBelow is halfway from the number before x > 0 to x; that after the greatest
// Float64 would be 2^1024.
func halfBelow(x float64) *big.Rat {
	before := new(big.Rat).SetFloat64(math.Nextafter(x, 0))
	at := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 1024))
	if !math.IsInf(x, 0) {
		at.SetFloat64(x)
	}
	return at.Quo(at.Add(at, before), big.NewRat(2, 1))
}

// rationals are the exact values of finite numbers.
func rationals[T int32 | int64 | float32 | float64](values []T) []*big.Rat {
	out := make([]*big.Rat, len(values))
	for i, v := range values {
		if whole, ok := any(v).(int64); ok {
			out[i] = new(big.Rat).SetInt64(whole)
		} else {
			out[i] = new(big.Rat).SetFloat64(float64(v))
		}
	}
	return out
}
