package window

import (
	"fmt"
	"slices"
	"time"
)

// Interval is the half-open span [Start, End). It is empty when End <= Start.
type Interval struct {
	Start Time `json:"start"`
	End   Time `json:"end"`
}

// Between returns the time from start until before end; nil: there is no bound.
func Between(start, end *Time) Interval {
	out := Interval{Start: MinTime, End: MaxTime}
	if start != nil {
		out.Start = *start
	}
	if end != nil {
		out.End = *end
	}
	return out
}

// Empty reports whether no instant lies in i.
func (i Interval) Empty() bool { return i.End <= i.Start }

// Contains reports whether t lies in i.
func (i Interval) Contains(t Time) bool { return i.Start <= t && t < i.End }

// Covers reports whether every instant of other lies in i.
func (i Interval) Covers(other Interval) bool {
	return other.Empty() || i.Start <= other.Start && other.End <= i.End
}

// Overlaps reports whether the two share an instant.
func (i Interval) Overlaps(other Interval) bool { return !i.Intersect(other).Empty() }

// Intersect returns the instants that both hold; it may be empty.
func (i Interval) Intersect(other Interval) Interval {
	return Interval{max(i.Start, other.Start), min(i.End, other.End)}
}

// Aligned reports whether both ends are multiples of step.
func (i Interval) Aligned(step time.Duration) bool {
	return i.Start.Aligned(step) && i.End.Aligned(step)
}

// Count returns how many steps fit into i, rounded down.
func (i Interval) Count(step time.Duration) int {
	if i.Empty() {
		return 0
	}
	return int(int64(i.End-i.Start) / stepMicros(step))
}

// Widen returns the smallest interval aligned to step that covers i.
func (i Interval) Widen(step time.Duration) Interval {
	return Interval{i.Start.Floor(step), i.End.Ceil(step)}
}

// Split returns the consecutive intervals of length step that make up i, which
// must be aligned to step.
func (i Interval) Split(step time.Duration) []Interval {
	if !i.Aligned(step) {
		panic(fmt.Sprintf("window: %v is not aligned to %v", i, step)) //nolint:forbidigo // the caller is wrong
	}
	out := make([]Interval, 0, i.Count(step))
	for start := i.Start; start < i.End; start = start.Add(step) {
		out = append(out, Interval{start, start.Add(step)})
	}
	return out
}

// String renders i as [start, end).
func (i Interval) String() string { return fmt.Sprintf("[%v, %v)", i.Start, i.End) }

// Set is a set of instants: disjoint, non-empty intervals in ascending order,
// none touching the next. The zero value is the empty set. Methods return new
// sets and never change their receiver.
type Set []Interval

// NewSet returns the union of the given intervals.
func NewSet(intervals ...Interval) Set {
	sorted := slices.DeleteFunc(slices.Clone(intervals), Interval.Empty)
	slices.SortFunc(sorted, func(a, b Interval) int {
		if a.Start != b.Start {
			return int(min(1, max(-1, a.Start-b.Start)))
		}
		return int(min(1, max(-1, a.End-b.End)))
	})
	var out Set
	for _, i := range sorted {
		if n := len(out); n > 0 && i.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, i.End)
			continue
		}
		out = append(out, i)
	}
	return out
}

// Union returns the instants in s or in other.
func (s Set) Union(other Set) Set { return NewSet(append(slices.Clone(s), other...)...) }

// Subtract returns the instants of s that are not in other.
func (s Set) Subtract(other Set) Set {
	var out Set
	for _, i := range s {
		for _, o := range other {
			if o.End <= i.Start {
				continue
			}
			if i.End <= o.Start {
				break
			}
			if i.Start < o.Start {
				out = append(out, Interval{i.Start, o.Start})
			}
			i.Start = o.End
		}
		if !i.Empty() {
			out = append(out, i)
		}
	}
	return out
}

// Widen returns the union of the intervals of s, each widened to step.
func (s Set) Widen(step time.Duration) Set {
	wide := make([]Interval, len(s))
	for n, i := range s {
		wide[n] = i.Widen(step)
	}
	return NewSet(wide...)
}

// Intersect returns the instants that are in both.
func (s Set) Intersect(other Set) Set { return s.Subtract(s.Subtract(other)) }

// Covers reports whether every instant of i is in s.
func (s Set) Covers(i Interval) bool {
	return i.Empty() || slices.ContainsFunc(s, func(o Interval) bool { return o.Covers(i) })
}

// Overlaps reports whether s holds an instant of i.
func (s Set) Overlaps(i Interval) bool { return slices.ContainsFunc(s, i.Overlaps) }

// Latest returns the latest n windows of length step in s, whose intervals are
// aligned to step.
func (s Set) Latest(step time.Duration, n int) Set {
	var out []Interval
	for _, i := range slices.Backward(s) {
		if n <= 0 {
			break
		}
		i.Start = max(i.Start, i.End.Add(-time.Duration(min(n, i.Count(step)))*step))
		out = append(out, i)
		n -= i.Count(step)
	}
	return NewSet(out...)
}

// Count returns how many windows of length step s holds.
func (s Set) Count(step time.Duration) int {
	n := 0
	for _, i := range s {
		n += i.Count(step)
	}
	return n
}

// Watermark returns the latest multiple of step E such that s holds all of
// [start(E), E), and of the step before E. The second result is false when there is
// none. start must not fall while its argument rises.
func (s Set) Watermark(step time.Duration, start func(edge Time) Time) (Time, bool) {
	for _, i := range slices.Backward(s) {
		edge := i.End.Floor(step)
		if min(start(edge), edge.Add(-step)) >= i.Start {
			return edge, true
		}
	}
	return 0, false
}
