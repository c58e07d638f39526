package rowsort

import (
	"bytes"
	"container/heap"
	"fmt"

	"github.com/tilery/tilery/pkg/internal/spill"
)

// merge stands at a row of several runs, the least one.
type merge struct {
	spec  Spec
	runs  *spill.Merge
	queue []*cursor // a heap of records of which some rows are left
	last  []byte    // sort key that was written
	a, b  []byte    // scratch
}

// writeMerged writes a part, the one after the last that was written.
func (s *Sorter) writeMerged(part int32, out *output) error {
	if s.merged == nil {
		if err := s.beginMerge(); err != nil {
			return err
		}
	}
	m := s.merged
	m.leave(out)
	for {
		if err := m.open(); err != nil {
			return fmt.Errorf("merge spilled rows: %w", err)
		}
		if len(m.queue) == 0 || m.queue[0].part > part {
			return out.flush()
		}
		c := m.queue[0]
		switch {
		case c.part < part:
			return fmt.Errorf("spilled rows of part %d are left when those of %d are written", c.part, part)
		case s.spec.Last && bytes.Equal(c.key, m.last):
			s.dropped++
		default:
			if out.full() {
				if err := out.flush(); err != nil {
					return err
				}
				m.leave(out)
			}
			m.last = append(m.last[:0], c.key...)
			if c.index < 0 {
				c.index = out.addChunk(c.chunk)
			}
			out.add(c.place())
		}
		m.next()
	}
}

// beginMerge spills what is left in memory, and reads the runs from then on.
func (s *Sorter) beginMerge() error {
	if len(s.chunks) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	runs, err := s.runs.Merge()
	if err != nil {
		return err
	}
	s.merged = &merge{spec: s.spec, runs: runs}
	return nil
}

// leave takes the records out of an output that holds none of their rows any more, so
// that those that were read to their end are gone.
func (m *merge) leave(out *output) {
	out.setChunks(nil)
	for _, c := range m.queue {
		c.index = -1
	}
}

// open opens the records whose first row may be the least.
func (m *merge) open() error {
	for !m.runs.Done() && (len(m.queue) == 0 || bytes.Compare(m.runs.Key(), m.queue[0].key) <= 0) {
		c, err := m.spec.openCursor(m.runs.Key(), m.runs.Value())
		if err != nil {
			return err
		}
		heap.Push(m, c)
		if err := m.runs.Next(); err != nil {
			return err
		}
	}
	return nil
}

// next moves to the next row of the records that are open.
func (m *merge) next() {
	if m.queue[0].next() {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
}

// Push, Pop, Len, Swap and Less are those of container/heap.
func (m *merge) Push(c any) { m.queue = append(m.queue, c.(*cursor)) }

func (m *merge) Pop() any {
	last := len(m.queue) - 1
	c := m.queue[last]
	m.queue[last] = nil
	m.queue = m.queue[:last]
	return c
}

func (m *merge) Len() int { return len(m.queue) }

func (m *merge) Swap(i, j int) { m.queue[i], m.queue[j] = m.queue[j], m.queue[i] }

// Less orders the rows of two records. Of rows with one sort key that of the latest run
// comes first with Last, so that it is the one to stay.
func (m *merge) Less(i, j int) bool {
	x, y := m.queue[i], m.queue[j]
	if c := bytes.Compare(x.key, y.key); c != 0 {
		return c < 0
	}
	if m.spec.Last {
		return x.run > y.run
	}
	m.a = x.chunk.values.Append(m.a[:0], x.row)
	m.b = y.chunk.values.Append(m.b[:0], y.row)
	return bytes.Compare(m.a, m.b) < 0
}
