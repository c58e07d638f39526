package materialize

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of what goes to the online store at once, and is in memory until then.
const (
	keysPerWrite  = 1024
	tilesPerWrite = 128 << 10
)

// cell is what a key holds in the block; no value stands for no rows.
type cell struct{ key, value []byte }

// merge walks the files of one block in key order. Files are sorted by key, so
// it needs memory for one record a file and the keys of one write.
type merge struct {
	block    window.Interval
	interval int64  // length of a tile, in microseconds
	wanted   []bool // by tile of the block
	target   *Target
	states   *aggregate.States

	cursors []*cursor
	queue   queue  // of those that are not at their end
	key     []byte // that is being passed

	encoded []byte // scratch of value
	tiles   []online.Tile
}

func newMerge(t *Target, block window.Interval, wanted []bool) *merge {
	return &merge{
		block: block, interval: t.View.Interval().Microseconds(), wanted: wanted,
		target: t, states: t.Layout.NewStates(),
	}
}

// open adds a file. Its rows count if it is live, its keys are handed out if it
// is touched.
func (m *merge) open(ctx context.Context, table offline.Table, f offline.File, live, touched bool) error {
	reader, err := table.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	c := &cursor{path: f.Path, reader: reader, keys: m.target.View.JoinKeys(), live: live, touched: touched}
	m.cursors = append(m.cursors, c)
	if err := c.read(m.states); err != nil {
		return err
	}
	if c.rec != nil {
		heap.Push(&m.queue, c)
	}
	return nil
}

func (m *merge) close() error {
	var err error
	for _, c := range m.cursors {
		err = errors.Join(err, c.reader.Close())
	}
	return err
}

// done reports whether every file was read to its end.
func (m *merge) done() bool { return len(m.queue) == 0 }

// next returns the cells of the next touched keys, none when there are no more.
func (m *merge) next() ([]cell, error) {
	m.states.Reset()
	var cells []cell
	limit := min(keysPerWrite, max(1, tilesPerWrite/len(m.wanted)))
	for len(cells) < limit && !m.done() {
		base := len(cells) * len(m.wanted)
		m.states.Grow(base + len(m.wanted))
		touched, err := m.pass(int32(base))
		if err != nil {
			return nil, err
		}
		if touched {
			cells = append(cells, cell{key: bytes.Clone(m.key)})
		}
	}
	for _, c := range m.cursors {
		if err := c.fold(m.states); err != nil {
			return nil, err
		}
	}
	for i := range cells {
		var err error
		if cells[i].value, err = m.value(i * len(m.wanted)); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

// pass moves every cursor past the least key and reports whether a touched file
// has it in a wanted tile. If so, its live rows are noted for the groups from base on.
func (m *merge) pass(base int32) (touched bool, err error) {
	m.key = append(m.key[:0], m.queue[0].key...)
	for !m.done() && bytes.Equal(m.queue[0].key, m.key) {
		c := m.queue[0]
		if touched, err = m.passRows(c, base, touched); err != nil {
			return false, err
		}
		if c.rec == nil {
			heap.Pop(&m.queue)
		} else {
			heap.Fix(&m.queue, 0)
		}
	}
	return touched, nil
}

func (m *merge) passRows(c *cursor, base int32, touched bool) (bool, error) {
	for c.rec != nil {
		switch bytes.Compare(c.key, m.key) {
		case 1:
			return touched, nil
		case -1:
			return false, fmt.Errorf("%w: file %s: row %d of a record is not in order", offline.ErrCorrupt, c.path, c.row)
		}
		group := int32(-1)
		if tile, ok := m.tile(c.time()); ok {
			touched = touched || c.touched
			// Touched files come first in the queue, so that it is known by now.
			if touched && c.live {
				group = base + tile
			}
		}
		if err := c.pass(group, m.states); err != nil {
			return false, err
		}
	}
	return touched, nil
}

func (m *merge) tile(at window.Time) (tile int32, ok bool) {
	if !m.block.Contains(at) {
		return 0, false
	}
	tile = int32(int64(at-m.block.Start) / m.interval)
	return tile, m.wanted[tile]
}

// value encodes the tiles of one key, whose groups begin at base.
func (m *merge) value(base int) ([]byte, error) {
	m.encoded, m.tiles = m.encoded[:0], m.tiles[:0]
	for i := range m.wanted {
		if !m.states.Present(base + i) {
			continue
		}
		from := len(m.encoded)
		m.encoded = m.states.AppendEncoded(m.encoded, base+i)
		// A state stays where it is when its successors move to a larger array.
		m.tiles = append(m.tiles, online.Tile{Index: uint32(i), State: m.encoded[from:]})
	}
	if len(m.tiles) == 0 {
		return nil, nil
	}
	return online.AppendTiles(make([]byte, 0, 1+len(m.encoded)+4*len(m.tiles)), m.tiles)
}

// queue is a heap of cursors, least key first; of one key, touched files first.
type queue []*cursor

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if order := bytes.Compare(q[i].key, q[j].key); order != 0 {
		return order < 0
	}
	return q[i].touched && !q[j].touched
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(c any) { *q = append(*q, c.(*cursor)) }

func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
