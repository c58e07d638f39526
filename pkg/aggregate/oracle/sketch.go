package oracle

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// maxExactHashes is how many distinct hashes are counted exactly.
const maxExactHashes = 64

// countDistinct returns the number of distinct hashes, beyond maxExactHashes by
// the improved raw estimator of O. Ertl, "New cardinality estimation algorithms
// for HyperLogLog sketches", 2017, algorithm 6.
func countDistinct(precision int, kept []Event) int64 {
	hashes := map[uint64]bool{}
	for _, e := range kept {
		hashes[hash(e.Value)] = true
	}
	if len(hashes) <= maxExactHashes {
		return int64(len(hashes))
	}
	registers := map[uint64]int{} // without those that are 0
	q := 64 - precision
	for h := range hashes {
		index, rest := h>>q, h<<precision
		registers[index] = max(registers[index], min(bits.LeadingZeros64(rest), q)+1)
	}
	m := float64(uint64(1) << precision)
	of := make([]float64, q+2) // of[k]: registers that are k
	of[0] = m - float64(len(registers))
	for _, k := range registers {
		of[k]++
	}
	z := m * tau(1-of[q+1]/m)
	for k := q; k >= 1; k-- {
		z = (z + of[k]) / 2
	}
	z += m * sigma(of[0]/m)
	return int64(math.Round(m * m / (2 * math.Ln2 * z)))
}

func hash(v any) uint64 {
	if text, ok := v.(string); ok {
		return xxhash.Sum64String(text)
	}
	return xxhash.Sum64(binary.LittleEndian.AppendUint64(nil, uint64(integer(v))))
}

// sigma is x + the sum of x^(2^k)·2^(k-1) over k >= 1.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	total := x
	for y := 1.0; ; y *= 2 {
		x *= x
		before := total
		if total += x * y; total == before {
			return total
		}
	}
}

// tau is (1 - x - the sum of (1 - x^(2^-k))²·2^-k over k >= 1) / 3.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	total := 1 - x
	for y := 0.5; ; y /= 2 {
		x = math.Sqrt(x)
		before := total
		if total -= (1 - x) * (1 - x) * y; total == before {
			return total / 3
		}
	}
}
