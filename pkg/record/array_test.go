package record_test

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

var arrayFields = feature.Schema{
	{Name: "small", Type: feature.Int32}, {Name: "single", Type: feature.Float32},
	{Name: "ids", Type: feature.ArrayOf(feature.Int64)}, {Name: "words", Type: feature.ArrayOf(feature.String)},
	{Name: "times", Type: feature.ArrayOf(feature.Timestamp)}, {Name: "flags", Type: feature.ArrayOf(feature.Bool)},
	{Name: "deep", Type: feature.ArrayOf(feature.ArrayOf(feature.ArrayOf(feature.Float32)))},
}

var goldenArrays = map[string][]feature.Value{
	"nulls": make([]feature.Value, len(arrayFields)),
	"empty": {
		feature.Int32Value(0), feature.Float32Value(0), list(feature.Int64), list(feature.String), list(feature.Timestamp),
		list(feature.Bool), list(feature.ArrayOf(feature.ArrayOf(feature.Float32))),
	},
	"values": {
		feature.Int32Value(-7), feature.Float32Value(-0.5),
		list(feature.Int64, feature.Int64Value(-1), feature.Null, feature.Int64Value(1)),
		list(feature.String, feature.StringValue(""), feature.StringValue("a\x00b\x00"), feature.Null),
		list(feature.Timestamp, feature.TimestampValue(-1), feature.TimestampValue(1)),
		list(feature.Bool, feature.Null, feature.BoolValue(true), feature.BoolValue(false)),
		list(feature.ArrayOf(feature.ArrayOf(feature.Float32)),
			feature.Null, list(feature.ArrayOf(feature.Float32)),
			list(feature.ArrayOf(feature.Float32), list(feature.Float32, feature.Float32Value(float32(math.NaN())), feature.Null), feature.Null)),
	},
	"extremes": {
		feature.Int32Value(math.MinInt32), feature.Float32Value(float32(math.NaN())),
		list(feature.Int64, feature.Int64Value(math.MinInt64), feature.Int64Value(math.MaxInt64)),
		list(feature.String, feature.StringValue("é")), list(feature.Timestamp, feature.TimestampValue(math.MaxInt64)),
		list(feature.Bool, feature.Null), feature.Null,
	},
}

func list(element feature.Type, values ...feature.Value) feature.Value {
	return feature.ArrayValue(element, values)
}

func TestArraysOfEarlierProgramsAreRead(t *testing.T) {
	checkGoldens(t, "arrays.golden", arrayFields, goldenArrays)
}

// drawValue returns a value of type t or null; few are likely, so that values meet.
func drawValue(rt *rapid.T, t feature.Type) feature.Value {
	if rapid.IntRange(0, 3).Draw(rt, "null") == 0 {
		return feature.Null
	}
	switch t {
	case feature.Bool:
		return feature.BoolValue(rapid.Bool().Draw(rt, "bool"))
	case feature.Int32:
		return feature.Int32Value(rapid.Int32().Draw(rt, "int32"))
	case feature.Int64:
		return feature.Int64Value(rapid.Int64Range(-1, 1).Draw(rt, "int64"))
	case feature.Float32:
		return feature.Float32Value(rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{
			float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)),
		})).Draw(rt, "float32"))
	case feature.String:
		return feature.StringValue(string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xff}), 0, 2).Draw(rt, "text")))
	case feature.Timestamp:
		return feature.TimestampValue(window.Time(rapid.Int64Range(-1, 1).Draw(rt, "time")))
	}
	elements := make([]feature.Value, rapid.IntRange(0, 3).Draw(rt, "length"))
	for i := range elements {
		elements[i] = drawValue(rt, t.Element())
	}
	return feature.ArrayValue(t.Element(), elements)
}

func drawArrays(rt *rapid.T) []feature.Value {
	row := make([]feature.Value, len(arrayFields))
	for i, f := range arrayFields {
		row[i] = drawValue(rt, f.Type)
	}
	return row
}

func compareArrayRows(a, b []feature.Value) int { return slices.CompareFunc(a, b, compareAny) }

// compareAny orders values of one type: null first, arrays by their elements.
func compareAny(a, b feature.Value) int {
	if a.IsNull() || b.IsNull() {
		return cmp.Compare(b2i(!a.IsNull()), b2i(!b.IsNull()))
	}
	if a.Type().IsArray() {
		return slices.CompareFunc(slices.Collect(a.Elements()), slices.Collect(b.Elements()), compareAny)
	}
	x, y := float64(a.Float32()), float64(b.Float32())
	return cmp.Or(
		cmp.Compare(b2i(a.Bool()), b2i(b.Bool())), cmp.Compare(a.Int32(), b.Int32()), cmp.Compare(a.Int64(), b.Int64()),
		cmp.Compare(b2i(math.IsNaN(x)), b2i(math.IsNaN(y))), cmp.Compare(x, y),
		cmp.Compare(b2i(!math.Signbit(x)), b2i(!math.Signbit(y))),
		cmp.Compare(a.Text(), b.Text()), cmp.Compare(a.Timestamp(), b.Timestamp()),
	)
}

func TestArraysOrderAsTheirValuesAndRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawArrays(rt), drawArrays(rt)
		same := rapid.IntRange(0, len(arrayFields)-1).Draw(rt, "fields in common")
		copy(b, a[:same])
		encoded := encodeRows(rt, arrayFields, a, b)
		require.Equal(rt, compareArrayRows(a, b), bytes.Compare(encoded[0], encoded[1]))
		require.Equal(rt, compareArrayRows(a, b) != 0, !bytes.HasPrefix(encoded[1], encoded[0]), "a row is a prefix of another")
		got, err := record.DecodeRow(nil, encoded[0], arrayFields)
		require.NoError(rt, err)
		require.Equal(rt, a, got)
	})
}

func TestSlicedColumnsEncodeAsWholeOnesDo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := make([][]feature.Value, rapid.IntRange(1, 6).Draw(rt, "rows"))
		builder := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(arrayFields))
		for i := range rows {
			rows[i] = drawArrays(rt)
			require.NoError(rt, record.AppendColumns(builder.Fields(), rows[i]))
		}
		from := rapid.IntRange(0, len(rows)-1).Draw(rt, "from")
		part := builder.NewRecord().NewSlice(int64(from), int64(len(rows)))
		encoder, err := record.NewRowEncoder(arrayFields, part.Columns())
		require.NoError(rt, err)
		for i, want := range encodeRows(rt, arrayFields, rows[from:]...) {
			require.Equal(rt, want, encoder.Append(nil, i))
		}
	})
}

func TestDamagedArraysAreErrorsOrOtherRows(t *testing.T) {
	for name, row := range goldenArrays {
		checkDamaged(t, name, arrayFields, row)
	}
}

func TestListsOfOtherTypesAreRefused(t *testing.T) {
	ints := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64)
	for _, element := range []feature.Type{feature.Int32, feature.Timestamp, feature.ArrayOf(feature.Int64)} {
		fields := []feature.Field{{Name: "l", Type: feature.ArrayOf(element)}}
		_, err := record.NewRowEncoder(fields, []arrow.Array{ints.NewArray()})
		require.ErrorIs(t, err, record.ErrRow, element)
		require.ErrorIs(t, record.AppendColumns([]array.Builder{ints}, []feature.Value{list(element)}), record.ErrRow, element)
	}
	_, err := record.NewKeyEncoder([]feature.Field{{Name: "k", Type: feature.ArrayOf(feature.Int64)}}, []arrow.Array{ints.NewArray()})
	require.ErrorIs(t, err, record.ErrKey)
	_, err = record.AppendKey(nil, []feature.Field{{Name: "k", Type: feature.Int32}}, []feature.Value{feature.Int32Value(1)})
	require.ErrorIs(t, err, record.ErrKey)
}

func FuzzDecodeArrays(f *testing.F) {
	for _, encoded := range storedRows(f, "arrays.golden") {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkDecoded(t, arrayFields, data) })
}
