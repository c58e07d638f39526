package delta

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// maxStatsText bounds strings in statistics, in bytes; longer ones are left out.
const maxStatsText = 64

// stats gathers Delta's statistics of a file, by which readers skip it: bounds of
// the keys, the time and integer columns. Floats have no bounds, since readers
// disagree about NaN and -0, and lists have no statistics.
type stats struct {
	rows    int64
	time    int // index of the time column
	columns []columnStats
}

type columnStats struct {
	name  string
	kind  statsKind
	nulls int64
	seen  bool // whether the bounds are set
	low   int64
	high  int64
	first string
	last  string
}

type statsKind int

const (
	statsNone statsKind = iota // neither bounds nor nulls: nested columns
	statsNulls
	statsInteger
	statsTime
	statsText
)

func newStats(spec offline.Spec) *stats {
	s := &stats{time: len(spec.Keys)}
	for i, field := range spec.Schema.Fields() {
		c := columnStats{name: field.Name, kind: statsNulls}
		switch field.Type.ID() {
		case arrow.INT32, arrow.INT64:
			c.kind = statsInteger
		case arrow.TIMESTAMP:
			if i == s.time {
				c.kind = statsTime
			}
		case arrow.STRING:
			if i < s.time {
				c.kind = statsText
			}
		case arrow.LIST:
			c.kind = statsNone
		}
		s.columns = append(s.columns, c)
	}
	return s
}

// add takes the rows of rec, of which there is at least one.
func (s *stats) add(rec arrow.Record) {
	s.rows += rec.NumRows()
	for i := range s.columns {
		s.columns[i].add(rec.Column(i))
	}
}

func (c *columnStats) add(column arrow.Array) {
	c.nulls += int64(column.NullN())
	switch column := column.(type) {
	case *array.Int32:
		addNumbers(c, column, column.Int32Values())
	case *array.Int64:
		addNumbers(c, column, column.Int64Values())
	case *array.Timestamp:
		if c.kind == statsTime {
			addNumbers(c, column, column.TimestampValues())
		}
	case *array.String:
		if c.kind == statsText {
			c.addTexts(column)
		}
	}
}

func addNumbers[T int32 | int64 | arrow.Timestamp](c *columnStats, column arrow.Array, values []T) {
	nulls := column.NullN() > 0
	for row, number := range values {
		if nulls && column.IsNull(row) {
			continue
		}
		c.addNumber(int64(number))
	}
}

func (c *columnStats) addNumber(v int64) {
	if !c.seen {
		c.seen, c.low, c.high = true, v, v
	}
	c.low, c.high = min(c.low, v), max(c.high, v)
}

func (c *columnStats) addTextBounds(first, last string) {
	if !c.seen {
		c.seen, c.first, c.last = true, first, last
	}
	c.first, c.last = min(c.first, first), max(c.last, last)
}

func (c *columnStats) addTexts(column *array.String) {
	nulls := column.NullN() > 0
	for row := range column.Len() {
		if nulls && column.IsNull(row) {
			continue
		}
		v := column.Value(row)
		c.addTextBounds(v, v)
	}
	// The column's memory is not ours to keep.
	c.first, c.last = strings.Clone(c.first), strings.Clone(c.last)
}

func (s *stats) minTime() window.Time { return window.Time(s.columns[s.time].low) }
func (s *stats) maxTime() window.Time { return window.Time(s.columns[s.time].high) }

// encode returns Delta's JSON text.
func (s *stats) encode() (string, error) {
	doc := struct {
		Rows  int64            `json:"numRecords"`
		Min   map[string]any   `json:"minValues"`
		Max   map[string]any   `json:"maxValues"`
		Nulls map[string]int64 `json:"nullCount"`
	}{s.rows, map[string]any{}, map[string]any{}, map[string]int64{}}
	for _, c := range s.columns {
		if c.kind != statsNone {
			doc.Nulls[c.name] = c.nulls
		}
		if !c.seen {
			continue
		}
		switch c.kind {
		case statsInteger:
			doc.Min[c.name], doc.Max[c.name] = c.low, c.high
		case statsTime:
			// Delta's text has milliseconds. Bounds may only widen: a rounded maximum
			// below a row would hide it from readers.
			doc.Min[c.name] = statsTimeText(window.Time(c.low).Floor(time.Millisecond))
			doc.Max[c.name] = statsTimeText(window.Time(c.high).Ceil(time.Millisecond))
		case statsText:
			if statsTextFits(c.first) {
				doc.Min[c.name] = c.first
			}
			if statsTextFits(c.last) {
				doc.Max[c.name] = c.last
			}
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return "", fmt.Errorf("encode statistics: %w", err)
	}
	return string(text), nil
}

func statsTimeText(t window.Time) string { return t.Time().Format("2006-01-02T15:04:05.000Z") }

// statsTextFits reports whether s stays what it is in JSON, which replaces bytes
// that are not UTF-8.
func statsTextFits(s string) bool { return len(s) <= maxStatsText && utf8.ValidString(s) }
