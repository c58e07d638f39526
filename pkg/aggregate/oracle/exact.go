package oracle

import (
	"fmt"
	"math"
	"math/big"
)

// unitBits is such that each Float64 is a whole number times 2^-unitBits.
const unitBits = 1074

// keptBits are the bits after the point to which quotients and roots are computed
// before they are rounded: far more than any Float64 has.
const keptBits = unitBits + 100

// sum returns an int64, nil when it does not fit, or a float64.
func sum(kept []Event) any {
	switch kept[0].Value.(type) {
	case int32, int64:
		total := new(big.Int)
		for _, e := range kept {
			total.Add(total, big.NewInt(integer(e.Value)))
		}
		if !total.IsInt64() {
			return nil
		}
		return total.Int64()
	}
	return divide(kept, big.NewInt(1))
}

// divide returns the sum of kept divided by n, rounded once.
func divide(kept []Event, n *big.Int) float64 {
	if special, ok := specialSum(kept); ok {
		return special
	}
	total := new(big.Int)
	for _, e := range kept {
		total.Add(total, scaled(e.Value))
	}
	return quotient(total, n, unitBits)
}

// variance returns a float64, or nil for a sample of one value, whatever it is.
func variance(name string, kept []Event) any {
	n := big.NewInt(int64(len(kept)))
	divisor := new(big.Int).Mul(n, n)
	if name == "var_samp" || name == "stddev_samp" {
		divisor.Sub(divisor, n)
	}
	if divisor.Sign() == 0 {
		return nil
	}
	if _, ok := specialSum(kept); ok {
		return math.NaN()
	}
	total, squares := new(big.Int), new(big.Int)
	for _, e := range kept {
		x := scaled(e.Value)
		total.Add(total, x)
		squares.Add(squares, new(big.Int).Mul(x, x))
	}
	numerator := new(big.Int).Mul(n, squares)
	numerator.Sub(numerator, total.Mul(total, total))
	if name == "stddev_pop" || name == "stddev_samp" {
		return root(numerator, divisor, 2*unitBits)
	}
	return quotient(numerator, divisor, 2*unitBits)
}

// specialSum returns the sum of values of which one at least is not finite.
func specialSum(kept []Event) (sum float64, ok bool) {
	for _, e := range kept {
		if x := float(e.Value); math.IsNaN(x) || math.IsInf(x, 0) {
			sum, ok = sum+x, true // Inf-Inf is NaN
		}
	}
	return sum, ok
}

// quotient returns a/b/2^shift, b > 0, rounded once to nearest even.
func quotient(a, b *big.Int, shift uint) float64 {
	whole, rest := new(big.Int).QuoRem(new(big.Int).Lsh(new(big.Int).Abs(a), keptBits), new(big.Int).Lsh(b, shift), new(big.Int))
	x := round(whole, rest.Sign() != 0)
	if a.Sign() < 0 && x != 0 {
		return -x
	}
	return x
}

// root returns the square root of a/b/2^shift, a >= 0 and b > 0, rounded once.
func root(a, b *big.Int, shift uint) float64 {
	whole, rest := new(big.Int).QuoRem(new(big.Int).Lsh(a, 2*keptBits), new(big.Int).Lsh(b, shift), new(big.Int))
	r := new(big.Int).Sqrt(whole)
	return round(r, rest.Sign() != 0 || new(big.Int).Mul(r, r).Cmp(whole) != 0)
}

// round returns whole·2^-keptBits rounded; more says that something was cut off,
// which matters only where half of the last place is left.
func round(whole *big.Int, more bool) float64 {
	sticky := new(big.Int).Lsh(whole, 1)
	if more {
		sticky.SetBit(sticky, 0, 1)
	}
	exact := new(big.Float).SetInt(sticky)
	x, _ := exact.SetMantExp(exact, -keptBits-1).Float64()
	return x
}

// scaled returns v·2^unitBits.
func scaled(v any) *big.Int {
	if _, ok := v.(int64); ok {
		return new(big.Int).Lsh(big.NewInt(v.(int64)), unitBits)
	}
	x := new(big.Float).SetFloat64(float(v))
	whole, _ := x.SetMantExp(x, unitBits).Int(nil)
	return whole
}

// float returns a number as the nearest float64.
func float(v any) float64 {
	switch v := v.(type) {
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case float32:
		return float64(v)
	case float64:
		return v
	}
	panic(fmt.Sprintf("%T is no number", v)) //nolint:forbidigo // the test is wrong
}

func integer(v any) int64 {
	if v, ok := v.(int32); ok {
		return int64(v)
	}
	return v.(int64)
}
