package aggregate

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// canonicalNaN is the bit pattern that stands for every NaN.
var canonicalNaN = math.Float64frombits(0x7ff8000000000000)

// float64Total is the exact sum of any Float64 values: that of the finite ones,
// and how many others there were.
//
// Encoded: a header byte, headerEmpty when no value went in, else headerValue and
// flags; with headerSpecials the counts of NaN, +Inf and -Inf as uvarints; the
// number of bytes of the magnitude, as a uvarint, 0 for zero; else the exponent of
// its lowest one above 2^-1074, as a uvarint, and the magnitude from that bit on,
// least significant byte first.
type float64Total struct {
	finite              fixed
	nan, posInf, negInf uint64
}

const (
	headerEmpty    = 0
	headerValue    = 1
	headerSpecials = 2
	headerNegative = 4
)

// addSpecial counts x, which is not finite.
func (t *float64Total) addSpecial(x float64) {
	switch {
	case x > 0:
		t.posInf++
	case x < 0:
		t.negInf++
	default:
		t.nan++
	}
}

func (t *float64Total) plus(other *float64Total) {
	t.finite.plus(&other.finite)
	t.nan += other.nan
	t.posInf += other.posInf
	t.negInf += other.negInf
}

func (t *float64Total) hasSpecials() bool { return t.nan|t.posInf|t.negInf != 0 }

// special returns what the values that are not finite make of any sum or mean.
func (t *float64Total) special() float64 {
	switch {
	case t.nan > 0 || t.posInf > 0 && t.negInf > 0:
		return canonicalNaN
	case t.posInf > 0:
		return math.Inf(1)
	default:
		return math.Inf(-1)
	}
}

// nearest returns the sum rounded once.
func (t *float64Total) nearest() float64 {
	if t.hasSpecials() {
		return t.special()
	}
	return t.finite.nearest()
}

// dividedBy returns the sum divided by n > 0, rounded once.
func (t *float64Total) dividedBy(n uint64) float64 {
	if t.hasSpecials() {
		return t.special()
	}
	return t.finite.dividedBy(n)
}

func (t *float64Total) append(dst []byte) []byte {
	header := byte(headerValue)
	magnitude := &t.finite
	if t.finite.isNegative() {
		header |= headerNegative
		negated := t.finite
		negated.negate()
		magnitude = &negated
	}
	if t.hasSpecials() {
		header |= headerSpecials
	}
	dst = append(dst, header)
	if t.hasSpecials() {
		dst = binary.AppendUvarint(dst, t.nan)
		dst = binary.AppendUvarint(dst, t.posInf)
		dst = binary.AppendUvarint(dst, t.negInf)
	}
	end := bitLength(magnitude[:])
	if end == 0 {
		return append(dst, 0)
	}
	first := trailingZeros(magnitude[:])
	dst = binary.AppendUvarint(dst, uint64(end-first+7)/8)
	dst = binary.AppendUvarint(dst, uint64(first))
	for bit := first; bit < end; bit += 8 {
		dst = append(dst, byte(bitsAt(magnitude[:], bit)))
	}
	return dst
}

// cut reads what append wrote into t, which is zero; seen is false for the byte
// headerEmpty.
func (t *float64Total) cut(data []byte) (seen bool, rest []byte, err error) {
	if len(data) == 0 {
		return false, nil, damaged("no sum")
	}
	header, rest := data[0], data[1:]
	if header == headerEmpty {
		return false, rest, nil
	}
	if header&headerValue == 0 || header > headerValue|headerSpecials|headerNegative {
		return false, nil, damaged("sum begins with %#x", header)
	}
	if header&headerSpecials != 0 {
		for _, count := range []*uint64{&t.nan, &t.posInf, &t.negInf} {
			if *count, rest, err = cutUvarint(rest, maxRows); err != nil {
				return false, nil, err
			}
		}
		if !t.hasSpecials() {
			return false, nil, damaged("a sum without the special values that it announces")
		}
	}
	if rest, err = t.finite.cut(rest); err != nil {
		return false, nil, err
	}
	if header&headerNegative != 0 {
		if t.finite.isZero() {
			return false, nil, damaged("a negative zero")
		}
		t.finite.negate()
	}
	return true, rest, nil
}

// cut reads a magnitude into f, which is zero.
func (f *fixed) cut(data []byte) (rest []byte, err error) {
	length, rest, err := cutUvarint(data, maxFixedBits/8+1)
	if err != nil || length == 0 {
		return rest, err
	}
	first, rest, err := cutUvarint(rest, maxFixedBits-1)
	if err != nil {
		return nil, err
	}
	magnitude, rest, err := cutBytes(rest, length)
	if err != nil {
		return nil, err
	}
	if magnitude[0]&1 == 0 || magnitude[length-1] == 0 {
		return nil, damaged("a sum in more bits than it needs")
	}
	if int(first+8*(length-1))+bits.Len8(magnitude[length-1]) > maxFixedBits {
		return nil, damaged("a sum of more than %d bits", maxFixedBits)
	}
	for i, b := range magnitude {
		at := int(first) + 8*i
		f[at/64] |= uint64(b) << (at % 64)
		if at%64 > 56 {
			f[at/64+1] |= uint64(b) >> (64 - at%64)
		}
	}
	return rest, nil
}
