package feature

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// TimeWindow says which time an aggregation is over, before the leading edge E.
// It is one of
//
//   - a window of WindowSize that ends at E + Offset: [E+Offset-WindowSize, E+Offset);
//   - the lifetime: from the view's lifetime_start_time to E;
//   - a series of windows of WindowSize, the first from E+SeriesStart on and each
//     next one StepSize later, as long as they end at E+SeriesEnd or before. Its
//     feature is an array, earliest window first.
//
// In YAML and JSON a window without an offset may be its size alone, "7d", and
// the lifetime is "lifetime". All lengths are multiples of the aggregation interval.
type TimeWindow struct {
	WindowSize  Duration `json:"window_size,omitempty"`
	Offset      Offset   `json:"offset,omitempty"` // zero or negative
	SeriesStart Offset   `json:"series_start,omitempty"`
	SeriesEnd   Offset   `json:"series_end,omitempty"`
	StepSize    Duration `json:"step_size,omitempty"` // of a series; zero means WindowSize
	Lifetime    bool     `json:"lifetime,omitempty"`
}

// maxSeries bounds the windows of a series.
const maxSeries = 1000

// Trailing returns the window of a size that ends at the leading edge.
func Trailing(size Duration) TimeWindow { return TimeWindow{WindowSize: size} }

// Lifetime is the window from lifetime_start_time to the leading edge.
var Lifetime = TimeWindow{Lifetime: true} //nolint:gochecknoglobals // a constant, which Go has none of for structs

// IsSeries reports whether the feature is an array with a value for each window.
func (w TimeWindow) IsSeries() bool { return w.SeriesStart != 0 || w.SeriesEnd != 0 || w.StepSize != 0 }

// step returns the distance of the windows of a series.
func (w TimeWindow) step() time.Duration {
	if w.StepSize == 0 {
		return time.Duration(w.WindowSize)
	}
	return time.Duration(w.StepSize)
}

// Intervals returns the windows before the edge, earliest first: one, or those of
// a series. lifetimeStart is the view's lifetime_start_time.
func (w TimeWindow) Intervals(edge, lifetimeStart window.Time) []window.Interval {
	size := time.Duration(w.WindowSize)
	switch {
	case w.Lifetime:
		return []window.Interval{{Start: min(lifetimeStart, edge), End: edge}}
	case !w.IsSeries():
		end := edge.Add(time.Duration(w.Offset))
		return []window.Interval{{Start: end.Add(-size), End: end}}
	}
	var out []window.Interval
	for k := range w.seriesLen() {
		start := edge.Add(time.Duration(w.SeriesStart)).Add(time.Duration(k) * w.step())
		out = append(out, window.Interval{Start: start, End: start.Add(size)})
	}
	return out
}

// seriesLen returns the number of windows of a series; 0 if it is no valid one.
func (w TimeWindow) seriesLen() int {
	room := time.Duration(w.SeriesEnd) - time.Duration(w.SeriesStart) - time.Duration(w.WindowSize)
	if room < 0 || w.step() <= 0 {
		return 0
	}
	return int(room/w.step()) + 1
}

// reach returns how long before the edge the earliest window starts. The lifetime
// has no reach.
func (w TimeWindow) reach() time.Duration {
	if w.IsSeries() {
		return -time.Duration(w.SeriesStart)
	}
	return time.Duration(w.WindowSize) - time.Duration(w.Offset)
}

// span returns how much time lies between the start and the end of its windows.
func (w TimeWindow) span() time.Duration {
	if w.IsSeries() {
		return time.Duration(w.SeriesEnd) - time.Duration(w.SeriesStart)
	}
	return time.Duration(w.WindowSize)
}

// names returns what default feature names contain: the size, and what follows the
// aggregation interval.
func (w TimeWindow) names() (size, suffix string) {
	switch {
	case w.Lifetime:
		return "lifetime", ""
	case w.IsSeries():
		return w.WindowSize.String(), fmt.Sprintf("_series_%s_%s_%s", Duration(-w.SeriesStart), Duration(-w.SeriesEnd), Duration(w.step()))
	case w.Offset != 0:
		return w.WindowSize.String(), fmt.Sprintf("_offset_%s", Duration(-w.Offset))
	}
	return w.WindowSize.String(), ""
}

// String renders w for messages.
func (w TimeWindow) String() string {
	size, suffix := w.names()
	return size + suffix
}

// check says what is wrong with the window over tiles of an interval; nil: nothing.
func (w TimeWindow) check(interval Duration) error {
	if w.Lifetime {
		if w != Lifetime {
			return errors.New("lifetime has no size, offset or series")
		}
		return nil
	}
	for _, part := range []struct {
		name   string
		length time.Duration
	}{
		{"window_size", time.Duration(w.WindowSize)}, {"step_size", time.Duration(w.StepSize)}, {"offset", -time.Duration(w.Offset)},
		{"series_start", -time.Duration(w.SeriesStart)}, {"series_end", -time.Duration(w.SeriesEnd)},
	} {
		if part.length < 0 || part.length%time.Duration(interval) != 0 {
			return fmt.Errorf("%s %s is not a multiple of the aggregation interval %s", part.name, Duration(part.length), interval)
		}
		if part.length > maxDuration { // so that two of them can be added
			return fmt.Errorf("%s %s is longer than %s", part.name, Duration(part.length), Duration(maxDuration))
		}
	}
	switch {
	case w.WindowSize == 0:
		return errors.New("is required, for instance 7d")
	case w.reach() > maxDuration:
		return fmt.Errorf("%s starts %s before its edge, at most %s are allowed", w, Duration(w.reach()), Duration(maxDuration))
	case !w.IsSeries():
		return nil
	case w.Offset != 0:
		return errors.New("a series has no offset: move series_start and series_end")
	case w.seriesLen() < 2:
		return fmt.Errorf("the series from %s to %s has fewer than two windows of %s", w.SeriesStart, w.SeriesEnd, w.WindowSize)
	case w.seriesLen() > maxSeries:
		return fmt.Errorf("the series has %d windows, at most %d are allowed", w.seriesLen(), maxSeries)
	}
	return nil
}

// UnmarshalText takes the size of a window that ends at the leading edge, or "lifetime".
func (w *TimeWindow) UnmarshalText(text []byte) error {
	if string(text) == "lifetime" {
		*w = Lifetime
		return nil
	}
	var size Duration
	if err := size.UnmarshalText(text); err != nil {
		return fmt.Errorf("time window: %w, nor lifetime", err)
	}
	*w = Trailing(size)
	return nil
}

// MarshalJSON writes the short form where there is one.
func (w TimeWindow) MarshalJSON() ([]byte, error) {
	type plain TimeWindow // without MarshalJSON
	switch w {
	case Lifetime:
		return json.Marshal("lifetime")
	case Trailing(w.WindowSize):
		return json.Marshal(w.WindowSize)
	}
	return json.Marshal(plain(w))
}

// UnmarshalJSON takes the short form or an object.
func (w *TimeWindow) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return w.UnmarshalText([]byte(text))
	}
	type plain TimeWindow
	return json.Unmarshal(data, (*plain)(w))
}
