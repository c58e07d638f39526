package materialize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

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

// rowCursor walks a file of rows key by key. Rows outside the time that the
// online store covers count for nothing. Of one key and time the last row counts: the
// greatest by content or, in a feature table, the only one.
type rowCursor struct {
	file    offline.File
	reader  offline.Reader
	target  *Target
	covered window.Set
	whole   bool // every row of the file is covered
	live    bool // the file is part of the snapshot

	encoder   *rowEncoder // of the record; nil at the end of the file
	sequences []int64     // of its rows; nil: all have the file's
	row       int
	key       []byte // of row
	next      []byte // scratch
	values    []byte // scratch
}

func (s *rowStep) open(ctx context.Context, f offline.File) (*rowCursor, error) {
	reader, err := s.table.OpenFile(ctx, f)
	if err != nil {
		return nil, err
	}
	c := &rowCursor{
		file: f, reader: reader, target: s.target, covered: s.covered, live: s.live[f.Path],
		whole: s.covered.Covers(window.Interval{Start: f.MinTime, End: f.MaxTime + 1}),
	}
	if err := c.read(); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return c, nil
}

func (c *rowCursor) done() bool { return c.encoder == nil }

// read moves to the first row of the next record that has rows.
func (c *rowCursor) read() error {
	c.encoder, c.row = nil, 0
	for {
		rec, err := c.reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case rec.NumRows() == 0:
			continue
		}
		if err := c.enter(rec); err != nil {
			return fmt.Errorf("%w: file %s: %w", offline.ErrCorrupt, c.file.Path, err)
		}
		return nil
	}
}

func (c *rowCursor) enter(rec arrow.Record) (err error) {
	columns := rec.Columns()
	if last := len(columns) - 1; c.target.View.Ingested {
		sequences, ok := columns[last].(*array.Int64)
		if !ok || sequences.NullN() > 0 {
			return fmt.Errorf("column %s is of type %s and has %d nulls", feature.IngestSequence, columns[last].DataType(), columns[last].NullN())
		}
		c.sequences, columns = sequences.Int64Values(), columns[:last]
	}
	if c.encoder, err = newRowEncoder(c.target.View.JoinKeys(), c.target.Features, columns); err != nil {
		return err
	}
	c.key = c.encoder.keys.Append(c.key[:0], 0)
	return nil
}

// pass moves to the next key, and reports whether the key before has covered rows, and
// of when the newest is. If it is not of before a time it is appended to dst, as the
// online store holds it.
func (c *rowCursor) pass(dst []byte, least window.Time) (row []byte, at window.Time, found bool, err error) {
	passed := append(c.next[:0], c.key...)
	start := len(dst)
	for !c.done() && bytes.Equal(c.key, passed) {
		newest := -1 // in this record: rows of a key come in order
		for ; c.row < len(c.encoder.times); c.row++ {
			c.key = c.encoder.keys.Append(c.key[:0], c.row)
			if !bytes.Equal(c.key, passed) {
				break
			}
			if c.counts(c.encoder.time(c.row)) {
				newest = c.row
			}
		}
		if newest >= 0 {
			at, found = c.encoder.time(newest), true
			if at >= least {
				dst = c.encode(dst[:start], newest)
			}
		}
		if c.row == len(c.encoder.times) {
			if err := c.read(); err != nil {
				return nil, 0, false, err
			}
		}
	}
	c.next = passed
	if !c.done() && bytes.Compare(c.key, passed) < 0 {
		return nil, 0, false, fmt.Errorf("%w: file %s: keys are not in order", offline.ErrCorrupt, c.file.Path)
	}
	return dst, at, found, nil
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
