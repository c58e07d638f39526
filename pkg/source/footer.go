package source

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"github.com/tilery/tilery/pkg/window"
)

// footer is what a Parquet file tells about its row groups.
type footer struct{ groups []rowGroup }

type rowGroup struct {
	rows, bytes int64
	times       window.Interval // all timestamps lie in it, which may be everything
}

type footerKey struct {
	path     string
	size     int64
	modified int64 // nanoseconds
	column   string
}

// maxCachedGroups bounds the memory of footers to some ten megabytes.
const maxCachedGroups = 100_000

func newFooterCache() *cache[footerKey, footer] {
	return newCache[footerKey](maxCachedGroups, func(f footer) int { return 1 + len(f.groups) })
}

// narrow sets c's estimates to the row groups that may have rows of i. It returns
// whether there are any.
func (l *Local) narrow(c *candidate, column string, i window.Interval) (bool, error) {
	f, err := l.footer(c, column)
	if err != nil {
		return false, err
	}
	if f.groups == nil {
		return true, nil
	}
	c.rows, c.bytes = 0, 0
	keep := false
	for _, g := range f.groups {
		if g.times.Overlaps(i) {
			keep = true
			c.rows += g.rows
			c.bytes += g.bytes
		}
	}
	return keep, nil
}

func (l *Local) footer(c *candidate, column string) (footer, error) {
	key := footerKey{c.Path, c.size, c.modified.UnixNano(), column}
	if f, ok := l.footers.get(key); ok {
		return f, nil
	}
	opened, err := os.Open(c.Path)
	if err != nil {
		return footer{}, err
	}
	defer opened.Close()
	f, err := readFooter(opened, column)
	if err != nil {
		f = footer{}
	}
	if info, err := os.Stat(c.Path); err != nil || info.Size() != c.size || !info.ModTime().Equal(c.modified) {
		return footer{}, fmt.Errorf("file %s was changed while it was read", c.Path)
	}
	l.footers.put(key, f)
	return f, nil
}

// readFooter returns the row groups of a Parquet file. A file that cannot be read
// is an error, also where the library panics about it.
func readFooter(opened parquet.ReaderAtSeeker, column string) (f footer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged footer: %v", r)
		}
	}()
	reader, err := file.NewParquetReader(opened)
	if err != nil {
		return footer{}, err
	}
	meta := reader.MetaData()
	at := meta.Schema.ColumnIndexByName(column)
	f.groups = make([]rowGroup, reader.NumRowGroups())
	for i := range f.groups {
		group := meta.RowGroup(i)
		f.groups[i] = rowGroup{rows: group.NumRows(), bytes: group.TotalCompressedSize(), times: anyTime}
		if f.groups[i].bytes == 0 { // older writers do not tell
			f.groups[i].bytes = group.TotalByteSize()
		}
		if at >= 0 {
			chunk, err := group.ColumnChunk(at)
			if err != nil {
				return footer{}, err
			}
			f.groups[i].times = timesOf(chunk, meta.Schema.Column(at))
		}
	}
	return f, nil
}

// anyTime holds all instants, also those that window.MaxTime excludes as an end.
var anyTime = window.Interval{Start: math.MinInt64, End: math.MaxInt64}

// timesOf returns an interval that holds the timestamps of a column chunk.
func timesOf(chunk *metadata.ColumnChunkMetaData, column *schema.Column) window.Interval {
	unit := unitOf(column)
	statistics, err := chunk.Statistics()
	if err != nil || statistics == nil || !statistics.HasMinMax() || unit == 0 {
		return anyTime
	}
	var low, high int64
	switch s := statistics.(type) {
	case *metadata.Int64Statistics:
		low, high = s.Min(), s.Max()
	case *metadata.Int32Statistics:
		low, high = int64(s.Min()), int64(s.Max())
	default:
		return anyTime
	}
	return window.Interval{Start: micros(low, unit), End: micros(high, unit) + 1}
}

// micros returns v times unit in microseconds, at most a hundred thousand years.
// Nanoseconds are cut off toward 1970, as engines do.
func micros(v int64, unit time.Duration) window.Time {
	if unit < time.Microsecond {
		return window.Time(v / 1000)
	}
	factor := int64(unit / time.Microsecond)
	const limit = math.MaxInt64 / 4
	return window.Time(min(max(v, -limit/factor), limit/factor) * factor)
}

// unitOf returns what one is in a column of instants; zero for other columns.
func unitOf(column *schema.Column) time.Duration {
	if t, ok := column.LogicalType().(*schema.TimestampLogicalType); ok {
		switch t.TimeUnit() {
		case schema.TimeUnitMillis:
			return time.Millisecond
		case schema.TimeUnitMicros:
			return time.Microsecond
		case schema.TimeUnitNanos:
			return time.Nanosecond
		}
	}
	switch column.ConvertedType() { // of older writers
	case schema.ConvertedTypes.TimestampMillis:
		return time.Millisecond
	case schema.ConvertedTypes.TimestampMicros:
		return time.Microsecond
	case schema.ConvertedTypes.Date:
		return 24 * time.Hour
	}
	return 0
}
