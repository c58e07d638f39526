package oracle

// For tests whose rows are columns: a slice of values, and one that says which of
// them are null. ok is false for a null result.

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
	sum, ok = finish("sum", values, null).(int64)
	return sum, ok
}

// SumFloat64 returns the exact sum, rounded to nearest even, zero as +0.
func SumFloat64(values []float64, null []bool) (sum float64, ok bool) {
	sum, ok = finish("sum", values, null).(float64)
	return sum, ok
}

// MeanFloat64 returns the exact mean, rounded to nearest even, zero as +0.
func MeanFloat64(values []float64, null []bool) (mean float64, ok bool) {
	mean, ok = finish("mean", values, null).(float64)
	return mean, ok
}

func finish[T any](name string, values []T, null []bool) any {
	var events []Event
	for _, v := range NotNull(values, null) {
		events = append(events, Event{Value: v})
	}
	return Finish(Function{Name: name}, events)
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
func LessFloat64(a, b float64) bool { return compareNumbers(a, b) < 0 }
