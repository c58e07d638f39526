package aggregate

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

// Lists keep Bools and numbers as keys: int64s in the order of the values. Those of
// Int64 and Int32 are the values, those of Bool 0 and 1, those of Float64 are
// floatKey and those of Float32 its like for 32 bits.

// isKey reports whether values of t are kept as keys.
func isKey(t feature.Type) bool { return t == feature.Bool || t.Numeric() }

const canonicalNaN32 = 0x7fc00000

// float32Key is floatKey for Float32: an int64 in the range of int32.
func float32Key(x float32) int64 {
	bits := math.Float32bits(x + 0) // -0 + 0 is +0
	if x != x {
		bits = canonicalNaN32
	}
	return int64(swapFloat32Bits(int32(bits)))
}

func keyFloat32(key int64) float32 {
	return math.Float32frombits(uint32(swapFloat32Bits(int32(key))))
}

// swapFloat32Bits is swapFloatBits for Float32.
func swapFloat32Bits(b int32) int32 { return b ^ int32(uint32(b>>31)>>1) }

// appendKeys appends the keys of the rows from from to to-1; those of nulls are anything.
func appendKeys(dst []int64, column arrow.Array, from, to int) []int64 {
	switch column := column.(type) {
	case *array.Int64:
		return append(dst, column.Int64Values()[from:to]...)
	case *array.Int32:
		for _, v := range column.Int32Values()[from:to] {
			dst = append(dst, int64(v))
		}
	case *array.Float64:
		for _, v := range column.Float64Values()[from:to] {
			dst = append(dst, floatKey(v))
		}
	case *array.Float32:
		for _, v := range column.Float32Values()[from:to] {
			dst = append(dst, float32Key(v))
		}
	case *array.Boolean:
		for i := from; i < to; i++ {
			var key int64
			if column.Value(i) {
				key = 1
			}
			dst = append(dst, key)
		}
	}
	return dst
}

// hasStrayFloats reports whether the rows from from to to-1 have a zero with a sign,
// which keys do not give back. A NaN may have any bits: Arrow's dictionaries, and other
// writers of Parquet, have one of their own.
func hasStrayFloats(column arrow.Array, from, to int) bool {
	switch column := column.(type) {
	case *array.Float64:
		for i, v := range column.Float64Values()[from:to] {
			if v == 0 && math.Signbit(v) && column.IsValid(from+i) {
				return true
			}
		}
	case *array.Float32:
		for i, v := range column.Float32Values()[from:to] {
			if v == 0 && math.Signbit(float64(v)) && column.IsValid(from+i) {
				return true
			}
		}
	}
	return false
}

// isKeyOf reports whether a value of type t has that key.
func isKeyOf(t feature.Type, key int64) bool {
	switch t {
	case feature.Bool:
		return key == 0 || key == 1
	case feature.Int32:
		return key == int64(int32(key))
	case feature.Float32:
		return key == float32Key(keyFloat32(key))
	case feature.Float64:
		return key == floatKey(keyFloat(key))
	}
	return true
}

func keyValue(t feature.Type, key int64) feature.Value {
	switch t {
	case feature.Bool:
		return feature.BoolValue(key == 1)
	case feature.Int32:
		return feature.Int32Value(int32(key))
	case feature.Float32:
		return feature.Float32Value(keyFloat32(key))
	case feature.Float64:
		return feature.Float64Value(keyFloat(key))
	}
	return feature.Int64Value(key)
}

// keyWidth is the length of appendKey's bytes.
func keyWidth(t feature.Type) int {
	switch t {
	case feature.Bool:
		return 1
	case feature.Int32, feature.Float32:
		return 4
	}
	return 8
}

// appendKey appends the key of a value of type t as bytes that sort like the key.
func appendKey(dst []byte, t feature.Type, key int64) []byte {
	switch keyWidth(t) {
	case 1:
		return append(dst, byte(key))
	case 4:
		return binary.BigEndian.AppendUint32(dst, uint32(key)^1<<31)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(key)^1<<63)
}

// cutKey reads what appendKey wrote.
func cutKey(t feature.Type, data []byte) (key int64, rest []byte, err error) {
	head, rest, err := cutBytes(data, uint64(keyWidth(t)))
	if err != nil {
		return 0, nil, err
	}
	switch len(head) {
	case 1:
		key = int64(head[0])
	case 4:
		key = int64(int32(binary.BigEndian.Uint32(head) ^ 1<<31))
	default:
		key = int64(binary.BigEndian.Uint64(head) ^ 1<<63)
	}
	if !isKeyOf(t, key) {
		return 0, nil, damaged("no %s: %#x", t, head)
	}
	return key, rest, nil
}
