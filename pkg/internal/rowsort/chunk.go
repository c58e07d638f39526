package rowsort

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/record"
)

const (
	// Past one of these the pending rows become a chunk: the fewer chunks, the less there
	// is to look up with each record that comes out.
	chunkRows  = 16 << 10
	chunkBytes = 4 << 20
	// arrayBytes is about what an array takes beside its values.
	arrayBytes = 256
)

// chunk is some rows as columns of keys, time and values.
type chunk struct {
	columns []arrow.Array
	keys    *record.KeyEncoder
	times   []arrow.Timestamp
	values  *record.RowEncoder

	fixed    int                 // what a row takes at least, see size
	variable []func(row int) int // what a row takes in a column of another width
	bytes    int64
	common   int // of keyPrefixes when the entries were made; mixedCommon: several
}

const mixedCommon = -1

// newChunk takes columns that nobody else has.
func (s Spec) newChunk(columns []arrow.Array) (*chunk, error) {
	if want := len(s.Keys) + 1 + len(s.Values); len(columns) != want {
		return nil, fmt.Errorf("record of %d columns, want %d keys, the time and %d values", len(columns), len(s.Keys), len(s.Values))
	}
	times, ok := columns[len(s.Keys)].(*array.Timestamp)
	if !ok || times.NullN() > 0 {
		return nil, fmt.Errorf("the time column is of type %s and has %d nulls", columns[len(s.Keys)].DataType(), columns[len(s.Keys)].NullN())
	}
	c := &chunk{columns: columns, times: times.TimestampValues()}
	var err error
	if c.keys, err = record.NewKeyEncoder(s.Keys, columns[:len(s.Keys)]); err != nil {
		return nil, err
	}
	if c.values, err = record.NewRowEncoder(s.Values, columns[len(s.Keys)+1:]); err != nil {
		return nil, err
	}
	for _, column := range columns {
		c.bytes += bytesOf(column.Data())
		if size := sizer(column); size != nil {
			c.variable = append(c.variable, size)
		} else {
			c.fixed += fixedBytes
		}
	}
	return c, nil
}

// copyOf returns a chunk of its own of some columns.
func (s Spec) copyOf(columns []arrow.Array) (*chunk, error) {
	copied := make([]arrow.Array, len(columns))
	for i, column := range columns {
		var err error
		if copied[i], err = array.Concatenate([]arrow.Array{column}, memory.DefaultAllocator); err != nil {
			return nil, fmt.Errorf("copy column %d: %w", i, err)
		}
		unifyNaN(copied[i])
	}
	return s.newChunk(copied)
}

// unifyNaN gives every NaN of a column the canonical form.
func unifyNaN(column arrow.Array) {
	switch c := column.(type) {
	case *array.Float64:
		for i, v := range c.Float64Values() {
			if v != v {
				c.Float64Values()[i] = math.NaN()
			}
		}
	case *array.Float32:
		for i, v := range c.Float32Values() {
			if v != v {
				c.Float32Values()[i] = float32(math.NaN())
			}
		}
	case *array.List:
		unifyNaN(c.ListValues())
	}
}

// bytesOf counts the memory of an array.
func bytesOf(data arrow.ArrayData) int64 {
	total := int64(arrayBytes)
	for _, buffer := range data.Buffers() {
		if buffer != nil {
			total += int64(buffer.Len())
		}
	}
	for _, child := range data.Children() {
		total += bytesOf(child)
	}
	return total
}

// fixedBytes is what a value of fixed width counts for, null or not.
const fixedBytes = 8

// size is what a row counts for: of its values alone, so that records are cut alike
// wherever the row lies. Its canonical bytes are at most twice as many, and one.
func (c *chunk) size(row int) int {
	n := c.fixed
	for _, size := range c.variable {
		n += size(row)
	}
	return n
}

// sizer returns what the rows of a column count for; nil if each counts fixedBytes.
func sizer(column arrow.Array) func(row int) int {
	switch c := column.(type) {
	case *array.String:
		return func(row int) int { return fixedBytes + c.ValueLen(row) }
	case *array.List:
		element := sizer(c.ListValues())
		return func(row int) int {
			from, to := c.ValueOffsets(row)
			if element == nil {
				return fixedBytes * int(1+to-from)
			}
			n := fixedBytes
			for i := from; i < to; i++ {
				n += element(int(i))
			}
			return n
		}
	}
	return nil
}

// widest returns the size of the largest row. ErrTooLarge.
func (c *chunk) widest() (widest int, err error) {
	if len(c.variable) == 0 && 2*c.fixed < record.MaxRowBytes {
		return c.fixed, nil
	}
	var scratch []byte
	for row := range c.times {
		n := c.size(row)
		widest = max(widest, n)
		if 2*n < record.MaxRowBytes {
			continue
		}
		if scratch = c.values.Append(scratch[:0], row); len(scratch) > record.MaxRowBytes {
			return 0, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(scratch), record.MaxRowBytes)
		}
	}
	return widest, nil
}

// pending gathers rows until they are worth a chunk.
type pending struct {
	pieces []*chunk
	rows   int
	bytes  int64
	common int
}

func (p *pending) add(c *chunk, common int) {
	if p.rows == 0 {
		p.common = common
	} else if p.common != common {
		p.common = mixedCommon
	}
	p.pieces = append(p.pieces, c)
	p.rows += len(c.times)
	p.bytes += c.bytes
}

func (p *pending) full() bool { return p.rows >= chunkRows || p.bytes >= chunkBytes }

// close returns the rows, of which there are some, as one chunk, and drops them.
func (p *pending) close(spec Spec) (c *chunk, err error) {
	c = p.pieces[0]
	if len(p.pieces) > 1 {
		columns := make([]arrow.Array, len(c.columns))
		for i := range columns {
			var of []arrow.Array
			for _, piece := range p.pieces {
				of = append(of, piece.columns[i])
			}
			if columns[i], err = array.Concatenate(of, memory.DefaultAllocator); err != nil {
				return nil, fmt.Errorf("gather column %d: %w", i, err)
			}
		}
		if c, err = spec.newChunk(columns); err != nil {
			return nil, err
		}
	}
	c.common = p.common
	*p = pending{}
	return c, nil
}
