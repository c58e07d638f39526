// Package clock gives the product its one notion of "now".
//
// Window due times, leading edges, ttl and bounds on the future all ask a Clock;
// leases, retention, file ages and job records use real time, since they guard
// against other processes. With a clock that stands in 2001, data of 2001 is
// fresh: demonstrations and tests need no sleep and no made-up data.
package clock

import (
	"fmt"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// A Clock tells the time. Implementations are safe for concurrent use.
type Clock interface {
	// Now returns the current instant in UTC.
	Now() window.Time
}

// System is the machine's clock.
type System struct{}

// Now implements Clock.
func (System) Now() window.Time { return window.FromTime(time.Now()) }

// Fixed always tells the same instant.
type Fixed window.Time

// Now implements Clock.
func (f Fixed) Now() window.Time { return window.Time(f) }

// Offset is the machine's clock moved by a constant.
type Offset time.Duration

// Now implements Clock.
func (o Offset) Now() window.Time { return System{}.Now().Add(time.Duration(o)) }

// Parse reads the configured clock:
//
//	""  or "system"              the machine's clock
//	"fixed:2001-02-01T00:00:00Z" always that instant
//	"from:2001-02-01T00:00:00Z"  that instant when Parse ran, moving on with the machine's clock
//	"offset:-24h"                the machine's clock moved by a Go duration
func Parse(text string) (Clock, error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "", "system":
		if rest == "" {
			return System{}, nil
		}
	case "fixed", "from":
		at, err := window.Parse(rest)
		if err != nil {
			return nil, fmt.Errorf("clock %q: %w", text, err)
		}
		if kind == "fixed" {
			return Fixed(at), nil
		}
		return Offset(at.Sub(System{}.Now())), nil
	case "offset":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return nil, fmt.Errorf("clock %q: %w", text, err)
		}
		return Offset(d), nil
	}
	return nil, fmt.Errorf("clock %q: want system, fixed:<time>, from:<time> or offset:<duration>", text)
}
