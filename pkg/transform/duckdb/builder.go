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
	textBytes() int
	finish(t arrow.DataType) arrow.ArrayData
}

func newBuilder(f feature.Field) builder {
	switch f.Type {
	case feature.Bool:
		return &boolBuilder{}
	case feature.String:
		return &textBuilder{}
	}
	return &wordBuilder{}
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
		missing = v.rows - bitutil.CountSetBits(v.valid, 0, v.rows)
	}
	if missing > 0 && n.valid == nil {
		n.valid = make([]byte, bitutil.BytesForBits(batchRows))
		bitutil.SetBitsTo(n.valid, 0, int64(n.rows), true)
	}
	switch {
	case missing > 0:
		bitutil.CopyBitmap(v.valid, 0, v.rows, n.valid, n.rows)
	case n.valid != nil:
		bitutil.SetBitsTo(n.valid, int64(n.rows), int64(v.rows), true)
	}
	n.rows += v.rows
	n.count += missing
}

// finish makes the array's data of the bitmap and the other buffers, and starts over.
func (n *nulls) finish(t arrow.DataType, buffers ...[]byte) arrow.ArrayData {
	all := []*memory.Buffer{nil}
	if n.valid != nil {
		all[0] = memory.NewBufferBytes(n.valid)
	}
	for _, b := range buffers {
		all = append(all, memory.NewBufferBytes(b))
	}
	data := array.NewData(t, n.rows, all, nil, n.count, 0)
	*n = nulls{}
	return data
}

// wordBuilder gathers Int64, Float64 and Timestamp: 64 bits that are the same
// in DuckDB and in Arrow.
type wordBuilder struct {
	nulls
	words []int64
}

func (b *wordBuilder) append(v vector) error {
	b.nulls.append(v)
	b.words = append(b.words, v.words()...)
	return nil
}

func (b *wordBuilder) textBytes() int { return 0 }

func (b *wordBuilder) finish(t arrow.DataType) arrow.ArrayData {
	words := b.words
	b.words = make([]int64, 0, cap(words))
	return b.nulls.finish(t, arrow.Int64Traits.CastToBytes(words))
}

// boolBuilder gathers bytes of 0 and 1 into bits.
type boolBuilder struct {
	nulls
	bits []byte
}

func (b *boolBuilder) append(v vector) error {
	if b.bits == nil {
		b.bits = make([]byte, bitutil.BytesForBits(batchRows))
	}
	for i, value := range v.bytes() {
		// A null's byte may hold anything.
		bitutil.SetBitTo(b.bits, b.rows+i, value == 1)
	}
	b.nulls.append(v)
	return nil
}

func (b *boolBuilder) textBytes() int { return 0 }

func (b *boolBuilder) finish(t arrow.DataType) arrow.ArrayData {
	bits := b.bits
	b.bits = nil
	return b.nulls.finish(t, bits)
}

// textBuilder gathers strings into one run of bytes and the offsets of their ends.
type textBuilder struct {
	nulls
	offsets []int32
	text    []byte
}

func (b *textBuilder) append(v vector) error {
	if len(b.offsets) == 0 {
		b.offsets = append(b.offsets, 0)
	}
	texts := v.texts()
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

func (b *textBuilder) textBytes() int { return len(b.text) }

func (b *textBuilder) finish(t arrow.DataType) arrow.ArrayData {
	offsets, text := b.offsets, b.text
	b.offsets = make([]int32, 0, cap(offsets))
	b.text = make([]byte, 0, min(len(text)+len(text)/8, batchTextBytes))
	return b.nulls.finish(t, arrow.Int32Traits.CastToBytes(offsets), text)
}
