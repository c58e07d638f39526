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
	finite fixed
	specials
}

// specials counts the values of a sum that are not finite.
type specials struct {
	nan, posInf, negInf uint64
}

const (
	headerEmpty    = 0
	headerValue    = 1
	headerSpecials = 2
	headerNegative = 4
)

// addSpecial counts x, which is not finite.
func (t *specials) addSpecial(x float64) {
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
	t.specials.plus(other.specials)
}

func (t *specials) plus(other specials) {
	t.nan += other.nan
	t.posInf += other.posInf
	t.negInf += other.negInf
}

func (t *specials) hasSpecials() bool { return t.nan|t.posInf|t.negInf != 0 }

// special returns what the values that are not finite make of any sum or mean.
func (t *specials) special() float64 {
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
	magnitude, negative := t.finite, t.finite.isNegative()
	if negative {
		magnitude.negate()
	}
	return appendTotal(dst, magnitude[:], negative, t.specials)
}

// cut reads what append wrote into t, which is zero; seen is false for the byte
// headerEmpty.
func (t *float64Total) cut(data []byte) (seen bool, rest []byte, err error) {
	return cutTotal(t.finite[:], maxFixedBits, &t.specials, data)
}

func appendTotal(dst []byte, magnitude []uint64, negative bool, s specials) []byte {
	header := byte(headerValue)
	if negative {
		header |= headerNegative
	}
	if s.hasSpecials() {
		header |= headerSpecials
	}
	dst = append(dst, header)
	if s.hasSpecials() {
		dst = binary.AppendUvarint(dst, s.nan)
		dst = binary.AppendUvarint(dst, s.posInf)
		dst = binary.AppendUvarint(dst, s.negInf)
	}
	end := bitLength(magnitude)
	if end == 0 {
		return append(dst, 0)
	}
	first := trailingZeros(magnitude)
	dst = binary.AppendUvarint(dst, uint64(end-first+7)/8)
	dst = binary.AppendUvarint(dst, uint64(first))
	for bit := first; bit < end; bit += 8 {
		dst = append(dst, byte(bitsAt(magnitude, bit)))
	}
	return dst
}

// cutTotal reads what appendTotal wrote of a magnitude of at most maxBits into
// words and s, which are zero.
func cutTotal(words []uint64, maxBits int, s *specials, data []byte) (seen bool, rest []byte, err error) {
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
		for _, count := range []*uint64{&s.nan, &s.posInf, &s.negInf} {
			if *count, rest, err = cutUvarint(rest, maxRows); err != nil {
				return false, nil, err
			}
		}
		if !s.hasSpecials() {
			return false, nil, damaged("a sum without the special values that it announces")
		}
	}
	if rest, err = cutMagnitude(words, maxBits, rest); err != nil {
		return false, nil, err
	}
	if header&headerNegative != 0 {
		if bitLength(words) == 0 {
			return false, nil, damaged("a negative zero")
		}
		negate(words)
	}
	return true, rest, nil
}

func cutMagnitude(words []uint64, maxBits int, data []byte) (rest []byte, err error) {
	length, rest, err := cutUvarint(data, uint64(maxBits)/8+1)
	if err != nil || length == 0 {
		return rest, err
	}
	first, rest, err := cutUvarint(rest, uint64(maxBits)-1)
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
	if int(first+8*(length-1))+bits.Len8(magnitude[length-1]) > maxBits {
		return nil, damaged("a sum of more than %d bits", maxBits)
	}
	for i, b := range magnitude {
		at := int(first) + 8*i
		words[at/64] |= uint64(b) << (at % 64)
		if at%64 > 56 {
			words[at/64+1] |= uint64(b) >> (64 - at%64)
		}
	}
	return rest, nil
}
