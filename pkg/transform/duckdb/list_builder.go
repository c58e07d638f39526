package duckdb

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/transform"
)

// maxElements keeps a record's elements below what 32-bit offsets and memory reach.
const maxElements = 1 << 27

// listBuilder gathers lists: the offsets of their ends, and their elements in the
// order of the rows.
type listBuilder struct {
	nulls
	offsets  []int32
	elements builder
	total    int // elements
}

func (b *listBuilder) append(v vector) error {
	b.offsets = startingAt0(b.offsets)
	elements := v.elements()
	// Rows mostly lie one behind the other, so that one run has them all.
	from, to := 0, 0
	for i, l := range values[list](v) {
		if !v.null(i) && l.length > 0 {
			if int(l.from) != to {
				if err := b.elements.append(elements.run(from, to-from)); err != nil {
					return err
				}
				from = int(l.from)
			}
			to = int(l.from + l.length)
			if b.total += int(l.length); b.total > maxElements {
				return fmt.Errorf("%w: %d rows hold more than %d elements", transform.ErrSQL, b.rows+i+1, maxElements)
			}
		}
		b.offsets = append(b.offsets, int32(b.total))
	}
	b.nulls.append(v)
	return b.elements.append(elements.run(from, to-from))
}

// looseBytes counts an element as eight bytes and what it holds itself.
func (b *listBuilder) looseBytes() int { return 8*b.total + b.elements.looseBytes() }

func (b *listBuilder) finish(t arrow.DataType) arrow.ArrayData {
	elements := b.elements.finish(t.(*arrow.ListType).Elem())
	defer elements.Release()
	offsets := startingAt0(b.offsets)
	b.offsets, b.total = make([]int32, 0, cap(offsets)), 0
	return b.nulls.finish(t, [][]byte{arrow.GetBytes(offsets)}, elements)
}
