package materialize

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// cursor walks the rows of one file of tiles.
type cursor struct {
	path    string
	reader  offline.Reader
	keys    []feature.Field
	live    bool // the file is part of the snapshot
	touched bool // the file was added or removed since the last step

	rec     arrow.Record // nil at the end
	encoder *record.KeyEncoder
	times   []arrow.Timestamp
	row     int
	key     []byte // of row

	groups []int32 // of the rows before row that were not folded yet; -1: left out
	wanted bool    // one of groups is not left out
}

// read moves to the next record that has rows.
func (c *cursor) read(states *aggregate.States) error {
	if err := c.fold(states); err != nil {
		return err
	}
	for {
		rec, err := c.reader.Next()
		if errors.Is(err, io.EOF) {
			c.rec = nil
			return nil
		}
		if err != nil {
			return err
		}
		if rec.NumRows() > 0 {
			return c.enter(rec)
		}
	}
}

func (c *cursor) enter(rec arrow.Record) (err error) {
	if c.encoder, err = record.NewKeyEncoder(c.keys, rec.Columns()[:len(c.keys)]); err != nil {
		return err
	}
	times, ok := rec.Column(len(c.keys)).(*array.Timestamp)
	if !ok || times.NullN() > 0 {
		return fmt.Errorf("%w: file %s: column %s is not whole", offline.ErrCorrupt, c.path, feature.TileStart)
	}
	c.rec, c.times, c.row = rec, times.TimestampValues(), 0
	c.key = c.encoder.Append(c.key[:0], 0)
	return nil
}

func (c *cursor) time() window.Time { return window.Time(c.times[c.row]) }

// pass notes the group of the row and moves to the next one.
func (c *cursor) pass(group int32, states *aggregate.States) error {
	c.groups = append(c.groups, group)
	c.wanted = c.wanted || group >= 0
	if c.row++; c.row == len(c.times) {
		return c.read(states)
	}
	c.key = c.encoder.Append(c.key[:0], c.row)
	return nil
}

// fold adds the rows whose groups were noted to the states, column by column.
func (c *cursor) fold(states *aggregate.States) error {
	groups, wanted := c.groups, c.wanted
	c.groups, c.wanted = c.groups[:0], false
	if !wanted {
		return nil
	}
	columns := make([]arrow.Array, 0, c.rec.NumCols())
	for _, column := range c.rec.Columns()[len(c.keys)+1:] {
		part := array.NewSlice(column, int64(c.row-len(groups)), int64(c.row))
		defer part.Release()
		columns = append(columns, part)
	}
	if err := states.MergeColumns(groups, columns); err != nil {
		return fmt.Errorf("%w: file %s: %w", offline.ErrCorrupt, c.path, err)
	}
	return nil
}
