package duckdb

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
)

// maxTextBytes keeps a record's text below what 32-bit offsets reach.
const maxTextBytes = 1 << 30

// builder gathers the vectors of one column. Its buffers go into the array that
// finish returns and are never touched again; the next ones are made as large.
type builder interface {
	append(v vector) error
	// looseBytes is the size of what has no fixed width: text and elements.
	looseBytes() int
	finish(t arrow.DataType) arrow.ArrayData
}

func newBuilder(t feature.Type) builder {
	switch t {
	case feature.Bool:
		return &boolBuilder{}
	case feature.String:
		return &textBuilder{}
	case feature.Int32, feature.Float32:
		return &numberBuilder[int32]{}
	}
	if t.IsArray() {
		return &listBuilder{elements: newBuilder(t.Element())}
	}
	return &numberBuilder[int64]{}
}

// nulls gathers the rows that are null. The bitmap is made with the first one.
type nulls struct {
	rows  int
	count int
	valid []byte
}

func (n *nulls) append(v vector) {
	missing := 0
	if v.valid != nil {
		missing = v.rows - bitutil.CountSetBits(v.valid, v.first, v.rows)
	}
	if missing > 0 || n.valid != nil {
		first := n.valid == nil
		n.valid = withBits(n.valid, n.rows+v.rows)
		if first {
			bitutil.SetBitsTo(n.valid, 0, int64(n.rows), true)
		}
		if v.valid != nil {
			bitutil.CopyBitmap(v.valid, v.first, v.rows, n.valid, n.rows)
		} else {
			bitutil.SetBitsTo(n.valid, int64(n.rows), int64(v.rows), true)
		}
	}
	n.rows += v.rows
	n.count += missing
}

// withBits returns a bitmap that begins with bits and has room for count of them.
func withBits(bits []byte, count int) []byte {
	need := int(bitutil.BytesForBits(int64(count)))
	if need <= len(bits) {
		return bits
	}
	return append(bits, make([]byte, max(need-len(bits), len(bits), batchRows/8))...)
}

// finish makes the array's data of the bitmap, the other buffers and the elements
// of lists, and starts over.
func (n *nulls) finish(t arrow.DataType, buffers [][]byte, elements ...arrow.ArrayData) arrow.ArrayData {
	all := []*memory.Buffer{nil}
	if n.valid != nil {
		all[0] = memory.NewBufferBytes(n.valid)
	}
	for _, b := range buffers {
		all = append(all, memory.NewBufferBytes(b))
	}
	data := array.NewData(t, n.rows, all, elements, n.count, 0)
	*n = nulls{}
	return data
}

// numberBuilder gathers numbers and timestamps, whose bits are the same in DuckDB
// and in Arrow.
type numberBuilder[T int32 | int64] struct {
	nulls
	numbers []T
}

func (b *numberBuilder[T]) append(v vector) error {
	b.nulls.append(v)
	b.numbers = append(b.numbers, values[T](v)...)
	return nil
}

func (b *numberBuilder[T]) looseBytes() int { return 0 }

func (b *numberBuilder[T]) finish(t arrow.DataType) arrow.ArrayData {
	numbers := b.numbers
	b.numbers = make([]T, 0, cap(numbers))
	return b.nulls.finish(t, [][]byte{arrow.GetBytes(numbers)})
}

// boolBuilder gathers bytes of 0 and 1 into bits.
type boolBuilder struct {
	nulls
	bits []byte
}

func (b *boolBuilder) append(v vector) error {
	b.bits = withBits(b.bits, b.rows+v.rows)
	for i, value := range values[byte](v) {
		// A null's byte may hold anything.
		bitutil.SetBitTo(b.bits, b.rows+i, value == 1)
	}
	b.nulls.append(v)
	return nil
}

func (b *boolBuilder) looseBytes() int { return 0 }

func (b *boolBuilder) finish(t arrow.DataType) arrow.ArrayData {
	bits := b.bits
	b.bits = nil
	return b.nulls.finish(t, [][]byte{bits})
}

// textBuilder gathers strings into one run of bytes and the offsets of their ends.
type textBuilder struct {
	nulls
	offsets []int32
	text    []byte
}

func (b *textBuilder) append(v vector) error {
	b.offsets = startingAt0(b.offsets)
	texts := values[text](v)
	for i := range texts {
		if !v.null(i) {
			value := texts[i].bytes()
			if len(b.text)+len(value) > maxTextBytes {
				return fmt.Errorf("%w: %d rows hold more than %d bytes of text", transform.ErrSQL, b.rows+i+1, maxTextBytes)
			}
			b.text = append(b.text, value...)
		}
		b.offsets = append(b.offsets, int32(len(b.text)))
	}
	b.nulls.append(v)
	return nil
}

func (b *textBuilder) looseBytes() int { return len(b.text) }

func (b *textBuilder) finish(t arrow.DataType) arrow.ArrayData {
	offsets, text := startingAt0(b.offsets), b.text
	b.offsets = make([]int32, 0, cap(offsets))
	b.text = make([]byte, 0, min(len(text)+len(text)/8, batchTextBytes))
	return b.nulls.finish(t, [][]byte{arrow.GetBytes(offsets), text})
}

// startingAt0 returns the offsets with the first, which comes before any row.
func startingAt0(offsets []int32) []int32 {
	if len(offsets) == 0 {
		offsets = append(offsets, 0)
	}
	return offsets
}
