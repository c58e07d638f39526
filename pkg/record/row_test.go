package record_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"os"
	"strings"
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

var rowFields = feature.Schema{
	{Name: "flag", Type: feature.Bool}, {Name: "n", Type: feature.Int64}, {Name: "x", Type: feature.Float64},
	{Name: "text", Type: feature.String}, {Name: "at", Type: feature.Timestamp},
}

var goldenRows = map[string][]feature.Value{
	"nulls": {feature.Null, feature.Null, feature.Null, feature.Null, feature.Null},
	"zeros": {
		feature.BoolValue(false), feature.Int64Value(0), feature.Float64Value(0),
		feature.StringValue(""), feature.TimestampValue(0),
	},
	"values": {
		feature.BoolValue(true), feature.Int64Value(-7), feature.Float64Value(-0.5),
		feature.StringValue("a\x00b\x00"), feature.TimestampValue(1),
	},
	"no-number": {
		feature.Null, feature.Int64Value(math.MinInt64), feature.Float64Value(math.NaN()),
		feature.StringValue("é"), feature.TimestampValue(math.MaxInt64),
	},
}

// encodeRows returns the rows as a RowEncoder encodes them.
func encodeRows(t require.TestingT, fields feature.Schema, rows ...[]feature.Value) [][]byte {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(fields))
	defer builder.Release()
	for _, row := range rows {
		require.NoError(t, record.AppendColumns(builder.Fields(), row))
	}
	rec := builder.NewRecord()
	defer rec.Release()
	encoder, err := record.NewRowEncoder(fields, rec.Columns())
	require.NoError(t, err)
	out := make([][]byte, len(rows))
	for i := range rows {
		out[i] = encoder.Append(nil, i)
	}
	return out
}

func storedRows(t testing.TB, file string) map[string][]byte {
	text, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	out := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[name], err = hex.DecodeString(digits)
		require.NoError(t, err)
	}
	return out
}

func TestRowsOfEarlierProgramsAreRead(t *testing.T) {
	checkGoldens(t, "rows.golden", rowFields, goldenRows)
}

func checkGoldens(t *testing.T, file string, fields feature.Schema, rows map[string][]feature.Value) {
	stored := storedRows(t, file)
	require.Len(t, stored, len(rows))
	for name, row := range rows {
		require.Equal(t, hex.EncodeToString(stored[name]), hex.EncodeToString(encodeRows(t, fields, row)[0]), name)
		got, err := record.DecodeRow(nil, stored[name], fields)
		require.NoError(t, err)
		require.Equal(t, row, got)
	}
}

func drawRow(rt *rapid.T) []feature.Value {
	row := make([]feature.Value, len(rowFields))
	for i, draw := range []func() feature.Value{
		func() feature.Value { return feature.BoolValue(rapid.Bool().Draw(rt, "flag")) },
		func() feature.Value { return feature.Int64Value(rapid.Int64().Draw(rt, "n")) },
		func() feature.Value {
			return feature.Float64Value(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{
				math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1),
			})).Draw(rt, "x"))
		},
		func() feature.Value {
			return feature.StringValue(string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xff}), 0, 4).Draw(rt, "text")))
		},
		func() feature.Value { return feature.TimestampValue(window.Time(rapid.Int64().Draw(rt, "at"))) },
	} {
		if rapid.IntRange(0, 3).Draw(rt, "null") > 0 {
			row[i] = draw()
		}
	}
	return row
}

func compareRows(a, b []feature.Value) int {
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		if a[i].IsNull() || b[i].IsNull() {
			return cmp.Compare(b2i(!a[i].IsNull()), b2i(!b[i].IsNull()))
		}
		x, y := a[i].Float64(), b[i].Float64()
		return cmp.Or(
			cmp.Compare(b2i(a[i].Bool()), b2i(b[i].Bool())), cmp.Compare(a[i].Int64(), b[i].Int64()),
			cmp.Compare(b2i(math.IsNaN(x)), b2i(math.IsNaN(y))), cmp.Compare(x, y), // cmp has NaN first
			cmp.Compare(b2i(!math.Signbit(x)), b2i(!math.Signbit(y))),
			cmp.Compare(a[i].Text(), b[i].Text()), cmp.Compare(a[i].Timestamp(), b[i].Timestamp()),
		)
	}
	return 0
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestRowsOrderAsTheirValuesAndRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawRow(rt), drawRow(rt)
		encoded := encodeRows(rt, rowFields, a, b)
		require.Equal(rt, compareRows(a, b), bytes.Compare(encoded[0], encoded[1]))
		require.Equal(rt, compareRows(a, b) != 0, !bytes.HasPrefix(encoded[1], encoded[0]), "a row is a prefix of another")
		got, err := record.DecodeRow([]feature.Value{feature.Null}, encoded[0], rowFields)
		require.NoError(rt, err)
		require.Equal(rt, append([]feature.Value{feature.Null}, a...), got)
	})
}

func TestEveryNaNHasOneForm(t *testing.T) {
	fields := []feature.Field{{Name: "x", Type: feature.Float64}}
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues([]float64{math.NaN(), math.Float64frombits(0xfff8000000000001), math.Float64frombits(0x7ff0000000000001)}, nil)
	encoder, err := record.NewRowEncoder(fields, []arrow.Array{b.NewArray()})
	require.NoError(t, err)
	for row := range 3 {
		require.Equal(t, encoder.Append(nil, 0), encoder.Append(nil, row))
	}
}

func TestDamagedRowsAreErrorsOrOtherRows(t *testing.T) {
	for name, row := range goldenRows {
		checkDamaged(t, name, rowFields, row)
	}
}

func checkDamaged(t *testing.T, name string, fields feature.Schema, row []feature.Value) {
	encoded := encodeRows(t, fields, row)[0]
	_, err := record.DecodeRow(nil, append(bytes.Clone(encoded), 0), fields)
	require.ErrorIs(t, err, record.ErrDamagedRow, "%s with a byte more", name)
	for n := range encoded {
		_, err := record.DecodeRow(nil, encoded[:n], fields)
		require.ErrorIs(t, err, record.ErrDamagedRow, "%s truncated to %d", name, n)
		for bit := range 8 {
			damaged := bytes.Clone(encoded)
			damaged[n] ^= 1 << bit
			checkDecoded(t, fields, damaged)
		}
	}
}

// checkDecoded requires that what can be decoded has no other form.
func checkDecoded(t *testing.T, fields feature.Schema, data []byte) {
	values, err := record.DecodeRow(nil, data, fields)
	if err != nil {
		require.ErrorIs(t, err, record.ErrDamagedRow)
		return
	}
	require.Equal(t, data, encodeRows(t, fields, values)[0])
}

func TestColumnsOfOtherTypesAreRefused(t *testing.T) {
	ints := array.NewInt64Builder(memory.DefaultAllocator).NewArray()
	for _, fields := range [][]feature.Field{{{Name: "n", Type: feature.Timestamp}}, {{Name: "n", Type: feature.Float64}}, nil} {
		_, err := record.NewRowEncoder(fields, []arrow.Array{ints})
		require.ErrorIs(t, err, record.ErrRow)
	}
	times := array.NewTimestampBuilder(memory.DefaultAllocator, arrow.FixedWidthTypes.Timestamp_us.(*arrow.TimestampType))
	_, err := record.NewKeyEncoder(fields[:1], []arrow.Array{times.NewArray()})
	require.ErrorIs(t, err, record.ErrKey)
	require.ErrorIs(t, record.AppendColumns([]array.Builder{times}, []feature.Value{feature.Int64Value(1)}), record.ErrRow)
}

func FuzzDecodeRow(f *testing.F) {
	for _, encoded := range storedRows(f, "rows.golden") {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkDecoded(t, rowFields, data) })
}
