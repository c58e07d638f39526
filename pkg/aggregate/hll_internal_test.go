package aggregate

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawRegisters(t *rapid.T, precision uint) registers {
	limit := uint8(maxRank(precision))
	return rapid.SliceOfN(rapid.Uint8Range(0, limit), 1<<precision, 1<<precision).Draw(t, "registers")
}

func TestMergedRegistersAreTheGreaterOfEach(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		precision := rapid.UintRange(4, 6).Draw(t, "precision")
		a, b := drawRegisters(t, precision), drawRegisters(t, precision)
		want := make(registers, len(a))
		for i := range want {
			want[i] = max(a[i], b[i])
		}
		a.merge(b)
		require.Equal(t, want, a)
	})
}

func TestARegisterIsOneMoreThanTheZerosBeforeTheFirstOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		precision := rapid.UintRange(4, 16).Draw(t, "precision")
		hash := rapid.Uint64().Draw(t, "hash") >> rapid.IntRange(0, 64).Draw(t, "zeros")
		r := make(registers, 1<<precision)
		r.add(hash, precision)
		rank := 1
		for at := 63 - int(precision); at >= 0 && hash&(1<<at) == 0; at-- {
			rank++
		}
		require.EqualValues(t, rank, r[hash>>(64-precision)])
		require.NoError(t, r.check())
	})
}

func TestEstimatesHaveBounds(t *testing.T) {
	t.Parallel()
	for precision := uint(4); precision <= 16; precision++ {
		full := make(registers, 1<<precision)
		for i := range full {
			full[i] = uint8(maxRank(precision))
		}
		require.NoError(t, full.check())
		require.EqualValues(t, maxRows, full.estimate(), "each hash was seen")

		one := make(registers, 1<<precision)
		require.ErrorIs(t, one.check(), ErrDamaged, "no hash was seen")
		one[len(one)-1] = 1
		require.NoError(t, one.check())
		require.EqualValues(t, 1, one.estimate())

		one[0] = full[0] + 1
		require.ErrorIs(t, one.check(), ErrDamaged)
		require.Equal(t, int(precision), bits.Len(uint(len(one)))-1)
	}
}

// TestEstimatesHaveTheDocumentedErrorAndBias draws many sets: one may be far off.
func TestEstimatesHaveTheDocumentedErrorAndBias(t *testing.T) {
	t.Parallel()
	const seed, trials, n = 9, 500, 2000
	random := rand.New(rand.NewPCG(seed, seed))
	for _, precision := range []uint{4, 6, 8, 12} {
		m := float64(uint64(1) << precision)
		sum, squares := 0.0, 0.0
		for range trials {
			r := make(registers, 1<<precision)
			for range n {
				r.add(random.Uint64(), precision)
			}
			off := float64(r.estimate())/n - 1
			sum += off
			squares += off * off
		}
		standardError := 1.04 / math.Sqrt(m)
		bias, deviation := sum/trials, math.Sqrt(squares/trials)
		t.Logf("precision %d: off by %.2f%%, on average %.2f%% too high, seed %d", precision, 100*deviation, 100*bias, seed)
		require.InDelta(t, 1.08/m, bias, 4*standardError/math.Sqrt(trials))
		require.Less(t, deviation, 1.25*standardError)
	}
}
