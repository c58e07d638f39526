package aggregate

import (
	"math"
	"math/bits"
)

// squareWords holds the bits from the square of the smallest Float64 to that of the
// largest, a sign, and room for more than maxRows of the largest.
const squareWords = 67

// maxSquareBits is the length of the largest sum that maxRows squares can make.
const maxSquareBits = 2*2098 + 56

// squareUnit is the exponent of the least bit of a squareFixed.
const squareUnit = 2 * unit

// squareFixed is to the squares of Float64 values what fixed is to the values: a
// two's complement integer, least significant word first, times 2^squareUnit.
type squareFixed [squareWords]uint64

// addSquare adds the square of a finite x.
func (f *squareFixed) addSquare(x float64) {
	mantissa, shift := mantissaOf(x)
	hi, lo := bits.Mul64(mantissa, mantissa)
	addAt(f[:], 2*shift, hi, lo, false)
}

// add adds a finite x.
func (f *squareFixed) add(x float64) {
	mantissa, shift := mantissaOf(x)
	addAt(f[:], shift+unit-squareUnit, 0, mantissa, x < 0)
}

func (f *squareFixed) addFixed(g *fixed) {
	magnitude, negative := *g, g.isNegative()
	if negative {
		magnitude.negate()
	}
	for i, word := range magnitude {
		addAt(f[:], 64*i+unit-squareUnit, 0, word, negative)
	}
}

func (f *squareFixed) plus(g *squareFixed) { addWords(f[:], g[:]) }

func (f *squareFixed) isZero() bool { return *f == squareFixed{} }

func (f *squareFixed) isNegative() bool { return f[squareWords-1]>>63 == 1 }

// nearest returns the Float64 nearest to f, of two the even one; an infinity when
// f is out of range.
func (f *squareFixed) nearest() float64 {
	if !f.isNegative() {
		return nearest(f[:], squareUnit)
	}
	magnitude := *f
	negate(magnitude[:])
	return -nearest(magnitude[:], squareUnit)
}

// squareTotal is the exact sum of the squares of any Float64 values: that of the
// finite ones, and how many others there were; the square of -Inf is +Inf. Encoded
// as float64Total is, with an exponent above 2^-2148.
type squareTotal struct {
	finite squareFixed
	specials
}

// nearest returns the sum rounded once.
func (t *squareTotal) nearest() float64 {
	if t.hasSpecials() {
		return t.special()
	}
	return t.finite.nearest()
}

func (t *squareTotal) append(dst []byte) []byte {
	magnitude, negative := t.finite, t.finite.isNegative()
	if negative {
		negate(magnitude[:])
	}
	return appendTotal(dst, magnitude[:], negative, t.specials)
}

// cut reads what append wrote into t, which is zero; seen is false for the byte
// headerEmpty.
func (t *squareTotal) cut(data []byte) (seen bool, rest []byte, err error) {
	seen, rest, err = cutTotal(t.finite[:], maxSquareBits, &t.specials, data)
	if err == nil && t.negInf != 0 {
		return false, nil, damaged("a square that is -Inf")
	}
	return seen, rest, err
}

// split returns the sum rounded, and leaves in t what that leaves out.
func (t *squareTotal) split() (sum float64) {
	sum = t.nearest()
	if isFinite(sum) {
		t.finite.add(-sum)
	}
	return sum
}

// join undoes split. It refuses what split cannot have made.
func (t *squareTotal) join(sum float64) error {
	if *t == (squareTotal{}) {
		return damaged("a rest that is not needed")
	}
	if isFinite(sum) {
		t.finite.add(sum)
	}
	again := t.nearest()
	same := math.Float64bits(again) == math.Float64bits(sum) || math.IsNaN(again) && math.IsNaN(sum) // whatever the NaN's bits
	if !same || t.finite.isNegative() {
		return damaged("the sum of squares is %g, with its rest it is %g", sum, again)
	}
	return nil
}
