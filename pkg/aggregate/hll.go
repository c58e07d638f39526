package aggregate

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// registers are those of a HyperLogLog sketch: 2^p bytes. A hash belongs to the
// register that its top p bits name, and a register is the greatest rank of its
// hashes: one more than the zeros before the first one in their other 64-p bits.
// So they are a function of the set of hashes.
//
// The estimate from them has a relative standard error of about 1.04/sqrt(2^p): 26%
// with 16 registers, 6.5% with 256, 1.6% with 4096, 0.4% with 65536. On average it
// is too high by about 1.08/2^p: 7% with 16 registers, 0.4% with 256.
type registers []uint8

// precision is p.
func (r registers) precision() uint { return uint(bits.TrailingZeros(uint(len(r)))) }

// maxRank is the rank of a hash whose other bits are all zero.
func maxRank(precision uint) int { return 64 - int(precision) + 1 }

func (r registers) add(hash uint64, precision uint) {
	rank := uint8(min(bits.LeadingZeros64(hash<<precision)+1, maxRank(precision)))
	at := &r[hash>>(64-precision)]
	*at = max(*at, rank)
}

// merge adds the hashes of other, which has the same precision.
func (r registers) merge(other registers) {
	for i := 0; i < len(r); i += 8 {
		ours, theirs := r[i:i+8], other[i:i+8]
		binary.LittleEndian.PutUint64(ours, maxOfBytes(binary.LittleEndian.Uint64(ours), binary.LittleEndian.Uint64(theirs)))
	}
}

// maxOfBytes returns the greater of each of the eight pairs of bytes, which are
// below 128: so the top bit of each can say which, and no borrow leaves a byte.
func maxOfBytes(a, b uint64) uint64 {
	const top = 0x8080808080808080
	notLess := ((a | top) - b) & top // where a >= b
	takeA := notLess >> 7 * 0xff
	return a&takeA | b&^takeA
}

// check returns an error unless some hashes make these registers.
func (r registers) check() error {
	limit, used := uint8(maxRank(r.precision())), false
	for _, rank := range r {
		if rank > limit {
			return damaged("rank %d is above %d", rank, limit)
		}
		used = used || rank > 0
	}
	if !used {
		return damaged("registers without a hash")
	}
	return nil
}

// estimate returns about how many hashes there are, at most maxRows: the improved
// raw estimator of O. Ertl, "New cardinality estimation algorithms for HyperLogLog
// sketches", 2017, algorithm 6, which needs no tables that correct small numbers.
//
// Each product is converted to float64, which forbids the compiler to fuse it with
// a sum: some machines would else round differently.
func (r registers) estimate() int64 {
	var of [64 + 2]int // registers of each rank
	for _, rank := range r {
		of[rank]++
	}
	m, last := float64(len(r)), maxRank(r.precision())
	z := float64(m * tau(1-float64(of[last])/m))
	for rank := last - 1; rank > 0; rank-- {
		z = 0.5 * (z + float64(of[rank]))
	}
	z += float64(m * sigma(float64(of[0])/m))
	const alpha = 1 / (2 * math.Ln2)
	return int64(min(math.Round(alpha*m*m/z), maxRows)) // z is 0 when each hash in the world was seen
}

// sigma stands for the registers that no hash belongs to, of which there are x < 1.
func sigma(x float64) float64 {
	sum, weight := x, 1.0
	for {
		x *= x
		before := sum
		sum += float64(x * weight)
		weight += weight
		if sum == before {
			return sum
		}
	}
}

// tau stands for the registers of the greatest rank, which all but x have not.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	sum, weight := 1-x, 1.0
	for {
		x = math.Sqrt(x)
		before := sum
		weight *= 0.5
		sum -= float64(float64((1-x)*(1-x)) * weight)
		if sum == before {
			return sum / 3
		}
	}
}
