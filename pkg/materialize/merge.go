package materialize

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// keysPerWrite bounds the cells that go to the online store at once; see tileGroups
// for what they take until then.
const keysPerWrite = 1024

// cell is what an entity holds in the block; no value stands for no rows.
type cell struct{ key, value []byte }

// merge walks the files of one block in the order of their entities. Files are
// sorted by them, so it needs memory for one record a file and the cells of one write.
type merge struct {
	block    window.Interval
	interval int64  // length of a tile, in microseconds
	wanted   []bool // by tile of the block
	target   *Target
	tiles    *tileGroups

	cursors []*cursor
	queue   queue  // of those that are not at their end
	entity  []byte // that is being passed
}

func newMerge(t *Target, block window.Interval, wanted []bool) *merge {
	return &merge{
		block: block, interval: t.View.Interval().Microseconds(), wanted: wanted,
		target: t, tiles: newTileGroups(t, len(wanted)),
	}
}

// open adds a file. Its rows count if it is live, its entities are handed out if it
// is touched.
func (m *merge) open(ctx context.Context, table offline.Table, f offline.File, live, touched bool) error {
	reader, err := table.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	c := &cursor{
		path: f.Path, reader: reader, joinKeys: m.target.View.JoinKeys(), secondary: m.target.SecondaryKey(), live: live, touched: touched,
	}
	m.cursors = append(m.cursors, c)
	if err := c.read(m.tiles); err != nil {
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

// next returns the cells of the next touched entities, none when there are no more.
func (m *merge) next() ([]cell, error) {
	m.tiles.reset()
	var cells []cell
	for len(cells) < keysPerWrite && !m.tiles.full() && !m.done() {
		touched, err := m.pass()
		if err != nil {
			return nil, err
		}
		if touched {
			cells = append(cells, cell{key: bytes.Clone(m.entity)})
			m.tiles.endCell()
		}
	}
	if err := m.fold(); err != nil {
		return nil, err
	}
	for i := range cells {
		var err error
		if cells[i].value, err = m.tiles.value(i, cells[i].key); err != nil {
			return nil, fmt.Errorf("cell of entity %x: %w", cells[i].key, err)
		}
	}
	return cells, nil
}

// fold adds the rows that the cursors have noted to their groups.
func (m *merge) fold() error {
	for _, c := range m.cursors {
		if err := c.fold(m.tiles); err != nil {
			return err
		}
	}
	if err := m.tiles.folded(); err != nil {
		return fmt.Errorf("cell of entity %x: %w", m.entity, err)
	}
	return nil
}

// pass moves every cursor past the least entity and reports whether a touched file
// has it in a wanted tile. If so, its live rows are noted for their groups.
func (m *merge) pass() (touched bool, err error) {
	m.entity = append(m.entity[:0], m.queue[0].entity...)
	for !m.done() && bytes.Equal(m.queue[0].entity, m.entity) {
		c := m.queue[0]
		if touched, err = m.passRows(c, touched); err != nil {
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

func (m *merge) passRows(c *cursor, touched bool) (bool, error) {
	for c.rec != nil {
		switch bytes.Compare(c.entity, m.entity) {
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
				var err error
				if group, err = m.group(c, tile); err != nil {
					return false, err
				}
			}
		}
		if err := c.pass(group, m.tiles); err != nil {
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

// group returns the group of a cursor's row. Now and then it folds, so that what
// the groups take is known.
func (m *merge) group(c *cursor, tile int32) (int32, error) {
	if m.tiles.mustFold() {
		if err := m.fold(); err != nil {
			return 0, err
		}
	}
	group, err := m.tiles.group(m.entity, c.second, tile)
	if err != nil {
		return 0, fmt.Errorf("cell of entity %x: %w", m.entity, err)
	}
	return group, nil
}

// queue is a heap of cursors, least entity first; of one entity, touched files first.
type queue []*cursor

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if order := bytes.Compare(q[i].entity, q[j].entity); order != 0 {
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
