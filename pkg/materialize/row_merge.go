package materialize

import (
	"bytes"
	"context"
	"errors"
	"math"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// rowMerge walks files of rows together in key order. It holds one record a file.
type rowMerge struct {
	cursors []*rowCursor
	queue   rowQueue // of those that are not at their end

	key, newest, row []byte // scratch
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
			m.queue.push(c)
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
	m.key = append(m.key[:0], m.queue[0].key...)
	m.newest = m.newest[:0]
	least := window.Time(math.MinInt64) // of a row that may be the newest
	for !m.done() && bytes.Equal(m.queue[0].key, m.key) {
		c := m.queue[0]
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
		m.queue.moved()
	}
	if !found {
		return rowCell{}, false, nil
	}
	data := append(append(make([]byte, 0, len(m.key)+len(m.newest)), m.key...), m.newest...)
	cell.key = data[:len(m.key):len(m.key)]
	if len(m.newest) > 0 {
		cell.value = data[len(m.key):]
	}
	return cell, true, nil
}

// rowQueue is a heap of cursors, least key first, and of one key the file of the latest
// time: it likely has the newest row, and those of the others need not be encoded.
type rowQueue []*rowCursor

func (q *rowQueue) push(c *rowCursor) {
	*q = append(*q, c)
	h := *q
	for at := len(h) - 1; at > 0; {
		parent := (at - 1) / 2
		if !h.less(at, parent) {
			return
		}
		h[at], h[parent] = h[parent], h[at]
		at = parent
	}
}

// moved restores the heap after the first cursor has moved on, and drops it at its end.
func (q *rowQueue) moved() {
	h := *q
	if h[0].done() {
		last := len(h) - 1
		h[0], h[last] = h[last], nil
		h = h[:last]
		*q = h
	}
	for at := 0; ; {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < len(h); child++ {
			if h.less(child, least) {
				least = child
			}
		}
		if least == at {
			return
		}
		h[at], h[least] = h[least], h[at]
		at = least
	}
}

func (q rowQueue) less(i, j int) bool {
	if c := bytes.Compare(q[i].key, q[j].key); c != 0 {
		return c < 0
	}
	return q[i].file.MaxTime > q[j].file.MaxTime
}
