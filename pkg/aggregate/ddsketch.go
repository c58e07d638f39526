package aggregate

import (
	"encoding/binary"
	"math"
)

// ddSketch counts values by the indexes of a mapping (C. Masson et al., "DDSketch: A
// Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", 2019).
//
// Encoded: the numbers of -Inf, zeros, +Inf and NaN as uvarints; the negative bins;
// the positive bins.
type ddSketch struct {
	negInf, zero, posInf, nan uint64 // zero: nearer to it than smallestNormal
	negative, positive        bins   // by the index of the magnitude
}

func (s *ddSketch) add(x float64, m *mapping, cells *runs[uint64]) {
	switch {
	case x >= smallestNormal && isFinite(x):
		s.positive.add(m.index(x), 1, cells)
	case x <= -smallestNormal && isFinite(x):
		s.negative.add(m.index(-x), 1, cells)
	case isFinite(x):
		s.zero++
	case x > 0:
		s.posInf++
	case x < 0:
		s.negInf++
	default:
		s.nan++
	}
}

// merge adds the values of other, which may be s.
func (s *ddSketch) merge(other *ddSketch, cells *runs[uint64]) {
	s.negInf += other.negInf
	s.zero += other.zero
	s.posInf += other.posInf
	s.nan += other.nan
	s.negative.merge(&other.negative, cells)
	s.positive.merge(&other.positive, cells)
}

// total is the number of values.
func (s *ddSketch) total() uint64 {
	return s.negInf + s.negative.total() + s.zero + s.positive.total() + s.posInf + s.nan
}

// find returns what stands for the value of a rank from 0 to total-1, in the order
// -Inf, numbers, +Inf, NaN.
func (s *ddSketch) find(rank uint64, m *mapping) float64 {
	in := func(n uint64) bool {
		if rank < n {
			return true
		}
		rank -= n
		return false
	}
	if in(s.negInf) {
		return math.Inf(-1)
	}
	for i := s.negative.high(); i >= s.negative.low; i-- {
		if in(*s.negative.at(i)) {
			return -m.value(i)
		}
	}
	if in(s.zero) {
		return 0
	}
	for i := s.positive.low; i <= s.positive.high(); i++ {
		if in(*s.positive.at(i)) {
			return m.value(i)
		}
	}
	if in(s.posInf) {
		return math.Inf(1)
	}
	return canonicalNaN
}

func (s *ddSketch) append(dst []byte, m *mapping) []byte {
	for _, n := range [...]uint64{s.negInf, s.zero, s.posInf, s.nan} {
		dst = binary.AppendUvarint(dst, n)
	}
	return s.positive.append(s.negative.append(dst, m), m)
}

// mergeEncoded adds what append wrote, and returns how many values that is.
func (s *ddSketch) mergeEncoded(data []byte, m *mapping, cells *runs[uint64]) (values uint64, rest []byte, err error) {
	rest = data
	for _, count := range [...]*uint64{&s.negInf, &s.zero, &s.posInf, &s.nan} {
		var n uint64
		if n, rest, err = cutUvarint(rest, maxRows-values); err != nil {
			return 0, nil, err
		}
		*count += n
		values += n
	}
	for _, b := range [...]*bins{&s.negative, &s.positive} {
		var n uint64
		if n, rest, err = b.mergeEncoded(rest, maxRows-values, m, cells); err != nil {
			return 0, nil, err
		}
		values += n
	}
	return values, rest, nil
}
