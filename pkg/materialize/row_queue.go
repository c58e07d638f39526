package materialize

import (
	"bytes"
	"encoding/binary"
)

// rowQueue is a heap of cursors, least key first, and of one key the file of the latest
// time: it likely has the newest row, and those of the others need not be encoded.
type rowQueue struct {
	heap []queued
	// start is what the keys of all records that were entered begin with, so that eight
	// bytes after it tell most of them apart.
	start []byte
}

// queued is a cursor, and by what it is sorted.
type queued struct {
	prefix keyPrefix // of its key
	rank   int32     // of the file, the latest first
	cursor *rowCursor
}

// keyPrefix is up to eight bytes of a key, zeros behind them. Two that are whole are
// equal only if the keys are: no key begins with another.
type keyPrefix struct {
	bytes uint64
	whole bool // the key ends with them
}

func (q *rowQueue) prefixOf(key []byte) keyPrefix {
	rest := key[len(q.start):]
	if len(rest) > 8 {
		return keyPrefix{binary.BigEndian.Uint64(rest), false}
	}
	var filled [8]byte
	copy(filled[:], rest)
	return keyPrefix{binary.BigEndian.Uint64(filled[:]), true}
}

// is reports whether the cursor is at a key of that prefix.
func (e *queued) is(key []byte, prefix keyPrefix) bool {
	return e.prefix == prefix && (prefix.whole || bytes.Equal(e.cursor.key, key))
}

func (e *queued) less(other *queued) bool {
	if e.prefix.bytes != other.prefix.bytes {
		return e.prefix.bytes < other.prefix.bytes
	}
	if !e.prefix.whole || !other.prefix.whole {
		if c := bytes.Compare(e.cursor.key, other.cursor.key); c != 0 {
			return c < 0
		}
	}
	return e.rank < other.rank
}

// push adds a cursor that is not at its end.
func (q *rowQueue) push(c *rowCursor, rank int) {
	if len(q.heap) == 0 {
		q.start = bytes.Clone(c.key)
	}
	q.heap = append(q.heap, queued{rank: int32(rank), cursor: c})
	if !q.enter(c) {
		q.heap[len(q.heap)-1].prefix = q.prefixOf(c.key)
	}
	for at := len(q.heap) - 1; at > 0; {
		parent := (at - 1) / 2
		if !q.heap[at].less(&q.heap[parent]) {
			return
		}
		q.heap[at], q.heap[parent] = q.heap[parent], q.heap[at]
		at = parent
	}
}

// enter looks at the keys of a cursor's new record, and reports whether all prefixes were
// made anew for them.
func (q *rowQueue) enter(c *rowCursor) bool {
	c.fresh = false
	n := len(q.start)
	for _, key := range [][]byte{c.key, c.keyOf(c.rows - 1)} {
		for n > 0 && !bytes.HasPrefix(key, q.start[:n]) {
			n--
		}
	}
	if n == len(q.start) {
		return false
	}
	q.start = q.start[:n]
	for i := range q.heap {
		q.heap[i].prefix = q.prefixOf(q.heap[i].cursor.key)
	}
	return true
}

// moved restores the heap after the first cursor has moved on, and drops it at its end.
// It reports whether prefixes are others than before.
func (q *rowQueue) moved() (anew bool) {
	h := q.heap
	switch c := h[0].cursor; {
	case c.done():
		last := len(h) - 1
		h[0], h[last] = h[last], queued{}
		h = h[:last]
		q.heap = h
	case c.fresh:
		if anew = q.enter(c); anew {
			break
		}
		fallthrough
	default:
		h[0].prefix = q.prefixOf(c.key)
	}
	if len(h) == 0 {
		return anew
	}
	e := h[0]
	at := 0
	for {
		least := 2*at + 1
		if least >= len(h) {
			break
		}
		if least+1 < len(h) && h[least+1].less(&h[least]) {
			least++
		}
		if !h[least].less(&e) {
			break
		}
		h[at] = h[least]
		at = least
	}
	h[at] = e
	return anew
}
