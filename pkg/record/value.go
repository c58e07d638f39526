package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Tags before each value. Null sorts first.
const (
	tagNull  = 0x01
	tagValue = 0x02
)

// arrayEnd follows the elements of an array, each of which begins with a tag. It
// is less than a tag, so that an array sorts before those that go on.
const arrayEnd = 0x00

// Strings end with {0x00, 0x01}; a zero byte inside is {0x00, 0xff}, so that
// "a" sorts before "a\x00" and the end is never mistaken.
var (
	stringEnd  = []byte{0x00, 0x01}
	zeroInside = []byte{0x00, 0xff}
)

// The NaNs that stand for every NaN, as in feature.Value.
const (
	canonicalNaN   = 0x7ff8000000000000
	canonicalNaN32 = 0x7fc00000
)

const (
	signBit   = 1 << 63
	signBit32 = 1 << 31
)

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, tagValue, 1)
	}
	return append(dst, tagValue, 0)
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tagValue), uint64(v)^signBit)
}

func appendInt32(dst []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, tagValue), uint32(v)^signBit32)
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

// appendFloat32 orders as appendFloat64 does.
func appendFloat32(dst []byte, v float32) []byte {
	bits := math.Float32bits(v)
	if v != v {
		bits = canonicalNaN32
	}
	if bits&signBit32 != 0 {
		bits = ^bits
	} else {
		bits |= signBit32
	}
	return binary.BigEndian.AppendUint32(append(dst, tagValue), bits)
}

func appendString(dst []byte, v string) []byte {
	dst = append(dst, tagValue)
	for {
		zero := strings.IndexByte(v, 0)
		if zero < 0 {
			dst = append(dst, v...)
			return append(dst, stringEnd...)
		}
		dst = append(append(dst, v[:zero]...), zeroInside...)
		v = v[zero+1:]
	}
}

// decodeValue cuts a value off data. It accepts what the encoders write and
// nothing else.
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
	case feature.Int32, feature.Float32:
		return decode32(data, t)
	case feature.Int64, feature.Timestamp, feature.Float64:
		return decode64(data, t)
	}
	if t.IsArray() {
		return decodeArray(data, t)
	}
	return feature.Null, nil, fmt.Errorf("values of type %s are not encoded", t)
}

func decode64(data []byte, t feature.Type) (v feature.Value, rest []byte, err error) {
	if len(data) < 8 {
		return feature.Null, nil, fmt.Errorf("%d bytes, want 8", len(data))
	}
	bits, rest := binary.BigEndian.Uint64(data), data[8:]
	switch t {
	case feature.Int64:
		return feature.Int64Value(int64(bits ^ signBit)), rest, nil
	case feature.Timestamp:
		return feature.TimestampValue(window.Time(bits ^ signBit)), rest, nil
	}
	if bits&signBit != 0 {
		bits ^= signBit
	} else {
		bits = ^bits
	}
	f := math.Float64frombits(bits)
	if math.IsNaN(f) && bits != canonicalNaN {
		return feature.Null, nil, fmt.Errorf("NaN with bits %#x", bits)
	}
	return feature.Float64Value(f), rest, nil
}

func decode32(data []byte, t feature.Type) (v feature.Value, rest []byte, err error) {
	if len(data) < 4 {
		return feature.Null, nil, fmt.Errorf("%d bytes, want 4", len(data))
	}
	bits, rest := binary.BigEndian.Uint32(data), data[4:]
	if t == feature.Int32 {
		return feature.Int32Value(int32(bits ^ signBit32)), rest, nil
	}
	if bits&signBit32 != 0 {
		bits ^= signBit32
	} else {
		bits = ^bits
	}
	f := math.Float32frombits(bits)
	if f != f && bits != canonicalNaN32 {
		return feature.Null, nil, fmt.Errorf("NaN with bits %#x", bits)
	}
	return feature.Float32Value(f), rest, nil
}

// decodeArray takes memory in proportion to the array's bytes: an element has one
// at least.
func decodeArray(data []byte, t feature.Type) (v feature.Value, rest []byte, err error) {
	var elements []feature.Value
	for {
		if len(data) > 0 && data[0] == arrayEnd {
			return feature.ArrayValue(t.Element(), elements), data[1:], nil
		}
		var element feature.Value
		if element, data, err = decodeValue(data, t.Element()); err != nil {
			return feature.Null, nil, fmt.Errorf("element %d: %w", len(elements), err)
		}
		elements = append(elements, element)
	}
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
