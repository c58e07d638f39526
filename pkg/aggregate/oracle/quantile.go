package oracle

import (
	"math"
	"math/big"
	"slices"
)

const (
	maxExactValues = 256
	maxBins        = 2048 // of each sign

	smallestNormal = 0x1p-1022
)

// percentile returns the element of rank floor(P·(n-1)); of more than
// maxExactValues that of a DDSketch with a relative accuracy of 1/Precision.
func percentile(f Function, kept []Event) float64 {
	values := make([]float64, len(kept))
	for i, e := range kept {
		values[i] = float(e.Value)
	}
	if len(values) > maxExactValues {
		values = sketched(f.Precision, values)
	}
	slices.SortFunc(values, compareNumbers)
	return values[int(math.Floor(f.P*float64(len(values)-1)))]
}

// sketched returns each value as the sketch knows it.
func sketched(precision int, values []float64) []float64 {
	var indexes [2][]int // of positive and of negative values
	for _, x := range values {
		if sign, index, ok := bin(precision, x); ok {
			indexes[sign] = append(indexes[sign], index)
		}
	}
	var lowest [2]int
	for sign := range indexes {
		if len(indexes[sign]) > 0 {
			lowest[sign] = slices.Max(indexes[sign]) - maxBins + 1
		}
	}
	out := make([]float64, len(values))
	for i, x := range values {
		sign, index, ok := bin(precision, x)
		switch {
		case ok:
			out[i] = math.Copysign(valueOf(precision, max(index, lowest[sign])), x)
		case math.Abs(x) < smallestNormal:
			out[i] = 0
		default:
			out[i] = x
		}
	}
	return out
}

// bin returns the least index with gamma^index >= |x|; not ok when x is
// counted by itself.
func bin(precision int, x float64) (sign, index int, ok bool) {
	magnitude := math.Abs(x)
	if !(magnitude >= smallestNormal) || math.IsInf(x, 0) {
		return 0, 0, false
	}
	exact := new(big.Float).SetPrec(digits).SetFloat64(magnitude)
	index = int(math.Ceil(math.Log(magnitude)/math.Log(float64(precision+1)/float64(precision-1)))) - 2
	for !reaches(power(precision, index), exact) {
		index++
	}
	return rank(x < 0), index, true
}

// digits is the precision in bits of powers of gamma; those that are a double
// times 1 ± 2^-tolerance are meant to be that double.
const (
	digits    = 300
	tolerance = 250
)

func reaches(power, x *big.Float) bool {
	short := new(big.Float).Sub(x, power)
	return short.Sign() <= 0 || short.Cmp(new(big.Float).SetMantExp(x, -tolerance)) <= 0
}

// valueOf returns 2·gamma^index/(gamma+1), but nothing infinite.
func valueOf(precision, index int) float64 {
	x := power(precision, index)
	x.Mul(x, big.NewFloat(float64(precision-1)))
	value, _ := x.Quo(x, big.NewFloat(float64(precision))).Float64()
	return min(value, math.MaxFloat64)
}

// power returns gamma^index, where gamma = (1+alpha)/(1-alpha) and alpha = 1/precision.
func power(precision, index int) *big.Float {
	number := func(n int) *big.Float { return new(big.Float).SetPrec(digits).SetInt64(int64(n)) }
	square := number(1).Quo(number(precision+1), number(precision-1))
	result := number(1)
	for n := max(index, -index); n > 0; n /= 2 {
		if n%2 == 1 {
			result.Mul(result, square)
		}
		square.Mul(square, square)
	}
	if index < 0 {
		return result.Quo(number(1), result)
	}
	return result
}
