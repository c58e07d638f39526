package window

import (
	"fmt"
	"time"
)

// Time is an instant in microseconds since the Unix epoch, UTC. Its text form
// is RFC 3339 with up to six fractional digits, as in JSON and in the Delta log.
type Time int64

// Bounds of the instants that Tilery accepts: years 1 to 9999, which is what
// RFC 3339, Parquet and every online store can hold.
var (
	MinTime = FromTime(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	MaxTime = FromTime(time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))
)

// FromTime truncates t to microseconds, toward the past.
func FromTime(t time.Time) Time {
	return Time(t.Unix()*1e6 + int64(t.Nanosecond())/1e3)
}

// Time returns t as a time.Time in UTC.
func (t Time) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Add returns t moved by d, truncated to microseconds.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Microseconds()) }

// Sub returns t - u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

// Floor returns the latest multiple of step (counted from the Unix epoch) that
// is not after t; times before 1970 round toward the past as well.
func (t Time) Floor(step time.Duration) Time {
	s := stepMicros(step)
	r := int64(t) % s
	if r < 0 {
		r += s
	}
	return t - Time(r)
}

// Ceil returns the earliest multiple of step that is not before t.
func (t Time) Ceil(step time.Duration) Time {
	f := t.Floor(step)
	if f == t {
		return t
	}
	return f.Add(step)
}

// Aligned reports whether t is a multiple of step.
func (t Time) Aligned(step time.Duration) bool { return t.Floor(step) == t }

// String renders t as RFC 3339 in UTC.
func (t Time) String() string { return t.Time().Format(time.RFC3339Nano) }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see Parse.
func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// layouts are the spellings that Parse accepts. A time without a zone is UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"}

// Parse reads an instant. It accepts RFC 3339, and the same without a zone
// (which is UTC), without a time of day (midnight), or with a blank for the T.
func Parse(text string) (Time, error) {
	for _, layout := range layouts {
		parsed, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		t := FromTime(parsed)
		if t < MinTime || t > MaxTime {
			return 0, fmt.Errorf("time %q lies outside years 1 to 9999", text)
		}
		return t, nil
	}
	return 0, fmt.Errorf("time %q is not RFC 3339, for instance 2001-02-03T04:05:06Z or 2001-02-03", text)
}

func stepMicros(step time.Duration) int64 {
	s := step.Microseconds()
	if s <= 0 {
		panic(fmt.Sprintf("window: step %v is not positive", step)) //nolint:forbidigo // definitions are validated before they come here
	}
	return s
}
