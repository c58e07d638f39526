package materialize

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// cursor walks the rows of one file of tiles.
type cursor struct {
	path      string
	reader    offline.Reader
	joinKeys  []feature.Field
	secondary []feature.Field // the key after them, if there is one
	live      bool            // the file is part of the snapshot
	touched   bool            // the file was added or removed since the last step

	rec           arrow.Record // nil at the end
	entityEncoder *record.KeyEncoder
	secondEncoder *record.KeyEncoder
	times         []arrow.Timestamp
	row           int
	entity        []byte // of row
	second        []byte // of row: its secondary key; empty without one

	groups []int32 // of the rows before row that were not folded yet; -1: left out
	wanted bool    // one of groups is not left out
}

// read moves to the next record that has rows.
func (c *cursor) read(tiles *tileGroups) error {
	if err := c.fold(tiles); err != nil {
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
	columns := rec.Columns()
	if c.entityEncoder, err = record.NewKeyEncoder(c.joinKeys, columns[:len(c.joinKeys)]); err != nil {
		return err
	}
	if c.secondEncoder, err = record.NewKeyEncoder(c.secondary, columns[len(c.joinKeys):c.keys()]); err != nil {
		return err
	}
	times, ok := columns[c.keys()].(*array.Timestamp)
	if !ok || times.NullN() > 0 {
		return fmt.Errorf("%w: file %s: column %s is not whole", offline.ErrCorrupt, c.path, feature.TileStart)
	}
	c.rec, c.times, c.row = rec, times.TimestampValues(), 0
	c.encode()
	return nil
}

// keys is the number of key columns.
func (c *cursor) keys() int { return len(c.joinKeys) + len(c.secondary) }

func (c *cursor) encode() {
	c.entity = c.entityEncoder.Append(c.entity[:0], c.row)
	if len(c.secondary) > 0 {
		c.second = c.secondEncoder.Append(c.second[:0], c.row)
	}
}

func (c *cursor) time() window.Time { return window.Time(c.times[c.row]) }

// pass notes the group of the row and moves to the next one.
func (c *cursor) pass(group int32, tiles *tileGroups) error {
	c.groups = append(c.groups, group)
	c.wanted = c.wanted || group >= 0
	if c.row++; c.row == len(c.times) {
		return c.read(tiles)
	}
	c.encode()
	return nil
}

// fold adds the rows whose groups were noted to the states, column by column.
func (c *cursor) fold(tiles *tileGroups) error {
	groups, wanted := c.groups, c.wanted
	c.groups, c.wanted = c.groups[:0], false
	if !wanted {
		return nil
	}
	columns := make([]arrow.Array, 0, c.rec.NumCols())
	for _, column := range c.rec.Columns()[c.keys()+1:] {
		part := array.NewSlice(column, int64(c.row-len(groups)), int64(c.row))
		defer part.Release()
		columns = append(columns, part)
	}
	if err := tiles.merge(groups, columns); err != nil {
		return fmt.Errorf("%w: file %s: %w", offline.ErrCorrupt, c.path, err)
	}
	return nil
}
