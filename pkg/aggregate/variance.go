package aggregate

import (
	"encoding/binary"
	"math/big"

	"github.com/tilery/tilery/pkg/feature"
)

// exactSum is a partial that a variance finishes from.
type exactSum interface {
	// exact returns the magnitude of a group's sum; ok is false when a value is NaN
	// or an infinity.
	exact(group int) (sum scaled, ok bool)
}

// variance finishes var_pop, var_samp, stddev_pop and stddev_samp. With the count n,
// the sum S and the sum of squares Q, all exact, a variance is (nQ-S²)/n² or, of a
// sample, (nQ-S²)/(n(n-1)): a rational number, which is rounded once, or whose root
// is. It is null when no value went in, that of a sample also when only one did.
func (s *States) variance(f finisher, group int) feature.Value {
	sample := f.function == feature.VarSamp || f.function == feature.StddevSamp
	count := s.partials[f.partials[0]].(*counts).of[group]
	if count == 0 || sample && count == 1 {
		return feature.Null
	}
	sum, ok := s.partials[f.partials[1]].(exactSum).exact(group)
	squares, squaresOK := s.partials[f.partials[2]].(exactSum).exact(group)
	if !ok || !squaresOK {
		return feature.Float64Value(canonicalNaN)
	}
	spread := squares.times(count).minus(sum.squared())
	n := big.NewInt(count)
	divisor := new(big.Int).Set(n)
	if sample {
		divisor.Sub(n, big.NewInt(1))
	}
	divisor.Mul(divisor, n)
	if f.function == feature.VarPop || f.function == feature.VarSamp {
		return feature.Float64Value(spread.dividedBy(divisor))
	}
	return feature.Float64Value(spread.rootOfQuotient(divisor))
}

// scaled is the real number integer·2^exponent.
type scaled struct {
	integer  *big.Int
	exponent int
}

// newScaled returns words·2^exponent, without the zeros at the end of words.
func newScaled(words []uint64, exponent int) scaled {
	first := trailingZeros(words)
	length := (bitLength(words) - first + 63) / 64
	if length <= 0 {
		return scaled{new(big.Int), 0}
	}
	var buffer [8 * squareWords]byte
	digits := buffer[:8*length]
	for i := range length {
		binary.BigEndian.PutUint64(digits[8*(length-1-i):], bitsAt(words, first+64*i))
	}
	return scaled{new(big.Int).SetBytes(digits), exponent + first}
}

// times, squared and minus use a up.
func (a scaled) times(n int64) scaled {
	return scaled{a.integer.Mul(a.integer, big.NewInt(n)), a.exponent}
}

func (a scaled) squared() scaled {
	return scaled{a.integer.Mul(a.integer, a.integer), 2 * a.exponent}
}

func (a scaled) minus(b scaled) scaled {
	exponent := min(a.exponent, b.exponent)
	a.integer.Lsh(a.integer, uint(a.exponent-exponent))
	b.integer.Lsh(b.integer, uint(b.exponent-exponent))
	return scaled{a.integer.Sub(a.integer, b.integer), exponent}
}

// quotientBits is how many bits of a quotient or root are computed at least. Those
// that follow are one bit more, which is set unless all of them are 0: it lies below
// the half of the last place of any Float64, and so decides as they would.
const quotientBits = 64

// dividedBy returns a/n rounded once. It uses a up. A negative a, which no rows
// make, is NaN.
func (a scaled) dividedBy(n *big.Int) float64 {
	switch a.integer.Sign() {
	case 0:
		return 0
	case -1:
		return canonicalNaN
	}
	up := max(0, quotientBits+n.BitLen()-a.integer.BitLen())
	rest := new(big.Int)
	a.integer.QuoRem(a.integer.Lsh(a.integer, uint(up)), n, rest)
	a.exponent -= up
	return a.nearest(rest.Sign() != 0)
}

// rootOfQuotient returns the square root of a/n, rounded once. It uses a up. Of a
// negative a it is NaN.
func (a scaled) rootOfQuotient(n *big.Int) float64 {
	switch a.integer.Sign() {
	case 0:
		return 0
	case -1:
		return canonicalNaN
	}
	up := max(0, 2*quotientBits+n.BitLen()-a.integer.BitLen())
	if (a.exponent-up)%2 != 0 {
		up++ // the root halves the exponent
	}
	rest := new(big.Int)
	quotient, _ := a.integer.QuoRem(a.integer.Lsh(a.integer, uint(up)), n, rest)
	root := new(big.Int).Sqrt(quotient)
	more := rest.Sign() != 0 || new(big.Int).Mul(root, root).Cmp(quotient) != 0
	return scaled{root, (a.exponent - up) / 2}.nearest(more)
}

// nearest returns the Float64 nearest to a, of two the even one; an infinity when a
// is out of range. more says that the number is a little greater than a.
func (a scaled) nearest(more bool) float64 {
	a.integer.Lsh(a.integer, 1)
	if more {
		a.integer.SetBit(a.integer, 0, 1)
	}
	var mantissa big.Float // as precise as the integer
	x, _ := new(big.Float).SetMantExp(mantissa.SetInt(a.integer), a.exponent-1).Float64()
	return x
}

func (p *int64Sums) exact(group int) (sum scaled, ok bool) {
	v := p.of[group].sum
	words := []uint64{v.lo, uint64(v.hi)}
	if v.hi < 0 {
		negate(words)
	}
	return newScaled(words, 0), true
}

func (p *int64Squares) exact(group int) (sum scaled, ok bool) {
	return newScaled(p.of[group].sum[:], 0), true
}

func (p *float64Sums) exact(group int) (sum scaled, ok bool) {
	t := p.total(group)
	if t.finite.isNegative() {
		t.finite.negate()
	}
	return newScaled(t.finite[:], unit), !t.hasSpecials()
}

func (p *float64Squares) exact(group int) (sum scaled, ok bool) {
	t := p.total(group)
	return newScaled(t.finite[:], squareUnit), !t.hasSpecials()
}
