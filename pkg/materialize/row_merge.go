package materialize

import (
	"bytes"
	"container/heap"
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/offline"
)

// rowMerge walks files of rows together in key order. It holds one record a file.
type rowMerge struct {
	cursors []*rowCursor
	queue   rowQueue // of those that are not at their end
	row     []byte   // scratch
}

func (s *rowStep) merge(ctx context.Context, files []offline.File) (*rowMerge, error) {
	m := &rowMerge{}
	for _, f := range files {
		c, err := s.open(ctx, f)
		if err != nil {
			return nil, m.close(err)
		}
		m.cursors = append(m.cursors, c)
		if !c.done() {
			heap.Push(&m.queue, c)
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
func (m *rowMerge) done() bool { return len(m.queue) == 0 }

// next returns the next keys that have covered rows in the files, at most a batch,
// none when there are no more; with the newest of their live rows if those are asked for.
func (m *rowMerge) next(rows bool) ([]rowCell, error) {
	var cells []rowCell
	for size := 0; size < bytesPerBatch && len(cells) < keysPerBatch && !m.done(); {
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
	key := bytes.Clone(m.queue[0].key)
	for !m.done() && bytes.Equal(m.queue[0].key, key) {
		c := m.queue[0]
		row, ok, err := c.pass(m.row[:0])
		if err != nil {
			return rowCell{}, false, err
		}
		m.row = row
		if ok && rows && c.live && bytes.Compare(row, cell.value) > 0 {
			cell.value = append(cell.value[:0], row...)
		}
		found = found || ok
		if c.done() {
			heap.Pop(&m.queue)
		} else {
			heap.Fix(&m.queue, 0)
		}
	}
	cell.key = key
	return cell, found, nil
}

// rowQueue is a heap of cursors, least key first.
type rowQueue []*rowCursor

func (q rowQueue) Len() int           { return len(q) }
func (q rowQueue) Less(i, j int) bool { return bytes.Compare(q[i].key, q[j].key) < 0 }
func (q rowQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *rowQueue) Push(c any)        { *q = append(*q, c.(*rowCursor)) }

func (q *rowQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
