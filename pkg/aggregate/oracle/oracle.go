// Package oracle computes aggregation functions the slow and obvious way, over
// all events at once, for tests to compare the product with. It imports nothing of
// the product: apart from the hash that a sketch is defined by, only the standard
// library. It keeps no partial states, so there is nothing to merge wrongly.
//
// A value that no case foresees is a mistake in the test and panics.
package oracle

import (
	"fmt"
	"math/big"
)

// Function is an aggregation function with all its parameters.
type Function struct {
	Name      string
	N         int     // of first, last and their kin; 0: last alone
	P         float64 // of approx_percentile
	Precision int     // of approx_count_distinct and approx_percentile, without a default
}

// Event is one row. Value is nil for null, or a bool, int32, int64, float32,
// float64, string or []any of these; the values of all events have one type.
type Event struct {
	Time  int64
	Value any
}

// Finish returns the result of f over events, in whichever order they are: nil
// for null, or a value as an Event has it. NaN has any bits, zero is never -0.
func Finish(f Function, events []Event) any {
	if len(events) == 0 {
		return nil
	}
	var kept []Event
	for _, e := range events {
		if e.Value != nil {
			kept = append(kept, Event{e.Time, canonical(e.Value)})
		}
	}
	if f.Name == "count" {
		return int64(len(kept))
	}
	if len(kept) == 0 {
		return nil
	}
	switch f.Name {
	case "sum":
		return sum(kept)
	case "mean":
		return divide(kept, big.NewInt(int64(len(kept))))
	case "var_pop", "var_samp", "stddev_pop", "stddev_samp":
		return variance(f.Name, kept)
	case "min":
		return extreme(kept, -1)
	case "max":
		return extreme(kept, 1)
	case "last", "first", "last_distinct", "first_distinct":
		return list(f, kept)
	case "approx_count_distinct":
		return countDistinct(f.Precision, kept)
	case "approx_percentile":
		return percentile(f, kept)
	}
	panic(fmt.Sprintf("no function %q", f.Name)) //nolint:forbidigo // the test is wrong
}

// extreme returns the value that compares as sign to all others.
func extreme(kept []Event, sign int) any {
	best := kept[0].Value
	for _, e := range kept {
		if compare(e.Value, best) == sign {
			best = e.Value
		}
	}
	return best
}
