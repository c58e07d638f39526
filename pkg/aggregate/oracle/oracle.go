// Package oracle computes aggregation functions the slow and obvious way, over
// all rows at once, for tests to compare the product with. It shares no code with
// it and imports the standard library only.
//
// Rows are a slice of values and a slice that says which of them are null. Each
// function returns ok = false for a null result; all are null over no rows at all,
// which callers tell apart themselves.
package oracle

import (
	"math"
	"math/big"
)

// NotNull returns the values that are not null.
func NotNull[T any](values []T, null []bool) []T {
	var kept []T
	for i, v := range values {
		if !null[i] {
			kept = append(kept, v)
		}
	}
	return kept
}

// SumInt64 returns the sum, null when it does not fit.
func SumInt64(values []int64, null []bool) (sum int64, ok bool) {
	kept := NotNull(values, null)
	total := new(big.Int)
	for _, v := range kept {
		total.Add(total, big.NewInt(v))
	}
	return total.Int64(), len(kept) > 0 && total.IsInt64()
}

// MeanInt64 returns the exact mean, rounded to nearest even.
func MeanInt64(values []int64, null []bool) (mean float64, ok bool) {
	kept := NotNull(values, null)
	if len(kept) == 0 {
		return 0, false
	}
	total := new(big.Rat)
	for _, v := range kept {
		total.Add(total, new(big.Rat).SetInt64(v))
	}
	return divide(total, len(kept)), true
}

// SumFloat64 returns the exact sum, rounded to nearest even, zero as +0.
func SumFloat64(values []float64, null []bool) (sum float64, ok bool) {
	kept := NotNull(values, null)
	return meanOf(kept, 1), len(kept) > 0
}

// MeanFloat64 returns the exact mean, rounded to nearest even, zero as +0.
func MeanFloat64(values []float64, null []bool) (mean float64, ok bool) {
	kept := NotNull(values, null)
	if len(kept) == 0 {
		return 0, false
	}
	return meanOf(kept, len(kept)), true
}

func meanOf(values []float64, n int) float64 {
	total := new(big.Rat)
	special := 0.0
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			special += v // Inf-Inf is NaN
			continue
		}
		total.Add(total, new(big.Rat).SetFloat64(v))
	}
	if special != 0 {
		return special
	}
	return divide(total, n)
}

func divide(total *big.Rat, n int) float64 {
	mean, _ := new(big.Rat).Quo(total, big.NewRat(int64(n), 1)).Float64()
	if mean == 0 {
		return 0
	}
	return mean
}

// Least returns the value that less puts before all others.
func Least[T any](values []T, null []bool, less func(a, b T) bool) (least T, ok bool) {
	for _, v := range NotNull(values, null) {
		if !ok || less(v, least) {
			least, ok = v, true
		}
	}
	return least, ok
}

// Greatest returns the value that less puts after all others.
func Greatest[T any](values []T, null []bool, less func(a, b T) bool) (greatest T, ok bool) {
	return Least(values, null, func(a, b T) bool { return less(b, a) })
}

// LessFloat64 orders numbers, with NaN above all.
func LessFloat64(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return !math.IsNaN(a) && math.IsNaN(b)
	}
	return a < b
}
