package source

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// partition is the stretch of time that the directories down to some level name:
// everything, a year, a month, a day or an hour.
type partition struct {
	start, end time.Time // both zero: everything
}

// with returns the part of p that a directory below it names.
func (p partition) with(datepart, value string) (partition, error) {
	if datepart == "date" {
		day, err := time.Parse(time.DateOnly, value)
		if err != nil {
			return partition{}, fmt.Errorf("%q is no date like 2006-01-02", value)
		}
		return partition{day, day.AddDate(0, 0, 1)}, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return partition{}, fmt.Errorf("%q is no %s", value, datepart)
	}
	var inner partition
	switch datepart {
	case "year":
		inner.start = time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC)
		inner.end = inner.start.AddDate(1, 0, 0)
	case "month":
		inner.start = p.start.AddDate(0, n-1, 0)
		inner.end = inner.start.AddDate(0, 1, 0)
	case "day":
		inner.start = p.start.AddDate(0, 0, n-1)
		inner.end = inner.start.AddDate(0, 0, 1)
	case "hour":
		inner.start = p.start.Add(time.Duration(n) * time.Hour)
		inner.end = inner.start.Add(time.Hour)
	default:
		return partition{}, fmt.Errorf("datepart %q is unknown", datepart)
	}
	if outside := p != (partition{}) && (inner.start.Before(p.start) || inner.end.After(p.end)); outside || n < 0 || n > 9999 {
		return partition{}, fmt.Errorf("there is no %s %q", datepart, value)
	}
	return inner, nil
}

func (p partition) interval() window.Interval {
	if p == (partition{}) {
		return window.Interval{Start: window.MinTime, End: window.MaxTime}
	}
	return window.Interval{Start: window.FromTime(p.start), End: window.FromTime(p.end)}
}
