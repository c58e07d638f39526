package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Tags before each value. Null sorts first.
const (
	tagNull  = 0x01
	tagValue = 0x02
)

// Strings end with {0x00, 0x01}; a zero byte inside is {0x00, 0xff}, so that
// "a" sorts before "a\x00" and the end is never mistaken.
var (
	stringEnd  = []byte{0x00, 0x01}
	zeroInside = []byte{0x00, 0xff}
)

// canonicalNaN stands for every NaN, as in feature.Value.
const canonicalNaN = 0x7ff8000000000000

const signBit = 1 << 63

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, tagValue, 1)
	}
	return append(dst, tagValue, 0)
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tagValue), uint64(v)^signBit)
}

// appendFloat64 orders -0 before 0, and NaN after all numbers.
func appendFloat64(dst []byte, v float64) []byte {
	bits := math.Float64bits(v)
	if math.IsNaN(v) {
		bits = canonicalNaN
	}
	if bits&signBit != 0 {
		bits = ^bits
	} else {
		bits |= signBit
	}
	return binary.BigEndian.AppendUint64(append(dst, tagValue), bits)
}

func appendString[T string | []byte](dst []byte, v T) []byte {
	dst = append(dst, tagValue)
	for i := range len(v) {
		if v[i] == 0 {
			dst = append(dst, zeroInside...)
			continue
		}
		dst = append(dst, v[i])
	}
	return append(dst, stringEnd...)
}

// decodeValue cuts a value off data. It accepts what the functions above write
// and nothing else.
func decodeValue(data []byte, t feature.Type) (v feature.Value, rest []byte, err error) {
	switch {
	case len(data) == 0:
		return feature.Null, nil, errors.New("no value")
	case data[0] == tagNull:
		return feature.Null, data[1:], nil
	case data[0] != tagValue:
		return feature.Null, nil, fmt.Errorf("unknown tag %#x", data[0])
	}
	data = data[1:]
	switch t {
	case feature.String:
		text, rest, err := cutString(data)
		return feature.StringValue(text), rest, err
	case feature.Bool:
		if len(data) == 0 || data[0] > 1 {
			return feature.Null, nil, errors.New("no truth value")
		}
		return feature.BoolValue(data[0] == 1), data[1:], nil
	}
	if len(data) < 8 {
		return feature.Null, nil, fmt.Errorf("%d bytes, want 8", len(data))
	}
	bits, rest := binary.BigEndian.Uint64(data), data[8:]
	switch t {
	case feature.Int64:
		return feature.Int64Value(int64(bits ^ signBit)), rest, nil
	case feature.Timestamp:
		return feature.TimestampValue(window.Time(bits ^ signBit)), rest, nil
	case feature.Float64:
		v, err := decodeFloat64(bits)
		return v, rest, err
	}
	return feature.Null, nil, fmt.Errorf("values of type %s are not encoded", t)
}

func decodeFloat64(bits uint64) (feature.Value, error) {
	if bits&signBit != 0 {
		bits ^= signBit
	} else {
		bits = ^bits
	}
	v := math.Float64frombits(bits)
	if math.IsNaN(v) && bits != canonicalNaN {
		return feature.Null, fmt.Errorf("NaN with bits %#x", bits)
	}
	return feature.Float64Value(v), nil
}

func cutString(data []byte) (text string, rest []byte, err error) {
	var before []byte // what precedes a zero byte, up to the last one
	for {
		i := bytes.IndexByte(data, 0)
		if i < 0 || i+1 >= len(data) {
			return "", nil, errors.New("string without an end")
		}
		part, after := data[:i], data[i+2:]
		switch data[i+1] {
		case stringEnd[1]:
			if before == nil {
				return string(part), after, nil
			}
			return string(append(before, part...)), after, nil
		case zeroInside[1]:
			before = append(append(before, part...), 0)
			data = after
		default:
			return "", nil, fmt.Errorf("byte %#x after a zero", data[i+1])
		}
	}
}

// valueEncoder appends the value of a row of a column.
type valueEncoder func(dst []byte, row int) []byte

// columnEncoder encodes the values of a column that has an ArrowType.
func columnEncoder(column arrow.Array) valueEncoder {
	encode := notNullEncoder(column)
	if column.NullN() == 0 {
		return encode
	}
	return func(dst []byte, row int) []byte {
		if column.IsNull(row) {
			return append(dst, tagNull)
		}
		return encode(dst, row)
	}
}

func notNullEncoder(column arrow.Array) valueEncoder {
	switch column := column.(type) {
	case *array.Boolean:
		return func(dst []byte, row int) []byte { return appendBool(dst, column.Value(row)) }
	case *array.Int64:
		values := column.Int64Values()
		return func(dst []byte, row int) []byte { return appendInt64(dst, values[row]) }
	case *array.Float64:
		values := column.Float64Values()
		return func(dst []byte, row int) []byte { return appendFloat64(dst, values[row]) }
	case *array.String:
		return func(dst []byte, row int) []byte { return appendString(dst, column.Value(row)) }
	case *array.Timestamp:
		values := column.TimestampValues()
		return func(dst []byte, row int) []byte { return appendInt64(dst, int64(values[row])) }
	}
	panic(fmt.Sprintf("record: columns of type %s are not encoded", column.DataType())) //nolint:forbidigo // both callers compare the type first
}

// appendToColumn appends a value to the builder of a column of its type.
func appendToColumn(builder array.Builder, v feature.Value) error {
	if v.IsNull() {
		builder.AppendNull()
		return nil
	}
	if want := ArrowType(v.Type()); !arrow.TypeEqual(builder.Type(), want) {
		return fmt.Errorf("%s cannot be stored in a column of type %s", v.Type(), builder.Type())
	}
	switch b := builder.(type) {
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.Int64Builder:
		b.Append(v.Int64())
	case *array.Float64Builder:
		b.Append(v.Float64())
	case *array.StringBuilder:
		b.Append(v.Text())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Timestamp()))
	}
	return nil
}
