package window

import (
	"fmt"
	"time"
)

// Partition is a calendar unit that files do not cross.
type Partition string

// The units; Name renders 2001-02-03, 2001-02 or 2001.
const (
	Day   Partition = "day"
	Month Partition = "month"
	Year  Partition = "year"
)

// maxPartitions is how many partitions a table is planned to have at most:
// readers list and plan by partition, and small ones make small files.
const maxPartitions = 400

// PartitionFor returns the smallest unit that divides span into at most 400 partitions.
func PartitionFor(span Interval) Partition {
	const day = 24 * time.Hour
	switch days := span.End.Sub(span.Start) / day; {
	case days <= maxPartitions:
		return Day
	case days/28 <= maxPartitions:
		return Month
	default:
		return Year
	}
}

// Interval returns the partition that holds t.
func (p Partition) Interval(t Time) Interval {
	y, m, d := t.Time().Date()
	var start, end time.Time
	switch p {
	case Day:
		start = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		end = start.AddDate(0, 0, 1)
	case Month:
		start = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
		end = start.AddDate(0, 1, 0)
	case Year:
		start = time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
		end = start.AddDate(1, 0, 0)
	default:
		panic(fmt.Sprintf("window: unknown partition %q", string(p))) //nolint:forbidigo // the caller is wrong
	}
	return Interval{FromTime(start), FromTime(end)}
}

// Name returns the value of the partition column for t.
func (p Partition) Name(t Time) string {
	return t.Time().Format(map[Partition]string{Day: "2006-01-02", Month: "2006-01", Year: "2006"}[p])
}
