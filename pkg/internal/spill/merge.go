package spill

import (
	"bytes"
	"errors"
	"io"
)

// Merge stands at an entry of several runs, the least by its key.
type Merge struct {
	runs  *Runs
	queue []*reader // a heap
	read  int       // bytes since Stop was asked
}

func (r *Runs) merge(of []*run) (*Merge, error) {
	m := &Merge{runs: r}
	for _, n := range of {
		c := newReader(n)
		switch err := c.next(); {
		case errors.Is(err, io.EOF):
			r.drop(n)
		case err != nil:
			return nil, err
		default:
			m.queue = append(m.queue, c)
		}
	}
	for i := len(m.queue)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// Done reports whether there is no entry any more.
func (m *Merge) Done() bool { return len(m.queue) == 0 }

// Key is that of the entry, until Next.
func (m *Merge) Key() []byte { return m.queue[0].key() }

// Value is that of the entry, until Next.
func (m *Merge) Value() []byte { return m.queue[0].data[m.queue[0].keyEnd:] }

// Next moves to the next entry.
func (m *Merge) Next() error {
	c := m.queue[0]
	if m.read += len(c.data); m.read >= blockBytes {
		m.read = 0
		if err := m.runs.options.Stop(); err != nil {
			return err
		}
	}
	err := c.next()
	if errors.Is(err, io.EOF) {
		last := len(m.queue) - 1
		m.queue[0], m.queue = m.queue[last], m.queue[:last]
		m.runs.drop(c.run)
	} else if err != nil {
		return err
	}
	m.sink(0)
	return nil
}

// sink restores the heap below a reader that has moved on.
func (m *Merge) sink(at int) {
	for {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < len(m.queue); child++ {
			if bytes.Compare(m.queue[child].key(), m.queue[least].key()) < 0 {
				least = child
			}
		}
		if least == at {
			return
		}
		m.queue[at], m.queue[least] = m.queue[least], m.queue[at]
		at = least
	}
}
