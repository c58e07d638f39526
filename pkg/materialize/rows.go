package materialize

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

const (
	// chunkBytes is what a rowSorter asks memory for at a time.
	chunkBytes = 1 << 20
	// rowOverhead is what a row costs beside its bytes.
	rowOverhead = 40
	// recordBytes is about how much a record holds at most that goes to the offline writer.
	recordBytes = 16 << 20
)

// rowSorter holds the rows of one or more windows, and hands out those of a window
// sorted by key, time and canonical bytes: two builds of the same rows write the
// same files. Rows of one key and time are all kept.
type rowSorter struct {
	target   *Target
	span     window.Interval
	maxBytes int64

	rows   []sortedRow
	chunk  []byte // where the next row goes
	bytes  int64
	sorted bool

	columns []feature.Field // of the features
	row     []byte          // scratch
}

// sortedRow is a row as key, time and features, in bytes that sort as rows do.
type sortedRow struct {
	bytes  []byte
	key    int32 // length of the key
	window int32 // of the span, from 0 on
}

func newRowSorter(t *Target, maxBytes int64) *rowSorter {
	return &rowSorter{target: t, maxBytes: maxBytes, columns: t.Features}
}

// reset drops all rows for those of span.
func (s *rowSorter) reset(span window.Interval) error {
	clear(s.rows) // so that the chunks are freed
	s.span, s.rows, s.chunk, s.bytes, s.sorted = span, s.rows[:0], nil, 0, false
	return nil
}

// add takes the rows of a record whose columns are the join keys, the timestamp,
// and the features.
func (s *rowSorter) add(rec arrow.Record) error {
	keys := s.target.View.JoinKeys()
	columns := rec.Columns()
	encoder, err := newRowEncoder(keys, s.columns, columns)
	if err != nil {
		return fmt.Errorf("rows of %s: %w", s.target.View.Name, err)
	}
	for row := range encoder.times {
		at := encoder.time(row)
		if !s.span.Contains(at) {
			return fmt.Errorf("row %d at %v lies outside %v", row, at, s.span)
		}
		s.row = encoder.keys.Append(s.row[:0], row)
		key := len(s.row)
		if key > record.MaxKeyBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are allowed", record.ErrKey, key, record.MaxKeyBytes)
		}
		s.row = appendTime(s.row, at)
		values := len(s.row)
		s.row = encoder.values.Append(s.row, row)
		if n := len(s.row) - values; n > record.MaxRowBytes {
			return fmt.Errorf("%w: a row of %d bytes, at most %d are allowed", ErrTooLarge, n, record.MaxRowBytes)
		}
		if s.bytes += int64(len(s.row)) + rowOverhead; s.bytes > s.maxBytes {
			return fmt.Errorf("%w: its rows take more than %d bytes", ErrTooLarge, s.maxBytes)
		}
		s.rows = append(s.rows, sortedRow{s.keep(s.row), int32(key), s.windowOf(at)})
	}
	return nil
}

// keep copies data to memory that many rows share.
func (s *rowSorter) keep(data []byte) []byte {
	if len(s.chunk)+len(data) > cap(s.chunk) {
		s.chunk = make([]byte, 0, max(chunkBytes, len(data)))
	}
	from := len(s.chunk)
	s.chunk = append(s.chunk, data...)
	return s.chunk[from:len(s.chunk):len(s.chunk)]
}

func (s *rowSorter) release() {}

func (s *rowSorter) windowOf(at window.Time) int32 {
	return int32(at.Sub(s.span.Start) / s.target.View.Schedule())
}

// write hands the rows of a window to write, in order.
func (s *rowSorter) write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error {
	if !s.sorted {
		slices.SortFunc(s.rows, func(a, b sortedRow) int {
			return cmp.Or(cmp.Compare(a.window, b.window), bytes.Compare(a.bytes, b.bytes))
		})
		s.sorted = true
	}
	byWindow := func(row sortedRow, window int32) int { return cmp.Compare(row.window, window) }
	from, _ := slices.BinarySearchFunc(s.rows, s.windowOf(w.Start), byWindow)
	to, _ := slices.BinarySearchFunc(s.rows, s.windowOf(w.End), byWindow)
	out := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer out.Release()
	rest := s.rows[from:to]
	for len(rest) > 0 {
		n, size := 0, 0
		for n < len(rest) && n < recordRows && size < recordBytes {
			size += len(rest[n].bytes)
			n++
		}
		if err := s.fill(out, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
		rec := out.NewRecord()
		err := write(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *rowSorter) fill(out *array.RecordBuilder, rows []sortedRow) error {
	keys := s.target.View.JoinKeys()
	builders := out.Fields()
	times := builders[len(keys)].(*array.TimestampBuilder)
	var values []feature.Value
	for _, row := range rows {
		if err := record.AppendKeyColumns(builders[:len(keys)], keys, row.bytes[:row.key]); err != nil {
			return err
		}
		at, encoded := cutTime(row.bytes[row.key:])
		times.Append(arrow.Timestamp(at))
		var err error
		if values, err = record.DecodeRow(values[:0], encoded, s.columns); err != nil {
			return err
		}
		if err := record.AppendColumns(builders[len(keys)+1:], values); err != nil {
			return err
		}
	}
	return nil
}
