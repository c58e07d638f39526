package aggregate

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
)

// widenedType is Int64 for Int32 and Float64 for Float32: wide enough for every
// value of them. Other types are themselves.
func widenedType(t feature.Type) feature.Type {
	switch t {
	case feature.Int32:
		return feature.Int64
	case feature.Float32:
		return feature.Float64
	}
	return t
}

// widened returns p with the type that its states work on. Those that compute know
// Int64 and Float64 only; lists keep the values of a column as they are, and a count
// does not look at them.
func widened(p feature.Partial) feature.Partial {
	switch p.Kind {
	case feature.PartialSum, feature.PartialSumOfSquares, feature.PartialMin, feature.PartialMax, feature.PartialHLL, feature.PartialDDSketch:
		p.Type = widenedType(p.Type)
	}
	return p
}

// widener converts one input of Add, once for all partials of its column. Its
// memory is used again.
type widener struct {
	values arrow.Array // what of returned since the last reset
	ints   []int64
	floats []float64
}

func (w *widener) reset() { w.values = nil }

// of returns an Int32 or Float32 array as one of widenedType, which is valid until
// the call after the next reset. It has no nulls: the groups of Add know them.
func (w *widener) of(narrow arrow.Array) arrow.Array {
	if w.values != nil {
		return w.values
	}
	if ints, ok := narrow.(*array.Int32); ok {
		w.ints = w.ints[:0]
		for _, v := range ints.Int32Values() {
			w.ints = append(w.ints, int64(v))
		}
		w.values = array.NewInt64Data(plainData(arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(w.ints), len(w.ints)))
		return w.values
	}
	w.floats = w.floats[:0]
	for _, v := range narrow.(*array.Float32).Float32Values() {
		w.floats = append(w.floats, float64(v))
	}
	w.values = array.NewFloat64Data(plainData(arrow.PrimitiveTypes.Float64, arrow.Float64Traits.CastToBytes(w.floats), len(w.floats)))
	return w.values
}

// plainData is an array of n values that are not null, over values.
func plainData(t arrow.DataType, values []byte, n int) arrow.ArrayData {
	return array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(values)}, nil, 0, 0)
}

// narrowed returns an Int64 or Float64 that isNarrow as a value of the input's type.
func narrowed(v feature.Value, input feature.Type) feature.Value {
	switch input {
	case feature.Int32:
		return feature.Int32Value(int32(v.Int64()))
	case feature.Float32:
		return feature.Float32Value(float32(v.Float64()))
	}
	return v
}

// isNarrow reports whether a key is one of a value of the input's type.
func (p *numberExtremes) isNarrow(key int64) bool {
	switch p.input {
	case feature.Int32:
		return isInt32(key)
	case feature.Float32:
		return isFloat32(keyFloat(key))
	}
	return true
}

// checkNarrow refuses a column of least or greatest values of which one, in a group
// that is not negative, cannot have come from the input's type.
func checkNarrow(input feature.Type, groups []int32, column arrow.Array) error {
	if input == widenedType(input) {
		return nil
	}
	for i, g := range groups {
		switch {
		case g < 0:
		case input == feature.Int32 && !isInt32(column.(*array.Int64).Value(i)),
			input == feature.Float32 && !isFloat32(column.(*array.Float64).Value(i)):
			return damaged("row %d: %s is no %s", i, column.ValueStr(i), input)
		}
	}
	return nil
}

func isInt32(v int64) bool { return int64(int32(v)) == v }

func isFloat32(v float64) bool { return float64(float32(v)) == v || math.IsNaN(v) }
