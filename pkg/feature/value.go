package feature

import (
	"math"
	"strconv"

	"github.com/tilery/tilery/pkg/window"
)

// Value is one feature value or join key: null, or a value of a Type. The zero
// Value is null. Values compare with ==; a NaN equals a NaN.
type Value struct {
	kind Type
	bits uint64
	text string // of an array: its elements, see array.go
}

// Null is the absent value.
var Null = Value{}

// BoolValue returns a Bool.
func BoolValue(v bool) Value {
	if v {
		return Value{kind: Bool, bits: 1}
	}
	return Value{kind: Bool}
}

// Int64Value returns an Int64.
func Int64Value(v int64) Value { return Value{kind: Int64, bits: uint64(v)} }

// Int32Value returns an Int32.
func Int32Value(v int32) Value { return Value{kind: Int32, bits: uint64(v)} }

// Float32Value returns a Float32, with NaN and zeros as in Float64Value.
func Float32Value(v float32) Value {
	if v != v {
		return Value{kind: Float32, bits: canonicalNaN32}
	}
	return Value{kind: Float32, bits: uint64(math.Float32bits(v))}
}

// canonicalNaN is the one NaN that Values hold: hardware, DuckDB and Go's
// math.NaN make different ones, and == compares bits.
const (
	canonicalNaN   = 0x7ff8000000000000
	canonicalNaN32 = 0x7fc00000
)

// Float64Value returns a Float64. Infinities are values like any other, and so is
// NaN, whatever its bits; 0 and -0 differ.
func Float64Value(v float64) Value {
	if math.IsNaN(v) {
		return Value{kind: Float64, bits: canonicalNaN}
	}
	return Value{kind: Float64, bits: math.Float64bits(v)}
}

// StringValue returns a String.
func StringValue(v string) Value { return Value{kind: String, text: v} }

// TimestampValue returns a Timestamp.
func TimestampValue(v window.Time) Value { return Value{kind: Timestamp, bits: uint64(v)} }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == InvalidType }

// Type returns v's type, InvalidType when v is null.
func (v Value) Type() Type { return v.kind }

// Bool returns the Bool in v; false for other types.
func (v Value) Bool() bool { return v.kind == Bool && v.bits == 1 }

// Int64 returns the Int64 in v; 0 for other types.
func (v Value) Int64() int64 {
	if v.kind != Int64 {
		return 0
	}
	return int64(v.bits)
}

// Float64 returns the Float64 in v; 0 for other types.
func (v Value) Float64() float64 {
	if v.kind != Float64 {
		return 0
	}
	return math.Float64frombits(v.bits)
}

// Int32 returns the Int32 in v; 0 for other types.
func (v Value) Int32() int32 {
	if v.kind != Int32 {
		return 0
	}
	return int32(v.bits)
}

// Float32 returns the Float32 in v; 0 for other types.
func (v Value) Float32() float32 {
	if v.kind != Float32 {
		return 0
	}
	return math.Float32frombits(uint32(v.bits))
}

// Text returns the String in v; "" for other types.
func (v Value) Text() string {
	if v.kind != String {
		return ""
	}
	return v.text
}

// Timestamp returns the Timestamp in v; the epoch for other types.
func (v Value) Timestamp() window.Time {
	if v.kind != Timestamp {
		return 0
	}
	return window.Time(v.bits)
}

// String renders v for messages and tables.
func (v Value) String() string {
	switch v.kind {
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case Float64:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case Int32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case Float32:
		return strconv.FormatFloat(float64(v.Float32()), 'g', -1, 32)
	case String:
		return v.text
	case Timestamp:
		return v.Timestamp().String()
	case InvalidType:
		return "null"
	default:
		return v.arrayString()
	}
}
