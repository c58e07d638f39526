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
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

const (
	// chunkBytes is what a rowSorter asks memory for at a time. A row fits into one.
	chunkBytes = 1 << 20
	// rowOverhead is what a row costs beside its bytes.
	rowOverhead = 40
	// recordBytes is about how much a record holds at most that goes to the offline writer.
	recordBytes = 8 << 20
)

// rowSorter holds the rows of one or more windows, and hands out those of a window
// sorted by key, time and canonical bytes: two builds of the same rows write the
// same files. Rows of one key and time are all kept. When the rows take more than
// maxBytes they go to disk as a sorted run.
type rowSorter struct {
	target   *Target
	span     window.Interval
	maxBytes int64

	rows   []sortedRow
	chunks [][]byte // that hold the rows, one filled after the other
	used   int      // of chunks
	bytes  int64
	sorted bool

	runs   *spill.Runs
	merged *spill.Merge // of runs; nil before the first write, and without runs

	columns []feature.Field // of the features
	row     []byte          // scratch
}

// sortedRow is a row as key, time and features, in bytes that sort as rows do.
type sortedRow struct {
	bytes  []byte
	key    int32 // length of the key
	window int32 // of the span, from 0 on
}

func newRowSorter(t *Target, maxBytes int64, runs *spill.Runs) *rowSorter {
	return &rowSorter{target: t, maxBytes: maxBytes, columns: t.Features, runs: runs}
}

func (s *rowSorter) reset(span window.Interval) error {
	s.span, s.merged = span, nil
	s.runs.Close()
	s.empty()
	return nil
}

// empty drops all rows in memory.
func (s *rowSorter) empty() { s.rows, s.used, s.bytes, s.sorted = s.rows[:0], 0, 0, false }

func (s *rowSorter) release() { s.runs.Close() }

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
		s.rows = append(s.rows, sortedRow{s.keep(s.row), int32(key), s.windowOf(at)})
		if s.bytes += int64(len(s.row)) + rowOverhead; s.bytes > s.maxBytes {
			if err := s.spill(); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep copies data to memory that many rows share.
func (s *rowSorter) keep(data []byte) []byte {
	if s.used == 0 || len(s.chunks[s.used-1])+len(data) > chunkBytes {
		if s.used == len(s.chunks) {
			s.chunks = append(s.chunks, make([]byte, 0, chunkBytes))
		}
		s.chunks[s.used] = s.chunks[s.used][:0]
		s.used++
	}
	chunk := &s.chunks[s.used-1]
	from := len(*chunk)
	*chunk = append(*chunk, data...)
	return (*chunk)[from:len(*chunk):len(*chunk)]
}

func (s *rowSorter) windowOf(at window.Time) int32 {
	return int32(at.Sub(s.span.Start) / s.target.View.Schedule())
}

func (s *rowSorter) sort() {
	if s.sorted {
		return
	}
	slices.SortFunc(s.rows, func(a, b sortedRow) int {
		return cmp.Or(cmp.Compare(a.window, b.window), bytes.Compare(a.bytes, b.bytes))
	})
	s.sorted = true
}

// write hands the rows of a window to write, in order.
func (s *rowSorter) write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error {
	out := &rowRecord{
		keys: s.target.View.JoinKeys(), features: s.columns,
		columns: array.NewRecordBuilder(memory.DefaultAllocator, schema), write: write,
	}
	defer out.columns.Release()
	var err error
	if s.runs.Len() > 0 {
		err = s.writeMerged(w, out)
	} else {
		err = s.writeSorted(w, out)
	}
	if err != nil {
		return err
	}
	return out.flush()
}

// writeSorted adds the rows of a window, all of which are in memory.
func (s *rowSorter) writeSorted(w window.Interval, out *rowRecord) error {
	s.sort()
	byWindow := func(row sortedRow, window int32) int { return cmp.Compare(row.window, window) }
	from, _ := slices.BinarySearchFunc(s.rows, s.windowOf(w.Start), byWindow)
	to, _ := slices.BinarySearchFunc(s.rows, s.windowOf(w.End), byWindow)
	for _, row := range s.rows[from:to] {
		if err := out.add(int(row.key), row.bytes); err != nil {
			return err
		}
	}
	return nil
}
