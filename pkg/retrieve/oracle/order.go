package oracle

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// compare orders rows of one entity and time by their columns, one after the other.
func (d Definition) compare(a, b Event) int {
	for _, column := range d.Columns {
		if c := compare(a.Values[column], b.Values[column]); c != 0 {
			return c
		}
	}
	return 0
}

// byKey parts events by their secondary keys, which it returns in order.
func (d Definition) byKey(events []Event) (keys []any, by map[any][]Event) {
	by = map[any][]Event{}
	for _, e := range events {
		key := e.Values[d.SecondaryKey]
		if _, ok := by[key]; !ok {
			keys = append(keys, key)
		}
		by[key] = append(by[key], e)
	}
	slices.SortFunc(keys, compare)
	return keys, by
}

// compare orders values of one type: null first, false before true, numbers by size
// with -0 before 0 and NaN last, texts by bytes, arrays by their first difference and
// then by length.
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
		return slices.CompareFunc(a, b.([]any), compare)
	}
	panic(fmt.Sprintf("no order of %T", a)) //nolint:forbidigo // the test is wrong
}

func compareNumbers(a, b float64) int {
	if math.IsNaN(a) || math.IsNaN(b) {
		return rank(math.IsNaN(a)) - rank(math.IsNaN(b))
	}
	return cmp.Or(cmp.Compare(a, b), rank(math.Signbit(b))-rank(math.Signbit(a)))
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}
