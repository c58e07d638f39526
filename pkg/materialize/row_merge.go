package materialize

import (
	"bytes"
	"context"
	"errors"
	"math"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// rowMerge walks a range of keys of files of rows together in key order. It holds one
// record a file.
type rowMerge struct {
	cursors []*rowCursor
	queue   rowQueue // of those that are not at their end
	share   int      // a batch is a part of the bounds, one of so many

	key, newest, row []byte // scratch
	slab             []byte // what is left for cells
}

// slabBytes is how much memory cells share: each is small, and they go together.
const slabBytes = 64 << 10

// merge opens files, the latest first.
func (s *rowStep) merge(ctx context.Context, files []offline.File, span keySpan, share int) (*rowMerge, error) {
	m := &rowMerge{share: share}
	for i, f := range files {
		c, err := s.open(ctx, f, span)
		if err != nil {
			return nil, m.close(err)
		}
		m.cursors = append(m.cursors, c)
		if !c.done() {
			m.queue.push(c, i)
		}
	}
	return m, nil
}

// close closes the files and returns err with what went wrong meanwhile.
func (m *rowMerge) close(err error) error {
	for _, c := range m.cursors {
		err = errors.Join(err, c.reader.Close())
	}
	return err
}

// done reports whether every file was read to its end.
func (m *rowMerge) done() bool { return len(m.queue.heap) == 0 }

// next returns the next keys that have covered rows in the files, at most a batch,
// none when there are no more; with the newest of their live rows if those are asked for.
func (m *rowMerge) next(rows bool) ([]rowCell, error) {
	var cells []rowCell
	for size := 0; size < bytesPerBatch/m.share && len(cells) < keysPerBatch/m.share && !m.done(); {
		cell, found, err := m.pass(rows)
		if err != nil {
			return nil, err
		}
		if found {
			cells = append(cells, cell)
			size += len(cell.key) + len(cell.value)
		}
	}
	return cells, nil
}

// pass moves every cursor past the least key and reports whether it has covered rows.
func (m *rowMerge) pass(rows bool) (cell rowCell, found bool, err error) {
	m.key = append(m.key[:0], m.queue.heap[0].cursor.key...)
	prefix := m.queue.prefixOf(m.key)
	m.newest = m.newest[:0]
	least := window.Time(math.MinInt64) // of a row that may be the newest
	for !m.done() && m.queue.heap[0].is(m.key, prefix) {
		c := m.queue.heap[0].cursor
		from := least
		if !rows || !c.live {
			from = math.MaxInt64
		}
		row, at, ok, err := c.pass(m.row[:0], from)
		if err != nil {
			return rowCell{}, false, err
		}
		m.row = row
		if rows && c.live && bytes.Compare(row, m.newest) > 0 {
			m.newest, m.row, least = row, m.newest, at
		}
		found = found || ok
		if m.queue.moved() {
			prefix = m.queue.prefixOf(m.key)
		}
	}
	if !found {
		return rowCell{}, false, nil
	}
	return m.cell(), true, nil
}

// cell returns the key that was passed and its newest row.
func (m *rowMerge) cell() rowCell {
	size := len(m.key) + len(m.newest)
	if size > len(m.slab) {
		m.slab = make([]byte, max(size, slabBytes))
	}
	data := m.slab[:size:size]
	m.slab = m.slab[size:]
	cell := rowCell{key: data[:len(m.key):len(m.key)]}
	copy(data, m.key)
	if len(m.newest) > 0 {
		cell.value = data[len(m.key):]
		copy(cell.value, m.newest)
	}
	return cell
}
