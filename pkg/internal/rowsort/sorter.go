package rowsort

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// ErrTooLarge is a row whose values take more than record.MaxRowBytes.
var ErrTooLarge = errors.New("row is too large")

// Spec says what rows are and how they are sorted: by part, join keys in encoded byte
// order, time, and then as Last says.
type Spec struct {
	Keys   []feature.Field // the first columns; a Timestamp without nulls follows
	Values []feature.Field // the columns after it
	// Schema is that of the records that come out. Those that go in have columns of the
	// same types, whatever their names.
	Schema *arrow.Schema
	// Part divides rows by time; nil: all are of part 0.
	Part func(window.Time) int32
	// Last keeps of rows with equal keys and time only the one that was added last.
	// Otherwise all are kept, in the order of their canonical bytes (record.RowEncoder).
	Last bool
}

const (
	// recordRows and recordBytes are about what a record holds at most that comes out.
	// A row fits into one.
	recordRows  = 64 << 10
	recordBytes = 8 << 20
	// entryBytes is what a row costs beside its values: an entry, a part of the room that
	// is made for more, and the spare one.
	entryBytes = 56
)

// Sorter takes records and hands out their rows sorted. It belongs to one goroutine.
type Sorter struct {
	spec     Spec
	maxBytes int64

	chunks  []*chunk
	pending pending // the rows of the next chunk
	parts   map[int32]*part
	spare   []entry // to sort the others with
	keys    keyPrefixes
	bytes   int64 // of all of these
	widest  int   // size of a row
	dropped int64

	runs    *spill.Runs
	spilled uint32 // runs so far
	merged  *merge // of runs; nil before the first write, and without runs
}

// part has the rows of one part.
type part struct {
	entries []entry // in the order of their adding until they are sorted
	sorted  bool
}

// New returns a sorter that holds about maxBytes, and spills to runs beyond.
func New(spec Spec, maxBytes int64, runs *spill.Runs) *Sorter {
	return &Sorter{spec: spec, maxBytes: maxBytes, runs: runs, parts: map[int32]*part{}}
}

// Add takes the rows of a record. It keeps no reference to rec. All rows are added
// before the first is written.
func (s *Sorter) Add(rec arrow.Record) error {
	if rec.NumRows() == 0 {
		return nil
	}
	c, err := s.spec.copyOf(rec.Columns())
	if err != nil {
		return err
	}
	widest, err := c.widest()
	if err != nil {
		return err
	}
	s.widest = max(s.widest, widest)
	if err := s.keys.add(c); err != nil {
		return err
	}
	s.index(c)
	s.pending.add(c, s.keys.common())
	s.bytes += c.bytes + entryBytes*rec.NumRows()
	if s.pending.full() {
		if err := s.closePending(); err != nil {
			return err
		}
	}
	if s.bytes > s.maxBytes {
		return s.spill()
	}
	return nil
}

// index makes the entries of rows that are added to the pending ones.
func (s *Sorter) index(c *chunk) {
	number, p := int32(0), (*part)(nil)
	first := record.PlaceOf(int32(len(s.chunks)), int32(s.pending.rows))
	for row, at := range c.times {
		of := int32(0)
		if s.spec.Part != nil {
			of = s.spec.Part(window.Time(at))
		}
		if p == nil || of != number {
			number, p = of, s.part(of)
		}
		if n := len(p.entries); n == cap(p.entries) {
			p.entries = slices.Grow(p.entries, max(n, minCounted)) // append would copy large ones four times
		}
		p.entries = append(p.entries, entry{s.keys.prefixOf(row), int64(at), first + record.Place(row)})
	}
}

func (s *Sorter) part(number int32) *part {
	p, ok := s.parts[number]
	if !ok {
		p = &part{}
		s.parts[number] = p
	}
	return p
}

// closePending makes a chunk of the pending rows.
func (s *Sorter) closePending() error {
	if s.pending.rows == 0 {
		return nil
	}
	before := s.pending.bytes
	c, err := s.pending.close(s.spec)
	if err != nil {
		return err
	}
	s.chunks = append(s.chunks, c)
	s.bytes += c.bytes - before
	return nil
}

// Write hands the rows of a part to write, in order, as records of keys, time and values
// of at most 64 Ki rows and about 8 MiB; parts are asked for in ascending order, and none
// that has rows is left out.
func (s *Sorter) Write(part int32, write func(arrow.Record) error) error {
	if err := s.closePending(); err != nil {
		return err
	}
	out := &output{spec: s.spec, maxRows: recordRows, maxBytes: recordBytes, widest: s.widest, write: write}
	if s.spilled > 0 {
		return s.writeMerged(part, out)
	}
	return s.writePart(part, out)
}

// writePart writes rows that are in memory.
func (s *Sorter) writePart(number int32, out *output) error {
	p, ok := s.parts[number]
	if !ok {
		return nil
	}
	out.setChunks(s.chunks)
	s.sort(p)
	for _, e := range p.entries {
		if out.full() {
			if err := out.flush(); err != nil {
				return err
			}
		}
		out.add(e.place)
	}
	return out.flush()
}

// Dropped returns how many rows Last has left out; it is known after the last Write.
func (s *Sorter) Dropped() int64 { return s.dropped }

// Reset empties the sorter for other rows.
func (s *Sorter) Reset() error {
	s.Close()
	s.merged, s.spilled, s.dropped, s.widest = nil, 0, 0, 0
	s.empty()
	return nil
}

// Close removes what was spilled.
func (s *Sorter) Close() { s.runs.Close() }

// empty drops all rows in memory.
func (s *Sorter) empty() {
	s.chunks, s.pending, s.spare, s.bytes = nil, pending{}, nil, 0
	s.keys.reset()
	clear(s.parts)
}

// spill writes the rows in memory as a run, and drops them.
func (s *Sorter) spill() error {
	if err := s.closePending(); err != nil {
		return err
	}
	err := s.runs.Add(func(add func(key, value []byte) error) error {
		for _, number := range slices.Sorted(maps.Keys(s.parts)) {
			w := &runWriter{spec: s.spec, part: number, run: s.spilled, add: add}
			out := &output{spec: s.spec, maxRows: recordRows, maxBytes: runRecordBytes, widest: s.widest, write: w.write}
			if err := s.writePart(number, out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("spill rows of %d parts: %w", len(s.parts), err)
	}
	s.spilled++
	s.empty()
	return nil
}
