package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	sketches "github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var precisions = []int{20, 31, 33, 100, 127, 129, 255, 257, 499, 500}

// anyMagnitude is a normal positive number.
func anyMagnitude(random *rand.Rand) float64 {
	return math.Ldexp(1+random.Float64(), random.IntN(2046)-1022)
}

// TestIndexesAndValuesAreThoseOfSketchesGo compares with Datadog's mapping, whose
// bins include their lower bounds where ours include the upper ones: their index
// is less by one. Near a bound, rounding may decide otherwise.
func TestIndexesAndValuesAreThoseOfSketchesGo(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for _, precision := range precisions {
		m := mappingOf(precision)
		theirs, err := sketches.NewLogarithmicMapping(1 / float64(precision))
		require.NoError(t, err)
		nearBounds := 0
		for range 3000 {
			x := anyMagnitude(random)
			if x < theirs.MinIndexableValue() || x > theirs.MaxIndexableValue() {
				continue
			}
			i := m.index(x)
			if i != theirs.Index(x)+1 {
				bound := min(math.Abs(x/m.upper(i)-1), math.Abs(x/m.upper(i-1)-1))
				require.Less(t, bound, 1e-10, "precision %d, %g", precision, x)
				nearBounds++
				continue
			}
			require.InEpsilon(t, theirs.Value(i-1), m.value(i), 1e-10, "precision %d, %g", precision, x)
		}
		require.Less(t, nearBounds, 5)
	}
}

func TestAnIndexLiesBetweenItsBoundsAndItsValueWithinTheAccuracy(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 2))
	for _, precision := range precisions {
		m := mappingOf(precision)
		check := func(x float64) {
			i := m.index(x)
			require.LessOrEqual(t, x, m.upper(i), "precision %d, %g", precision, x)
			require.Greater(t, x, m.upper(i-1), "precision %d, %g", precision, x)
			require.LessOrEqual(t, m.least, i)
			require.GreaterOrEqual(t, m.most, i)
			tolerance := 1/float64(precision) + 1e-15
			require.LessOrEqual(t, math.Abs(m.value(i)/x-1), tolerance, "precision %d, %g", precision, x)
		}
		for _, x := range []float64{smallestNormal, math.Nextafter(smallestNormal, 1), 1, math.Nextafter(1, 0), math.Nextafter(1, 2), math.MaxFloat64} {
			check(x)
		}
		for range 500 {
			x := anyMagnitude(random)
			check(x)
			bound := m.upper(m.index(x))
			check(bound)
			check(math.Nextafter(bound, 0))
			check(min(math.Nextafter(bound, math.Inf(1)), math.MaxFloat64))
		}
	}
}

// TestPowersThatAreNumbersBelongToTheirOwnIndex: gamma is 16/15 or 17/16, whose
// powers down or up are Float64s while their digits fit.
func TestPowersThatAreNumbersBelongToTheirOwnIndex(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		precision int
		base      float64
		sign      int
	}{{31, 15.0 / 16, -1}, {33, 17.0 / 16, 1}, {63, 31.0 / 32, -1}, {65, 33.0 / 32, 1}} {
		m := mappingOf(c.precision)
		for k, power := 0, 1.0; k <= 10; k, power = k+1, power*c.base {
			require.Equal(t, c.sign*k, m.index(power), "precision %d", c.precision)
			require.Equal(t, power, m.upper(c.sign*k))
			require.Equal(t, c.sign*k+1, m.index(math.Nextafter(power, 2)))
		}
	}
}

// requireBinsOf compares with Datadog's store; shift is what our indexes are above theirs.
func requireBinsOf(t require.TestingT, want store.Store, got *bins, shift int) {
	var wanted, have []string
	want.ForEach(func(index int, count float64) bool {
		wanted = append(wanted, fmt.Sprint(index+shift, uint64(count)))
		return false
	})
	for i := got.low; i <= got.high(); i++ {
		if n := *got.at(i); n > 0 {
			have = append(have, fmt.Sprint(i, n))
		}
	}
	require.Equal(t, wanted, have)
}

func TestBinsAreThoseOfACollapsingLowestDenseStore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var cells runs[uint64]
		stores := [2]store.Store{store.NewCollapsingLowestDenseStore(maxBins), store.NewCollapsingLowestDenseStore(maxBins)}
		var ours [2]bins
		spread := rapid.SampledFrom([]int{5, 1000, 2048, 4000, 70_000}).Draw(t, "spread")
		indexes := rapid.SliceOfN(rapid.IntRange(-spread, spread), 0, 60)
		for side := range ours {
			for _, i := range indexes.Draw(t, "indexes") {
				n := rapid.Uint64Range(1, 1000).Draw(t, "values")
				stores[side].AddWithCount(i, float64(n))
				ours[side].add(i, n, &cells)
			}
			requireBinsOf(t, stores[side], &ours[side], 0)
		}
		stores[0].MergeWith(stores[1])
		ours[0].merge(&ours[1], &cells)
		requireBinsOf(t, stores[0], &ours[0], 0)
		require.EqualValues(t, stores[0].TotalCount(), ours[0].total())
		require.EqualValues(t, len(ours[0].counts)+len(ours[1].counts), cells.held)
	})
}

func TestAWholeSketchHasTheBinsOfSketchesGo(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	for name, draw := range map[string]func() float64{
		"exponential": func() float64 { return random.ExpFloat64() * 100 },
		"normal":      random.NormFloat64,
		"cents":       func() float64 { return float64(1+random.IntN(100_000)) / 100 },
		"all there is": func() float64 {
			return math.Copysign(math.Ldexp(1+random.Float64(), random.IntN(2000)-1000), random.Float64()-0.5)
		},
	} {
		m := mappingOf(100)
		theirs, err := sketches.NewLogarithmicMapping(0.01)
		require.NoError(t, err)
		positive, negative := store.NewCollapsingLowestDenseStore(maxBins), store.NewCollapsingLowestDenseStore(maxBins)
		var s ddSketch
		var cells runs[uint64]
		for range 20_000 {
			x := draw()
			if x == 1 {
				continue // a bound of both
			}
			s.add(x, m, &cells)
			if x > 0 {
				positive.Add(theirs.Index(x))
			} else {
				negative.Add(theirs.Index(-x))
			}
		}
		t.Log(name)
		requireBinsOf(t, positive, &s.positive, 1)
		requireBinsOf(t, negative, &s.negative, 1)
	}
}
