package aggregate

import (
	"math"
	"math/bits"
)

// fixedWords holds the 2098 bits of the finite Float64 values, a sign, and room
// for more than maxRows of the largest.
const fixedWords = 34

// maxFixedBits is the length of the largest sum that maxRows values can make.
const maxFixedBits = 2098 + 56

// unit is the exponent of the least bit of a fixed: that of the smallest Float64.
const unit = -1074

// fixed is a real number that any sum of finite Float64 values is exactly: a two's
// complement integer, least significant word first, times 2^unit.
type fixed [fixedWords]uint64

// add adds a finite x.
func (f *fixed) add(x float64) {
	mantissa, shift := mantissaOf(x)
	addAt(f[:], shift, 0, mantissa, x < 0)
}

// plus adds g, which may be f.
func (f *fixed) plus(g *fixed) { addWords(f[:], g[:]) }

func (f *fixed) isZero() bool { return *f == fixed{} }

func (f *fixed) isNegative() bool { return f[fixedWords-1]>>63 == 1 }

func (f *fixed) negate() { negate(f[:]) }

// nearest returns the Float64 nearest to f, of two the even one; an infinity
// when f is out of range.
func (f *fixed) nearest() float64 {
	magnitude := *f
	if f.isNegative() {
		magnitude.negate()
		return -nearest(magnitude[:], unit)
	}
	return nearest(magnitude[:], unit)
}

// dividedBy returns the Float64 nearest to f/n, 0 < n < 2^63, of two the even one.
// A quotient too small for a Float64 is +0.
func (f *fixed) dividedBy(n uint64) float64 {
	magnitude := *f
	if f.isNegative() {
		magnitude.negate()
	}
	// A fraction r/n that is neither 0 nor 1/2 differs from both by at least 1/2n:
	// with 64 bits of it below the unit, the remainder decides no rounding.
	var quotient [fixedWords + 1]uint64
	var remainder uint64
	for i := bitLength(magnitude[:]) / 64; i >= 0; i-- {
		quotient[i+1], remainder = bits.Div64(remainder, magnitude[i], n)
	}
	quotient[0], _ = bits.Div64(remainder, 0, n)
	x := nearest(quotient[:], unit-64)
	if f.isNegative() && x != 0 {
		return -x
	}
	return x
}

// mantissaOf returns the magnitude of a finite x as mantissa·2^(shift+unit).
func mantissaOf(x float64) (mantissa uint64, shift int) {
	b := math.Float64bits(x)
	mantissa, shift = b&(1<<52-1), int(b>>52)&0x7ff
	if shift != 0 {
		mantissa |= 1 << 52
		shift--
	}
	return mantissa, shift
}

// addAt adds hi·2^64+lo, or subtracts it, from bit shift of words on. The 128 bits
// before the last word of words must have room for it.
func addAt(words []uint64, shift int, hi, lo uint64, negative bool) {
	words = words[shift/64:]
	shift %= 64
	low, middle, high := lo<<shift, hi<<shift|lo>>(64-shift), hi>>(64-shift)
	if negative {
		var borrow uint64
		words[0], borrow = bits.Sub64(words[0], low, 0)
		words[1], borrow = bits.Sub64(words[1], middle, borrow)
		words[2], borrow = bits.Sub64(words[2], high, borrow)
		for i := 3; borrow != 0 && i < len(words); i++ {
			words[i], borrow = bits.Sub64(words[i], 0, borrow)
		}
		return
	}
	var carry uint64
	words[0], carry = bits.Add64(words[0], low, 0)
	words[1], carry = bits.Add64(words[1], middle, carry)
	words[2], carry = bits.Add64(words[2], high, carry)
	for i := 3; carry != 0 && i < len(words); i++ {
		words[i], carry = bits.Add64(words[i], 0, carry)
	}
}

// addWords adds what is as long, and may be the same.
func addWords(words, other []uint64) {
	var carry uint64
	for i := range words {
		words[i], carry = bits.Add64(words[i], other[i], carry)
	}
}

func negate(words []uint64) {
	carry := uint64(1)
	for i := range words {
		words[i], carry = bits.Add64(^words[i], 0, carry)
	}
}

// nearest rounds words·2^exponent, exponent <= unit, to a Float64. It rounds once,
// also where the result is subnormal.
func nearest(words []uint64, exponent int) float64 {
	low := max(bitLength(words)-53, unit-exponent) // first bit that is kept
	kept := bitsAt(words, low)
	if low > 0 && bitsAt(words, low-1)&1 == 1 && (kept&1 == 1 || trailingZeros(words) < low-1) {
		kept++
	}
	return math.Ldexp(float64(kept), low+exponent)
}

// bitLength returns the length of a number without leading zeros.
func bitLength(words []uint64) int {
	for i := len(words) - 1; i >= 0; i-- {
		if words[i] != 0 {
			return 64*i + bits.Len64(words[i])
		}
	}
	return 0
}

// trailingZeros returns the number of zeros before the lowest one.
func trailingZeros(words []uint64) int {
	for i, w := range words {
		if w != 0 {
			return 64*i + bits.TrailingZeros64(w)
		}
	}
	return 64 * len(words)
}

// bitsAt returns the 64 bits from bit i on.
func bitsAt(words []uint64, i int) uint64 {
	w, shift := i/64, i%64
	v := words[w] >> shift
	if w+1 < len(words) {
		v |= words[w+1] << (64 - shift)
	}
	return v
}
