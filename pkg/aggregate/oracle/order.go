package oracle

import (
	"cmp"
	"fmt"
	"math"
)

// canonical returns v with +0 for -0, in arrays too.
func canonical(v any) any {
	switch v := v.(type) {
	case float32:
		return v + 0
	case float64:
		return v + 0
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = canonical(element)
		}
		return out
	}
	return v
}

// compare orders two values of one type, or nulls: -1, 0 or 1. Null is least,
// false is before true, NaN above +Inf, strings go by bytes, arrays by their first
// difference, and the shorter one is less when there is none.
func compare(a, b any) int {
	if a == nil || b == nil {
		return rank(a != nil) - rank(b != nil)
	}
	switch a := a.(type) {
	case bool:
		return rank(a) - rank(b.(bool))
	case int32:
		return cmp.Compare(a, b.(int32))
	case int64:
		return cmp.Compare(a, b.(int64))
	case float32:
		return compareNumbers(float64(a), float64(b.(float32)))
	case float64:
		return compareNumbers(a, b.(float64))
	case string:
		return cmp.Compare(a, b.(string))
	case []any:
		b := b.([]any)
		for i := range min(len(a), len(b)) {
			if c := compare(a[i], b[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(a), len(b))
	}
	panic(fmt.Sprintf("no order of %T", a)) //nolint:forbidigo // the test is wrong
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareNumbers is cmp.Compare with NaN at the other end.
func compareNumbers(a, b float64) int {
	if math.IsNaN(a) || math.IsNaN(b) {
		return rank(math.IsNaN(a)) - rank(math.IsNaN(b))
	}
	return cmp.Compare(a, b)
}

// compareEvents orders by time, then by value.
func compareEvents(a, b Event) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), compare(a.Value, b.Value))
}
