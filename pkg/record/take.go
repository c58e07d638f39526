package record

import (
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// ErrTake is a choice of rows that no column can hold: of different types, or with
// more than 2^31-1 bytes of text or elements of lists.
var ErrTake = errors.New("cannot take rows")

// Place is a row of one of several columns; a negative one is no row.
type Place int64

// PlaceOf returns the place of a row of the column with that index. Both are not negative.
func PlaceOf(column, row int32) Place { return Place(column)<<32 | Place(row) }

// Take returns the rows of a column in the order asked for, each as often as it is
// asked for; -1 gives null. The column has an ArrowType, or is Binary, a list of
// such, or Null. The result shares no memory with it. A row that is not there
// panics, as for a slice.
func Take(column arrow.Array, rows []int32) (arrow.Array, error) {
	return take([]arrow.Array{column}, rows)
}

// TakeColumns is Take from each of the columns, all or none.
func TakeColumns(columns []arrow.Array, rows []int32) ([]arrow.Array, error) {
	taken, err := takeEach(columns, rows)
	if err != nil {
		release(taken)
		return nil, err
	}
	return taken, nil
}

// TakeRecord is Take from each column of a record, whose schema the result has. An error
// names the column.
func TakeRecord(rec arrow.Record, rows []int32) (arrow.Record, error) {
	taken, err := takeEach(rec.Columns(), rows)
	defer release(taken) // the record that is made holds them itself
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", rec.ColumnName(len(taken)), err)
	}
	return array.NewRecord(rec.Schema(), taken, int64(len(rows))), nil
}

// takeEach returns with an error what it took before: the index of the column that failed
// is how many that are.
func takeEach(columns []arrow.Array, rows []int32) ([]arrow.Array, error) {
	taken := make([]arrow.Array, 0, len(columns))
	for _, column := range columns {
		part, err := Take(column, rows)
		if err != nil {
			return taken, err
		}
		taken = append(taken, part)
	}
	return taken, nil
}

func release(columns []arrow.Array) {
	for _, column := range columns {
		column.Release()
	}
}

// TakeChunks is Take from several columns of one type, of which there is one at least.
func TakeChunks(columns []arrow.Array, places []Place) (arrow.Array, error) {
	if len(columns) == 0 {
		return nil, fmt.Errorf("%w: of no column", ErrTake)
	}
	for _, column := range columns[1:] {
		if !arrow.TypeEqual(columns[0].DataType(), column.DataType()) {
			return nil, fmt.Errorf("%w: of %s and of %s", ErrTake, columns[0].DataType(), column.DataType())
		}
	}
	return take(columns, places)
}

// index is a row of a column, or a Place. A row is the Place of itself in the first
// of the columns: both are read as one.
type index interface{ ~int32 | ~int64 }

// take is not Arrow's own, which grows texts value by value.
func take[I index](columns []arrow.Array, at []I) (arrow.Array, error) {
	var body []*memory.Buffer
	var children []arrow.ArrayData
	var err error
	valid, nulls := takeValid(columns, at)
	switch columns[0].DataType().ID() {
	case arrow.NULL:
		valid, nulls = nil, len(at)
	case arrow.BOOL:
		body = []*memory.Buffer{takeBits(columns, at)}
	case arrow.INT32, arrow.FLOAT32:
		body = []*memory.Buffer{memory.NewBufferBytes(arrow.Uint32Traits.CastToBytes(takeFixed(columns, at, arrow.Uint32Traits.CastFromBytes)))}
	case arrow.INT64, arrow.FLOAT64, arrow.TIMESTAMP:
		body = []*memory.Buffer{memory.NewBufferBytes(arrow.Uint64Traits.CastToBytes(takeFixed(columns, at, arrow.Uint64Traits.CastFromBytes)))}
	case arrow.STRING, arrow.BINARY:
		body, err = takeTexts(columns, at)
	case arrow.LIST:
		body, children, err = takeLists(columns, at)
	default:
		err = fmt.Errorf("%w: of type %s", ErrTake, columns[0].DataType())
	}
	if err != nil {
		return nil, err
	}
	data := array.NewData(columns[0].DataType(), len(at), append([]*memory.Buffer{valid}, body...), children, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// takeValid returns nil when no value is null.
func takeValid[I index](columns []arrow.Array, at []I) (valid *memory.Buffer, nulls int) {
	all := true
	masks := make([]bits, len(columns))
	for i, column := range columns {
		if column.NullN() > 0 && column.DataType().ID() != arrow.NULL {
			masks[i] = bitsOf(column, 0)
			all = false
		}
	}
	if all && allThere(at) {
		return nil, 0
	}
	out := make([]byte, (len(at)+7)/8)
	nulls = len(at)
	for i, p := range at {
		if p < 0 {
			continue
		}
		if mask := masks[uint64(p)>>32]; mask.bytes == nil || mask.get(uint32(p)) {
			out[i/8] |= 1 << (i % 8)
			nulls--
		}
	}
	return memory.NewBufferBytes(out), nulls
}

func allThere[I index](at []I) bool {
	var union I
	for _, p := range at {
		union |= p
	}
	return union >= 0
}

func takeBits[I index](columns []arrow.Array, at []I) *memory.Buffer {
	from := make([]bits, len(columns))
	for i, column := range columns {
		from[i] = bitsOf(column, 1)
	}
	out := make([]byte, (len(at)+7)/8)
	for i, p := range at {
		if p >= 0 && from[uint64(p)>>32].get(uint32(p)) {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return memory.NewBufferBytes(out)
}

func takeFixed[T uint32 | uint64, I index](columns []arrow.Array, at []I, cast func([]byte) []T) []T {
	from := make([][]T, len(columns))
	for i, column := range columns {
		from[i] = valuesOf(column, 1, 0, cast)
	}
	out := make([]T, len(at))
	switch {
	case !allThere(at):
		for i, p := range at {
			if p >= 0 {
				out[i] = from[uint64(p)>>32][uint32(p)]
			}
		}
	case len(from) == 1:
		only := from[0]
		for i, p := range at {
			out[i] = only[p]
		}
	default:
		for i, p := range at {
			out[i] = from[uint64(p)>>32][uint32(p)]
		}
	}
	return out
}

func takeTexts[I index](columns []arrow.Array, at []I) ([]*memory.Buffer, error) {
	ends := endsOf(columns)
	texts := make([][]byte, len(columns))
	for i, column := range columns {
		if buffer := column.Data().Buffers()[2]; buffer != nil {
			texts[i] = buffer.Bytes()
		}
	}
	offsets, err := takeOffsets(ends, at)
	if err != nil {
		return nil, err
	}
	out := make([]byte, offsets[len(at)])
	for i, p := range at {
		if p < 0 {
			continue
		}
		c, row := uint64(p)>>32, uint32(p)
		copy(out[offsets[i]:offsets[i+1]], texts[c][ends[c][row]:])
	}
	return []*memory.Buffer{memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(out)}, nil
}

func takeLists[I index](columns []arrow.Array, at []I) ([]*memory.Buffer, []arrow.ArrayData, error) {
	ends := endsOf(columns)
	lists := make([]arrow.Array, len(columns))
	for i, column := range columns {
		lists[i] = column.(*array.List).ListValues()
	}
	offsets, err := takeOffsets(ends, at)
	if err != nil {
		return nil, nil, err
	}
	elements := make([]I, 0, offsets[len(at)])
	for i, p := range at {
		if p < 0 {
			continue
		}
		c, row := uint64(p)>>32, uint32(p)
		first := I(c<<32) + I(ends[c][row])
		for range offsets[i+1] - offsets[i] {
			elements = append(elements, first)
			first++
		}
	}
	values, err := take(lists, elements)
	if err != nil {
		return nil, nil, err
	}
	return []*memory.Buffer{memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}, []arrow.ArrayData{values.Data()}, nil
}

// takeOffsets returns where the taken values begin and end, given where those of
// each column do. What lies under a null is taken, too.
func takeOffsets[I index](ends [][]int32, at []I) ([]int32, error) {
	offsets := make([]int32, len(at)+1)
	total := int64(0)
	for i, p := range at {
		if p >= 0 {
			of, row := ends[uint64(p)>>32], uint32(p)
			total += int64(of[row+1] - of[row])
		}
		offsets[i+1] = int32(total)
		if total > math.MaxInt32 {
			return nil, fmt.Errorf("%w: %d of %d have more than %d bytes or elements", ErrTake, i+1, len(at), math.MaxInt32)
		}
	}
	return offsets, nil
}

// endsOf returns the offsets of columns of texts or lists: one more than values,
// or one that is empty may have none.
func endsOf(columns []arrow.Array) [][]int32 {
	ends := make([][]int32, len(columns))
	for i, column := range columns {
		if column.Len() > 0 {
			ends[i] = valuesOf(column, 1, 1, arrow.Int32Traits.CastFromBytes)
		}
	}
	return ends
}

// valuesOf returns a buffer of a column as values, of which there are more than rows.
func valuesOf[T any](column arrow.Array, buffer, more int, cast func([]byte) []T) []T {
	data := column.Data()
	if data.Len() == 0 {
		return nil
	}
	return cast(data.Buffers()[buffer].Bytes())[data.Offset() : data.Offset()+data.Len()+more]
}

// bits is a bitmap of a column's rows.
type bits struct {
	bytes []byte
	first int
}

func bitsOf(column arrow.Array, buffer int) bits {
	data := column.Data()
	if data.Len() == 0 {
		return bits{}
	}
	return bits{bytes: data.Buffers()[buffer].Bytes(), first: data.Offset()}
}

func (b bits) get(row uint32) bool {
	i := b.first + int(row)
	return b.bytes[i/8]>>(i%8)&1 != 0
}
