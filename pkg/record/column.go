package record

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
)

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
	case *array.Int32:
		values := column.Int32Values()
		return func(dst []byte, row int) []byte { return appendInt32(dst, values[row]) }
	case *array.Float64:
		values := column.Float64Values()
		return func(dst []byte, row int) []byte { return appendFloat64(dst, values[row]) }
	case *array.Float32:
		values := column.Float32Values()
		return func(dst []byte, row int) []byte { return appendFloat32(dst, values[row]) }
	case *array.String:
		return func(dst []byte, row int) []byte { return appendString(dst, column.Value(row)) }
	case *array.Timestamp:
		values := column.TimestampValues()
		return func(dst []byte, row int) []byte { return appendInt64(dst, int64(values[row])) }
	case *array.List:
		element := columnEncoder(column.ListValues())
		return func(dst []byte, row int) []byte {
			dst = append(dst, tagValue)
			from, to := column.ValueOffsets(row)
			for i := from; i < to; i++ {
				dst = element(dst, int(i))
			}
			return append(dst, arrayEnd)
		}
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
	appendValue(builder, v)
	return nil
}

// appendValue appends a value that may be null to a builder that takes it.
func appendValue(builder array.Builder, v feature.Value) {
	if v.IsNull() {
		builder.AppendNull()
		return
	}
	switch b := builder.(type) {
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.Int64Builder:
		b.Append(v.Int64())
	case *array.Int32Builder:
		b.Append(v.Int32())
	case *array.Float64Builder:
		b.Append(v.Float64())
	case *array.Float32Builder:
		b.Append(v.Float32())
	case *array.StringBuilder:
		b.Append(v.Text())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Timestamp()))
	case *array.ListBuilder:
		b.Append(true)
		for element := range v.Elements() {
			appendValue(b.ValueBuilder(), element)
		}
	}
}
