package frame_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
)

// golden has a column of each kind, and a row of extremes, one of plain values and one of nulls.
var golden = contents{
	schema: feature.Schema{
		{Name: "user, id", Type: feature.String}, {Name: "i64", Type: feature.Int64}, {Name: "i32", Type: feature.Int32},
		{Name: "f64", Type: feature.Float64}, {Name: "f32", Type: feature.Float32}, {Name: "b", Type: feature.Bool},
		{Name: "t", Type: feature.Timestamp}, {Name: "l", Type: feature.ArrayOf(feature.Float64)},
	},
	rows: [][]feature.Value{
		{
			feature.StringValue("\"a\"\r\n"), feature.Int64Value(math.MinInt64), feature.Int32Value(math.MaxInt32), feature.Float64Value(math.NaN()),
			feature.Float32Value(float32(math.Inf(-1))), feature.BoolValue(true), feature.TimestampValue(-1),
			feature.ArrayValue(feature.Float64, []feature.Value{feature.Float64Value(math.Inf(1)), feature.Null}),
		},
		{
			feature.StringValue("é<"), feature.Int64Value(1), feature.Int32Value(-1), feature.Float64Value(2), feature.Float32Value(0.1),
			feature.BoolValue(false), feature.TimestampValue(1704067200e6), feature.ArrayValue(feature.Float64, nil),
		},
		make([]feature.Value, 8),
	},
}

func TestTextsAreWrittenAsPromised(t *testing.T) {
	t.Parallel()
	rec := recordOf(t, golden)
	require.Equal(t, `"user, id",i64,i32,f64,f32,b,t,l
"""a""`+"\r"+`
",-9223372036854775808,2147483647,NaN,-Infinity,true,1969-12-31T23:59:59.999999Z,"[""Infinity"",null]"
é<,1,-1,2.0,0.1,false,2024-01-01T00:00:00.000000Z,[]
,,,,,,,
`, string(write(t, frame.CSV, golden.schema, rec)))
	require.Equal(t, `{"user, id":"\"a\"\r\n","i64":-9223372036854775808,"i32":2147483647,"f64":"NaN","f32":"-Infinity","b":true,"t":"1969-12-31T23:59:59.999999Z","l":["Infinity",null]}
{"user, id":"é<","i64":1,"i32":-1,"f64":2.0,"f32":0.1,"b":false,"t":"2024-01-01T00:00:00.000000Z","l":[]}
{"user, id":null,"i64":null,"i32":null,"f64":null,"f32":null,"b":null,"t":null,"l":null}
`, string(write(t, frame.JSON, golden.schema, rec)))
	one := contents{schema: golden.schema[1:2], rows: [][]feature.Value{{feature.Null}}}
	require.Equal(t, "i64\n\"\"\n", string(write(t, frame.CSV, one.schema, recordOf(t, one))))
}

func TestParquetIsZstdWithInstantsInUTC(t *testing.T) {
	t.Parallel()
	reader, err := file.NewParquetReader(bytes.NewReader(write(t, frame.Parquet, golden.schema, recordOf(t, golden))))
	require.NoError(t, err)
	chunk, err := reader.MetaData().RowGroup(0).ColumnChunk(0)
	require.NoError(t, err)
	require.Equal(t, compress.Codecs.Zstd, chunk.Compression())
	arrowReader, err := pqarrow.NewFileReader(reader, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	schema, err := arrowReader.Schema()
	require.NoError(t, err)
	require.True(t, arrow.TypeEqual(arrow.FixedWidthTypes.Timestamp_us, schema.Field(6).Type), schema)
}

// full fails after some bytes.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// Close fails the test of whoever calls it.
func (f *full) Close() error { panic("closed") } //nolint:forbidigo // it is not to be called

func TestWritersReportWhatFailsAndCloseNothing(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		for _, room := range []int{0, 1 << 20} {
			w, err := frame.NewWriter(&full{room}, format, golden.schema)
			if err == nil {
				err = w.Write(recordOf(t, golden))
			}
			if err == nil {
				err = w.Close()
			}
			if room == 0 {
				require.ErrorIs(t, err, errFull, format)
			} else {
				require.NoError(t, err, format)
			}
		}
	}
}

func TestRowsOfOtherColumnsAreRefused(t *testing.T) {
	t.Parallel()
	w, err := frame.NewWriter(&full{1 << 20}, frame.CSV, golden.schema[:1])
	require.NoError(t, err)
	require.EqualError(t, w.Write(recordOf(t, golden)), "write data frame: rows have 8 columns, want 1")
	other := contents{schema: golden.schema[1:2]}
	require.EqualError(t, w.Write(recordOf(t, other)), `write data frame: column "user, id" is int64, want utf8`)
	_, err = frame.NewWriter(&full{}, frame.CSV, nil)
	require.EqualError(t, err, "write data frame: it has no columns")
	_, err = frame.NewWriter(&full{}, "xml", golden.schema)
	require.EqualError(t, err, `write data frame: unknown format "xml", want one of parquet, arrow, ndjson, csv`)
}
