package frame_test

import (
	"bytes"
	"math"
	"math/big"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/decimal256"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
)

// foreign returns an Arrow file with a column x of a type: a null and then what add appends.
func foreign[B array.Builder](t *testing.T, of arrow.DataType, add func(b B)) []byte {
	builder := array.NewBuilder(memory.DefaultAllocator, of)
	builder.AppendNull()
	add(builder.(B))
	column := builder.NewArray()
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: of, Nullable: true}}, nil)
	var file bytes.Buffer
	w := ipc.NewWriter(&file, ipc.WithSchema(schema), ipc.WithZstd())
	require.NoError(t, w.Write(array.NewRecord(schema, []arrow.Array{column}, int64(column.Len()))))
	require.NoError(t, w.Close())
	return file.Bytes()
}

func ints(t *testing.T, values ...int64) []byte {
	return foreign(t, arrow.PrimitiveTypes.Int64, func(b *array.Int64Builder) { b.AppendValues(values, nil) })
}

func float64s(t *testing.T, values ...float64) []byte {
	return foreign(t, arrow.PrimitiveTypes.Float64, func(b *array.Float64Builder) { b.AppendValues(values, nil) })
}

func times(t *testing.T, of arrow.DataType, values ...arrow.Timestamp) []byte {
	return foreign(t, of, func(b *array.TimestampBuilder) { b.AppendValues(values, nil) })
}

func decimals(t *testing.T, scale int32, value decimal128.Num) []byte {
	return foreign(t, &arrow.Decimal128Type{Precision: 38, Scale: scale}, func(b *array.Decimal128Builder) { b.Append(value) })
}

func TestForeignTypesBecomeFeatureTypes(t *testing.T) {
	t.Parallel()
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}
	for name, c := range map[string]struct {
		file []byte
		as   feature.Type // known; InvalidType: not
		want string
	}{
		"widened":       {ints(t, 1<<53), feature.Float64, "x Float64\n[null]\n[9.007199254740992e+15]\n"},
		"narrowed":      {ints(t, math.MaxInt32), feature.Int32, "x Int32\n[null]\n[2147483647]\n"},
		"pandas' nulls": {float64s(t, -1), feature.Int64, "x Int64\n[null]\n[-1]\n"},
		"halved":        {float64s(t, 0.5, math.NaN()), feature.Float32, "x Float32\n[null]\n[0.5]\n[NaN]\n"},
		"category": {foreign(t, dictionary, func(b *array.BinaryDictionaryBuilder) {
			require.NoError(t, b.AppendString("a"))
		}), 0, "x String\n[null]\n[a]\n"},
		"large text": {foreign(t, arrow.BinaryTypes.LargeString, func(b *array.LargeStringBuilder) { b.Append("é") }), 0, "x String\n[null]\n[é]\n"},
		"uint64":     {foreign(t, arrow.PrimitiveTypes.Uint64, func(b *array.Uint64Builder) { b.Append(math.MaxInt64) }), 0, "x Int64\n[null]\n[9223372036854775807]\n"},
		"decimal128": {decimals(t, 0, decimal128.FromI64(math.MinInt64)), 0, "x Int64\n[null]\n[-9223372036854775808]\n"},
		"decimal256": {foreign(t, &arrow.Decimal256Type{Precision: 76}, func(b *array.Decimal256Builder) {
			b.Append(decimal256.FromI64(-7))
		}), 0, "x Int64\n[null]\n[-7]\n"},
		"date64": {foreign(t, arrow.FixedWidthTypes.Date64, func(b *array.Date64Builder) { b.Append(-1) }), 0, "x Timestamp\n[null]\n[1969-12-31T00:00:00Z]\n"},
		"seconds of another zone": {
			times(t, &arrow.TimestampType{Unit: arrow.Second, TimeZone: "Asia/Tokyo"}, -62135596800), 0, "x Timestamp\n[null]\n[0001-01-01T00:00:00Z]\n",
		},
		"milliseconds": {times(t, arrow.FixedWidthTypes.Timestamp_ms, 253402300799999), 0, "x Timestamp\n[null]\n[9999-12-31T23:59:59.999Z]\n"},
		"nanoseconds":  {times(t, &arrow.TimestampType{Unit: arrow.Nanosecond}, -1), 0, "x Timestamp\n[null]\n[1969-12-31T23:59:59.999999Z]\n"},
		"fixed lists": {foreign(t, arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int8), func(b *array.FixedSizeListBuilder) {
			b.Append(true)
			b.ValueBuilder().(*array.Int8Builder).AppendValues([]int8{1, -2}, nil)
		}), 0, "x Array[Int64]\n[null]\n[[1, -2]]\n"},
		"large lists": {foreign(t, arrow.LargeListOf(arrow.PrimitiveTypes.Int32), func(b *array.LargeListBuilder) {
			b.Append(true)
			b.ValueBuilder().AppendNull()
		}), feature.ArrayOf(feature.Float64), "x Array[Float64]\n[null]\n[[null]]\n"},
		"nothing": {foreign(t, arrow.Null, func(*array.NullBuilder) {}), feature.ArrayOf(feature.Int64), "x Array[Int64]\n[null]\n"},
	} {
		o := frame.Options{}
		if c.as != feature.InvalidType {
			o.Known = feature.Schema{{Name: "x", Type: c.as}}
		}
		got, err := read(c.file, frame.Arrow, o)
		require.NoError(t, err, name)
		require.Equal(t, c.want, render(got), name)
	}
}

func TestValuesThatWouldChangeAreErrors(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		file []byte
		as   feature.Type
	}{
		`row 2, column "x": 9007199254740993 cannot be float64 without change`:    {ints(t, 1<<53+1), feature.Float64},
		`row 2, column "x": 9223372036854775807 cannot be float64 without change`: {ints(t, math.MaxInt64), feature.Float64},
		`row 3, column "x": -2147483649 cannot be int32 without change`:           {ints(t, 0, math.MinInt32-1), feature.Int32},
		`row 2, column "x": 1.5 cannot be int64 without change`:                   {float64s(t, 1.5), feature.Int64},
		`row 2, column "x": NaN cannot be int64 without change`:                   {float64s(t, math.NaN()), feature.Int64},
		`row 2, column "x": 9.223372036854776e+18 cannot be int64 without change`: {float64s(t, 1<<63), feature.Int64},
		`row 2, column "x": 0.1 cannot be float32 without change`:                 {float64s(t, 0.1), feature.Float32},
		`row 2, column "x": 9223372036854775808 does not fit Int64: cast the column to a text`: {
			foreign(t, arrow.PrimitiveTypes.Uint64, func(b *array.Uint64Builder) { b.Append(1 << 63) }), 0,
		},
		`row 2, column "x": 10000000000000000000000000 does not fit Int64: cast the column to a text`: {
			decimals(t, 0, decimal128.FromBigInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(25), nil))), 0,
		},
		`row 2, column "x": time 253402300800 lies outside years 1 to 9999`: {times(t, arrow.FixedWidthTypes.Timestamp_s, 253402300800), 0},
		`row 2, column "x": "\xff" is not UTF-8`: {
			foreign(t, arrow.BinaryTypes.String, func(b *array.StringBuilder) { b.Append("\xff") }), 0,
		},
		`column "x" is int64 and must be String: cast it`:        {ints(t), feature.String},
		`column "x" is int64 and must be Array[Int64]: cast it`:  {ints(t), feature.ArrayOf(feature.Int64)},
		`column "x" is timestamp[ns] and must be Int64: cast it`: {times(t, &arrow.TimestampType{Unit: arrow.Nanosecond}), feature.Int64},
		`column "x" is decimal(38, 2), which no feature can be: cast it to float64, or to a text`: {
			decimals(t, 2, decimal128.FromI64(1)), 0,
		},
		`column "x" is binary, which no feature can be: cast it to a text, or drop it`: {
			foreign(t, arrow.BinaryTypes.Binary, func(*array.BinaryBuilder) {}), 0,
		},
		`column "x" is duration[ns], which no feature can be: cast it to int64, or drop it`: {
			foreign(t, arrow.FixedWidthTypes.Duration_ns, func(*array.DurationBuilder) {}), 0,
		},
		`column "x" is struct<y: int64>, which no feature can be: cast it to a text, or drop it`: {
			foreign(t, arrow.StructOf(arrow.Field{Name: "y", Type: arrow.PrimitiveTypes.Int64}), func(*array.StructBuilder) {}), 0,
		},
	} {
		o := frame.Options{}
		if c.as != feature.InvalidType {
			o.Known = feature.Schema{{Name: "x", Type: c.as}}
		}
		_, err := read(c.file, frame.Arrow, o)
		require.EqualError(t, err, "data frame: "+want)
	}
}
