package frame

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/window"
)

// number is an integer or a float.
type number struct {
	isFloat bool
	integer int64
	float   float64
}

func (n number) String() string {
	if n.isFloat {
		return strconv.FormatFloat(n.float, 'g', -1, 64)
	}
	return strconv.FormatInt(n.integer, 10)
}

// asInt returns n as an integer if it is one of 64 bits.
func (n number) asInt() (int64, bool) {
	if !n.isFloat {
		return n.integer, true
	}
	if n.float != math.Trunc(n.float) || n.float < -1<<63 || n.float >= 1<<63 {
		return 0, false
	}
	return int64(n.float), true
}

// asFloat returns n as a float of so many bits if it keeps its value.
func (n number) asFloat(bits int) (float64, bool) {
	f := n.float
	if !n.isFloat {
		f = float64(n.integer)
	}
	if bits == 32 {
		f = float64(float32(f))
	}
	if n.isFloat {
		return f, f == n.float || math.IsNaN(f)
	}
	return f, f < 1<<63 && int64(f) == n.integer
}

// numberAppender returns what appends a number to a builder if it keeps its value; nil
// for builders of anything else.
func numberAppender(builder array.Builder) func(number) bool {
	switch b := builder.(type) {
	case *array.Int64Builder:
		return func(n number) bool {
			v, ok := n.asInt()
			b.Append(v)
			return ok
		}
	case *array.Int32Builder:
		return func(n number) bool {
			v, ok := n.asInt()
			b.Append(int32(v))
			return ok && v >= math.MinInt32 && v <= math.MaxInt32
		}
	case *array.Float64Builder:
		return func(n number) bool {
			v, ok := n.asFloat(64)
			b.Append(v)
			return ok
		}
	case *array.Float32Builder:
		return func(n number) bool {
			v, ok := n.asFloat(32)
			b.Append(float32(v))
			return ok
		}
	}
	return nil
}

// numbers returns what reads the numbers of a column; nil if it has others than numbers.
func numbers(column arrow.Array) func(row int) (number, error) {
	switch c := column.(type) {
	case *array.Int8:
		return integers(c.Value)
	case *array.Int16:
		return integers(c.Value)
	case *array.Int32:
		return integers(c.Value)
	case *array.Int64:
		return integers(c.Value)
	case *array.Uint8:
		return integers(c.Value)
	case *array.Uint16:
		return integers(c.Value)
	case *array.Uint32:
		return integers(c.Value)
	case *array.Uint64:
		return func(row int) (number, error) {
			v := c.Value(row)
			if v > math.MaxInt64 {
				return number{}, fmt.Errorf("%d does not fit Int64: cast the column to a text", v)
			}
			return number{integer: int64(v)}, nil
		}
	case *array.Decimal128:
		return wholes(func(row int) *big.Int { return c.Value(row).BigInt() })
	case *array.Decimal256:
		return wholes(func(row int) *big.Int { return c.Value(row).BigInt() })
	case *array.Float16:
		return floats(func(row int) float32 { return c.Value(row).Float32() })
	case *array.Float32:
		return floats(c.Value)
	case *array.Float64:
		return floats(c.Value)
	}
	return nil
}

func integers[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](value func(int) T) func(int) (number, error) {
	return func(row int) (number, error) { return number{integer: int64(value(row))}, nil }
}

func floats[T float32 | float64](value func(int) T) func(int) (number, error) {
	return func(row int) (number, error) { return number{isFloat: true, float: float64(value(row))}, nil }
}

// wholes reads decimals without digits after the point.
func wholes(value func(int) *big.Int) func(int) (number, error) {
	return func(row int) (number, error) {
		v := value(row)
		if !v.IsInt64() {
			return number{}, fmt.Errorf("%s does not fit Int64: cast the column to a text", v)
		}
		return number{integer: v.Int64()}, nil
	}
}

// instants returns what reads the instants of a column; nil if it has others. Those
// outside of years 1 to 9999 are errors.
func instants(column arrow.Array) func(row int) (window.Time, error) {
	const day = 86_400_000_000
	switch c := column.(type) {
	case *array.Date32:
		return func(row int) (window.Time, error) { return scaled(int64(c.Value(row)), day, 1) }
	case *array.Date64:
		return func(row int) (window.Time, error) { return scaled(floorDiv(int64(c.Value(row)), 86_400_000), day, 1) }
	case *array.Timestamp:
		multiply, divide := int64(1), int64(1)
		switch c.DataType().(*arrow.TimestampType).Unit {
		case arrow.Second:
			multiply = 1e6
		case arrow.Millisecond:
			multiply = 1e3
		case arrow.Nanosecond:
			divide = 1e3
		}
		return func(row int) (window.Time, error) { return scaled(int64(c.Value(row)), multiply, divide) }
	}
	return nil
}

// scaled returns v times multiply, divided and cut off toward the past, in microseconds.
func scaled(v, multiply, divide int64) (window.Time, error) {
	v = floorDiv(v, divide)
	if v < floorDiv(int64(window.MinTime), multiply) || v > int64(window.MaxTime)/multiply {
		return 0, fmt.Errorf("time %d lies outside years 1 to 9999", v)
	}
	return window.Time(v * multiply), nil
}

func floorDiv(v, by int64) int64 {
	quotient := v / by
	if v%by < 0 {
		quotient--
	}
	return quotient
}
