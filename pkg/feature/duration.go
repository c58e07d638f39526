package feature

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time. Its text form is Tecton's, which default
// feature names contain: days, hours, minutes and seconds without zero parts,
// for instance "7d", "1h30m" and "0s". The text form holds whole seconds from
// zero to 36500 days.
type Duration time.Duration

const day = 24 * time.Hour

// maxDuration bounds what definitions may say; longer spans are lifetime windows.
const maxDuration = 36500 * day

// String renders any d: what the text form does not hold as a minus sign and a
// fraction of seconds.
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest == 0 {
		return "0s"
	}
	var b strings.Builder
	if rest < 0 {
		b.WriteByte('-')
		rest = -rest
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := rest / unit.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			rest -= n * unit.length
		}
	}
	if rest > 0 {
		b.WriteString(strconv.FormatFloat(rest.Seconds(), 'f', -1, 64) + "s")
	}
	return b.String()
}

// MarshalText implements encoding.TextMarshaler. It refuses what UnmarshalText
// could not read.
func (d Duration) MarshalText() ([]byte, error) {
	if !d.writable() {
		return nil, fmt.Errorf("duration %s is not a whole number of seconds from 0s to %s", d, Duration(maxDuration))
	}
	return []byte(d.String()), nil
}

func (d Duration) writable() bool {
	return d >= 0 && time.Duration(d) <= maxDuration && time.Duration(d)%time.Second == 0
}

var durationForm = regexp.MustCompile(`^(?:(\d{1,6})d)?(?:(\d{1,7})h)?(?:(\d{1,9})m)?(?:(\d{1,10})s)?$`)

// UnmarshalText implements encoding.TextUnmarshaler: whole days, hours, minutes
// and seconds in that order, each at most once; 36500 days in all at most.
func (d *Duration) UnmarshalText(text []byte) error {
	parts := durationForm.FindStringSubmatch(string(text))
	if len(text) == 0 || parts == nil {
		return fmt.Errorf("duration %q is not of the form 7d, 1h30m or 90s", text)
	}
	var total time.Duration
	for i, unit := range []time.Duration{day, time.Hour, time.Minute, time.Second} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil || time.Duration(n) > (maxDuration-total)/unit {
			return fmt.Errorf("duration %q is longer than %s", text, Duration(maxDuration))
		}
		total += time.Duration(n) * unit
	}
	*d = Duration(total)
	return nil
}
