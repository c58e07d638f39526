package aggregate_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// seeds are groups of layouts: one for each function and column that has golden
// bytes, and at last one with all aggregations. In that one alone little damage
// would get past the first partials. They are few, since each is run before any
// fuzzing begins.
func seeds() (layouts []*aggregate.Layout, states [][]*aggregate.States) {
	var all []row
	for _, field := range schema {
		own := samples(field.Name)
		for _, of := range own {
			all = append(all, of.rows...)
		}
		for _, kind := range slices.Sorted(maps.Keys(goldens)) {
			for _, f := range goldenFunctions(kind, field.Type) {
				l := newLayout(feature.Aggregation{Column: field.Name, Function: f})
				layouts = append(layouts, l)
				states = append(states, []*aggregate.States{build(l, own[2%len(own)].rows, 1), build(l, own[len(own)-1].rows, 1)})
			}
		}
	}
	l := newLayout(everything()...)
	return append(layouts, l), append(states, []*aggregate.States{build(l, all, 1)})
}

func FuzzMergeEncoded(f *testing.F) {
	layouts, states := seeds()
	for at := range layouts {
		for _, s := range states[at] {
			f.Add(uint8(at), s.AppendEncoded(nil, 0))
		}
	}
	f.Fuzz(func(t *testing.T, at uint8, data []byte) {
		requireDamagedOrItself(t, layouts[int(at)%len(layouts)].NewStates(), data)
	})
}

func FuzzMergeColumns(f *testing.F) {
	layouts, states := seeds()
	for at, l := range layouts {
		for _, s := range states[at] {
			var data []byte
			for _, c := range tiles(l, s) {
				data = appendCell(data, c, 0)
			}
			f.Add(uint8(at), data)
		}
	}
	f.Fuzz(func(t *testing.T, at uint8, data []byte) {
		l := layouts[int(at)%len(layouts)]
		var columns []arrow.Array
		for _, field := range l.Fields() {
			b := array.NewBuilder(memory.DefaultAllocator, field.Type)
			data = readCell(data, b)
			columns = append(columns, b.NewArray())
		}
		requireColumnsDamagedOrThemselves(t, l, l.NewStates(), columns)
	})
}

// appendCell writes a value for readCell: 0 for null, else 1 and the 8 bytes of
// a number, or a length in 4 bytes and the text or the elements.
func appendCell(dst []byte, column arrow.Array, i int) []byte {
	if column.IsNull(i) {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	number := func(bits uint64) []byte { return binary.LittleEndian.AppendUint64(dst, bits) }
	length := func(n int) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(n)) }
	switch c := column.(type) {
	case *array.Boolean:
		return number(map[bool]uint64{true: 1}[c.Value(i)])
	case *array.Int32:
		return number(uint64(c.Value(i)))
	case *array.Int64:
		return number(uint64(c.Value(i)))
	case *array.Timestamp:
		return number(uint64(c.Value(i)))
	case *array.Float32:
		return number(uint64(math.Float32bits(c.Value(i))))
	case *array.Float64:
		return number(math.Float64bits(c.Value(i)))
	case *array.String:
		return append(length(len(c.Value(i))), c.Value(i)...)
	case *array.Binary:
		return append(length(len(c.Value(i))), c.Value(i)...)
	}
	list := column.(*array.List)
	start, end := list.ValueOffsets(i)
	dst = length(int(end - start))
	for at := start; at < end; at++ {
		dst = appendCell(dst, list.ListValues(), int(at))
	}
	return dst
}

// readCell appends a value to builder, null when data ends, and returns the bytes
// after it.
func readCell(data []byte, builder array.Builder) []byte {
	if len(data) == 0 || data[0] == 0 {
		builder.AppendNull()
		return data[min(1, len(data)):]
	}
	var word [8]byte
	data = data[1:]
	cut := func(n int) uint64 {
		clear(word[:])
		data = data[copy(word[:n], data):]
		return binary.LittleEndian.Uint64(word[:])
	}
	text := func() []byte {
		n := min(int(cut(4)), len(data))
		defer func() { data = data[n:] }()
		return data[:n]
	}
	switch b := builder.(type) {
	case *array.BooleanBuilder:
		b.Append(cut(8)&1 == 1)
	case *array.Int32Builder:
		b.Append(int32(cut(8)))
	case *array.Int64Builder:
		b.Append(int64(cut(8)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(cut(8)))
	case *array.Float32Builder:
		b.Append(math.Float32frombits(uint32(cut(8))))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(cut(8)))
	case *array.StringBuilder:
		b.Append(string(text()))
	case *array.BinaryBuilder:
		b.Append(text())
	case *array.ListBuilder:
		b.Append(true)
		for range min(int(cut(4)), len(data)) {
			data = readCell(data, b.ValueBuilder())
		}
	default:
		panic(fmt.Sprintf("no column of %s", builder.Type())) //nolint:forbidigo // a type is missing above
	}
	return data
}
