package retrieve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/gallop"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

// keyList is encoded keys in order, each once.
type keyList struct {
	text []byte
	ends []int
}

func (l *keyList) reset() { l.text, l.ends = l.text[:0], l.ends[:0] }

func (l *keyList) add(key []byte) {
	l.text = append(l.text, key...)
	l.ends = append(l.ends, len(l.text))
}

func (l *keyList) len() int { return len(l.ends) }

func (l *keyList) key(i int) []byte {
	start := 0
	if i > 0 {
		start = l.ends[i-1]
	}
	return l.text[start:l.ends[i]]
}

// cursor walks a file along ascending keys.
type cursor struct {
	table   offline.Table
	file    offline.File
	keys    []feature.Field // that are matched, the first ones of the table
	rest    []byte          // of a key: what follows keys in the least one
	columns offline.Selection
	onRead  func() // a record was read

	scanner offline.Scanner // nil: not yet open
	ended   bool
	rec     arrow.Record
	rows    int // of rec
	row     int // the first that was not passed
	encoder *record.KeyEncoder
	key     []byte // of the row keyOf
	keyOf   int

	foundRows, foundKeys []int32 // scratch
	skipTo               []byte  // scratch
}

// walk hands the rows of the list's keys to add, record by record. Lists ascend from
// one call to the next.
func (c *cursor) walk(ctx context.Context, keys *keyList, add func(rec arrow.Record, rows, keys []int32) error) error {
	for at := 0; ; {
		if c.row == c.rows {
			if err := c.read(ctx, keys.key(at)); err != nil {
				return fmt.Errorf("scan file %s: %w", c.file.Path, err)
			}
			if c.ended {
				return nil
			}
		}
		at = c.match(keys, at)
		if len(c.foundRows) > 0 {
			if err := add(c.rec, c.foundRows, c.foundKeys); err != nil {
				return fmt.Errorf("rows of file %s: %w", c.file.Path, err)
			}
		}
		if at == keys.len() {
			return nil
		}
	}
}

// read moves to the next record that may have a row of the key, or a later one.
func (c *cursor) read(ctx context.Context, key []byte) (err error) {
	if c.ended {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.scanner == nil {
		if c.scanner, err = c.table.Scan(ctx, c.file, c.columns); err != nil {
			return err
		}
	}
	c.skipTo = append(append(c.skipTo[:0], key...), c.rest...)
	if err := c.scanner.SkipTo(c.skipTo); err != nil {
		return err
	}
	c.rec, err = c.scanner.Next()
	if errors.Is(err, io.EOF) {
		c.ended = true
		return c.close()
	}
	if err != nil {
		return err
	}
	c.onRead()
	c.row, c.rows, c.keyOf = 0, int(c.rec.NumRows()), -1
	c.encoder, err = record.NewKeyEncoder(c.keys, c.rec.Columns()[:len(c.keys)])
	return err
}

// close ends the reading, which walk takes up again from the file's beginning.
func (c *cursor) close() error {
	if c.scanner == nil {
		return nil
	}
	err := c.scanner.Close()
	c.scanner, c.row, c.rows, c.rec = nil, 0, 0, nil
	return err
}

// near is how many rows or keys are passed one by one before larger steps are taken.
const near = 4

// match finds the rows of the record whose keys are in the list, from its key at on.
// It stops behind the record or the list and returns the key that it is at.
func (c *cursor) match(keys *keyList, at int) int {
	c.foundRows, c.foundKeys = c.foundRows[:0], c.foundKeys[:0]
	want := keys.key(at)
	c.encode(c.row)
	passedRows, passedKeys := 0, 0 // in a row
	for {
		switch order := bytes.Compare(c.key, want); {
		case order == 0:
			c.foundRows = append(c.foundRows, int32(c.row))
			c.foundKeys = append(c.foundKeys, int32(at))
			c.row++
			passedRows, passedKeys = 0, 0
		case order < 0:
			c.row++
			if passedRows, passedKeys = passedRows+1, 0; passedRows > near {
				c.row += gallop.Search(c.rows-c.row, func(i int) bool {
					c.encode(c.row + i)
					return bytes.Compare(c.key, want) >= 0
				})
			}
		default:
			at++
			if passedKeys, passedRows = passedKeys+1, 0; passedKeys > near {
				at += gallop.Search(keys.len()-at, func(i int) bool { return bytes.Compare(keys.key(at+i), c.key) >= 0 })
			}
			if at == keys.len() {
				return at
			}
			want = keys.key(at)
			continue
		}
		if c.row == c.rows {
			return at
		}
		c.encode(c.row)
	}
}

func (c *cursor) encode(row int) {
	if c.keyOf != row {
		c.key, c.keyOf = c.encoder.Append(c.key[:0], row), row
	}
}
