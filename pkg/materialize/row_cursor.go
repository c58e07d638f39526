package materialize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// rowEncoder encodes the rows of a record: join keys, time, features.
type rowEncoder struct {
	keys   *record.KeyEncoder
	times  []arrow.Timestamp
	values *record.RowEncoder
}

func newRowEncoder(keys, features []feature.Field, columns []arrow.Array) (*rowEncoder, error) {
	if len(columns) != len(keys)+1+len(features) {
		return nil, fmt.Errorf("%d columns, want %d join keys, the time and %d features", len(columns), len(keys), len(features))
	}
	times, ok := columns[len(keys)].(*array.Timestamp)
	if !ok || times.NullN() > 0 {
		return nil, fmt.Errorf("the time column is of type %s and has %d nulls", columns[len(keys)].DataType(), columns[len(keys)].NullN())
	}
	e := &rowEncoder{times: times.TimestampValues()}
	var err error
	if e.keys, err = record.NewKeyEncoder(keys, columns[:len(keys)]); err != nil {
		return nil, err
	}
	e.values, err = record.NewRowEncoder(features, columns[len(keys)+1:])
	return e, err
}

func (e *rowEncoder) time(row int) window.Time { return window.Time(e.times[row]) }

// rowsPerRecord is how many rows of a file are in memory: few enough that those of many
// files stay in the cache.
const rowsPerRecord = 16 << 10

// keySpan is a range of encoded keys, [from, to); nil is no bound.
type keySpan struct{ from, to []byte }

// rowCursor walks the rows of a file in a range of keys, key by key. Rows outside the
// time that the online store covers count for nothing. Of one key and time the last row
// counts: the greatest by content or, in a feature table, the only one.
type rowCursor struct {
	file    offline.File
	reader  offline.Scanner
	target  *Target
	span    keySpan
	covered window.Set
	whole   bool // every row of the file is covered
	live    bool // the file is part of the snapshot

	encoder   *rowEncoder // of the record; nil at the end
	sequences []int64     // of its rows; nil: all have the file's
	text      []byte      // keys of its rows
	starts    []int       // of each key in text, and the end
	row       int
	rows      int    // of the record up to the end of the range
	key       []byte // of row

	fresh  bool   // the record is a new one
	passed []byte // key, when the record ended with it
	probe  []byte // scratch
	values []byte // scratch
}

var errKeyOrder = errors.New("keys are not in order")

func (s *rowStep) open(ctx context.Context, f offline.File, span keySpan) (_ *rowCursor, err error) {
	reader, err := s.table.Scan(ctx, f, offline.Selection{Rows: rowsPerRecord})
	if err != nil {
		return nil, err
	}
	c := &rowCursor{
		file: f, reader: reader, target: s.target, span: span, covered: s.covered, live: s.live[f.Path],
		whole: s.covered.Covers(window.Interval{Start: f.MinTime, End: f.MaxTime + 1}),
	}
	if span.from != nil {
		err = reader.SkipTo(span.from)
	}
	if err == nil {
		err = c.read()
	}
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return c, nil
}

func (c *rowCursor) done() bool { return c.encoder == nil }

// read moves to the first row of the next record that has rows in the range.
func (c *rowCursor) read() error {
	ended := c.encoder != nil && c.rows < len(c.encoder.times) // the rest is behind the range
	for c.encoder = nil; !ended; {
		rec, err := c.reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case rec.NumRows() == 0:
			continue
		}
		found, last, err := c.enter(rec)
		if err != nil {
			return fmt.Errorf("%w: file %s: %w", offline.ErrCorrupt, c.file.Path, err)
		}
		if found {
			return nil
		}
		ended = last
	}
	return nil
}

// enter goes to the first row of a record that is in the range, if one is; else last
// says that none follows either.
func (c *rowCursor) enter(rec arrow.Record) (found, last bool, err error) {
	columns := rec.Columns()
	if last := len(columns) - 1; c.target.View.Ingested {
		sequences, ok := columns[last].(*array.Int64)
		if !ok || sequences.NullN() > 0 {
			return false, false, fmt.Errorf("column %s is of type %s and has %d nulls", feature.IngestSequence, columns[last].DataType(), columns[last].NullN())
		}
		c.sequences, columns = sequences.Int64Values(), columns[:last]
	}
	encoder, err := newRowEncoder(c.target.View.JoinKeys(), c.target.Features, columns)
	if err != nil {
		return false, false, err
	}
	n := len(encoder.times)
	c.row, c.rows = 0, n
	if c.span.from != nil {
		c.row = c.search(encoder, c.span.from)
	}
	if c.span.to != nil {
		c.rows = c.search(encoder, c.span.to)
	}
	if c.row >= c.rows {
		return false, c.rows < n, nil
	}
	c.encoder = encoder
	return true, false, c.encodeKeys()
}

// search returns the first row of a record whose key is not below key.
func (c *rowCursor) search(encoder *rowEncoder, key []byte) int {
	return sort.Search(len(encoder.times), func(row int) bool {
		c.probe = encoder.keys.Append(c.probe[:0], row)
		return bytes.Compare(c.probe, key) >= 0
	})
}

// encodeKeys encodes the keys of the rows from row on, which must be in order.
func (c *rowCursor) encodeKeys() error {
	c.text, c.starts = c.text[:0], append(c.starts[:0], make([]int, c.row+1)...)
	for row := c.row; row < c.rows; row++ {
		c.text = c.encoder.keys.Append(c.text, row)
		c.starts = append(c.starts, len(c.text))
	}
	for row := c.row + 1; row < c.rows; row++ {
		if bytes.Compare(c.keyOf(row-1), c.keyOf(row)) > 0 {
			return errKeyOrder
		}
	}
	c.key, c.fresh = c.keyOf(c.row), true
	return nil
}

func (c *rowCursor) keyOf(row int) []byte { return c.text[c.starts[row]:c.starts[row+1]] }

// pass moves to the next key, and reports whether the key before has covered rows, and
// of when the newest is. If it is not of before a time it is appended to dst, as the
// online store holds it.
func (c *rowCursor) pass(dst []byte, least window.Time) (row []byte, at window.Time, found bool, err error) {
	start := len(dst)
	for {
		newest := -1 // in this record: rows of a key come in order
		end := c.row
		for ; end < c.rows && bytes.Equal(c.keyOf(end), c.key); end++ {
			if c.counts(c.encoder.time(end)) {
				newest = end
			}
		}
		if newest >= 0 {
			at, found = c.encoder.time(newest), true
			if at >= least {
				dst = c.encode(dst[:start], newest)
			}
		}
		if c.row = end; end < c.rows {
			c.key = c.keyOf(end)
			return dst, at, found, nil
		}
		c.passed = append(c.passed[:0], c.key...)
		if err := c.read(); err != nil {
			return nil, 0, false, err
		}
		if c.done() {
			return dst, at, found, nil
		}
		switch order := bytes.Compare(c.key, c.passed); {
		case order < 0:
			return nil, 0, false, fmt.Errorf("%w: file %s: %w", offline.ErrCorrupt, c.file.Path, errKeyOrder)
		case order > 0:
			return dst, at, found, nil
		}
	}
}

func (c *rowCursor) counts(at window.Time) bool {
	return c.whole || c.covered.Covers(window.Interval{Start: at, End: at + 1})
}

func (c *rowCursor) encode(dst []byte, row int) []byte {
	c.values = c.encoder.values.Append(c.values[:0], row)
	seq := c.file.Seq
	if c.sequences != nil {
		seq = c.sequences[row]
	}
	return online.AppendRow(dst, online.Row{Time: c.encoder.time(row), Seq: seq, Values: c.values})
}
