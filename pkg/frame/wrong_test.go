package frame_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
)

func TestWrongTextsAreErrorsThatNameThePlace(t *testing.T) {
	t.Parallel()
	known := feature.Schema{
		{Name: "n", Type: feature.Int64}, {Name: "m", Type: feature.Int32}, {Name: "f", Type: feature.Float32},
		{Name: "b", Type: feature.Bool}, {Name: "t", Type: feature.Timestamp}, {Name: "a", Type: feature.ArrayOf(feature.Int64)},
	}
	for _, c := range []struct {
		format     frame.Format
		text, want string
	}{
		{frame.CSV, "", `there is no header line`},
		{frame.CSV, "\ufeff\r\n", `there is no header line`},
		{frame.CSV, "x,y,x\n", `line 1: column "x" is there twice`},
		{frame.CSV, ",x\n0,1\n", `line 1: column 1 has no name; give it one, or leave it out (pandas: index=False)`},
		{frame.CSV, "x\xff\n", `line 1: the name of column 1, "x\xff", is not UTF-8`},
		{frame.CSV, "x,y\n1,2\n\n3\n", `line 4: 1 fields, and the header line has 2: x, y`},
		{frame.CSV, "x\n1,2\n", `line 2: 2 fields, and the header line has 1: x`},
		{frame.CSV, "x\n\"a\nb", `line 2: a quote is not closed`},
		{frame.CSV, "x\na\"b\n", `line 2: a quote stands in the field "a\"b", which does not begin with one`},
		{frame.CSV, "x\n\"a\"b\n", `line 2: "b" stands after the closing quote of a field`},
		{frame.CSV, "x\n\xff\n", `line 2, column "x": "\xff" is not UTF-8`},
		{frame.CSV, "x,n\n\"a\nb\",1.5\n", `line 3, column "n": "1.5" is no Int64`},
		{frame.CSV, "n\n9223372036854775808\n", `line 2, column "n": "9223372036854775808" is no Int64`},
		{frame.CSV, "m\n2147483648\n", `line 2, column "m": "2147483648" is no Int32`},
		{frame.CSV, "m\n1e10\n", `line 2, column "m": "1e10" is no Int32`},
		{frame.CSV, "f\n1e39\n", `line 2, column "f": "1e39" is no Float32`},
		{frame.CSV, "f\n0x1p2\n", `line 2, column "f": "0x1p2" is no Float32`},
		{frame.CSV, "b\n2\n", `line 2, column "b": "2" is no Bool`},
		{frame.CSV, "t\n1704067200\n", `line 2, column "t": "1704067200" is no Timestamp`},
		{frame.CSV, "a\n[1.5]\n", `line 2, column "a": "[1.5]" is no Array[Int64]`},
		{frame.JSON, "[{\"x\":1}]\n", `line 1: "[{\"x\":1}]" is not the beginning of an object: write an object for each row, each in a line`},
		{frame.JSON, "{\"x\":1}\n{\"x\":\n", `line 2: it is no JSON object: unexpected end of JSON input`},
		{frame.JSON, "{\"x\":1} {\"x\":1}\n", `line 1: it is no JSON object: invalid character '{' after top-level value`},
		{frame.JSON, "{\"x\":\"\xff\"}\n", `line 1: it is not UTF-8`},
		{frame.JSON, "{\"\":1}\n", `column 1 has no name; give it one, or leave it out (pandas: index=False)`},
		{frame.JSON, "{\"x\":1,\"\\u0078\":2}\n", `line 1, column "x": it is there twice`},
		{frame.JSON, "{\"x\":1}\n\n{\"x\":\"a\"}\n", `line 3, column "x": "a" does not go with the values before it, which are Int64`},
		{frame.JSON, "{\"x\":[1]}\n{\"x\":1}\n", `line 2, column "x": 1 does not go with the values before it, which are Array[Int64]`},
		{frame.JSON, "{\"x\":[1]}\n{\"x\":[\"a\"]}\n", `line 2, column "x": ["a"] does not go with the values before it, which are Array[Int64]`},
		{frame.JSON, "{\"x\":{\"y\":1}}\n", `line 1, column "x": an object is no value of a feature: write its fields as columns, or it as a text`},
		{frame.JSON, "{\"x\":[[[[1]]]]}\n", `column "x": its arrays nest too deep: write them as texts`},
		{frame.JSON, "{\"x\":18446744073709551615}\n", `line 1, column "x": 18446744073709551615 is no value that a feature can have without change: write it as a text`},
		{frame.JSON, "{\"x\":9007199254740993}\n{\"x\":0.5}\n", `line 2, column "x": 0.5 does not go with the values before it, which are Int64`},
		{frame.JSON, "{\"n\":1.5}\n", `line 1, column "n": 1.5 is no Int64`},
		{frame.JSON, "{\"t\":1704067200000}\n", `line 1, column "t": 1704067200000 is no Timestamp: write it as RFC 3339, for instance 2001-02-03T04:05:06Z`},
		{frame.Arrow, "", `it is no Arrow IPC: arrow/ipc: could not read message schema: EOF`},
		{frame.Arrow, "FEA1....", `it is Feather of version 1: write version 2, which is Arrow IPC`},
		{frame.Arrow, "a,b\n1,2\n", `it is no Arrow IPC: arrow/ipc: could not read message schema: damaged file: a message ends after the file`},
		{frame.Parquet, "a,b\n1,2\n", `it is no Parquet: parquet: file too small (size=8)`},
		{"xml", "", `unknown format "xml", want one of parquet, arrow, ndjson, csv`},
	} {
		_, err := read([]byte(c.text), c.format, frame.Options{Known: known})
		require.EqualError(t, err, "data frame: "+c.want, "%q", c.text)
		require.ErrorIs(t, err, frame.ErrData)
	}
}

func TestTextsAreReadAsWhatIsKnown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]feature.Value{
		"1.0": feature.Int64Value(1), "1e3": feature.Int64Value(1000), " 007 ": feature.Int64Value(7),
		"9223372036854775807.0": feature.Int64Value(math.MaxInt64), "": feature.Null, `""`: feature.Null,
		"yes": feature.BoolValue(true), "False": feature.BoolValue(false), "0": feature.BoolValue(false),
		"inf": feature.Float64Value(math.Inf(1)), "-Infinity": feature.Float64Value(math.Inf(-1)), "NaN": feature.Float64Value(math.NaN()),
		"2024-01-01":                       feature.TimestampValue(1704067200e6),
		"2024-01-01 00:00:00.000001+02:00": feature.TimestampValue(1704060000e6 + 1),
		"2024-01-01 00:00:00-05":           feature.TimestampValue(1704085200e6),
		"2024-01-01T00:00:00.9999999Z":     feature.TimestampValue(1704067200e6 + 999_999),
		"1":                                feature.StringValue("1"),
		`"[""a"", null]"`:                  feature.ArrayValue(feature.String, []feature.Value{feature.StringValue("a"), feature.Null}),
	} {
		known := feature.Schema{{Name: "x", Type: want.Type()}}
		if want.IsNull() {
			known[0].Type = feature.Int64
		}
		c, err := read([]byte("x,y\n"+text+",1\n"), frame.CSV, frame.Options{Known: known})
		require.NoError(t, err, text)
		require.Equal(t, want, c.rows[0][0], text)
	}
}

func TestInferredTypesNeverChangeWhatIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]feature.Type{
		"1\n-9223372036854775808": feature.Int64, "9223372036854775808": feature.String, "9007199254740993\n0.5": feature.String,
		"100000000000000000000": feature.Float64, "1\n2.5": feature.Float64, "1e5": feature.Float64, "-0": feature.Float64,
		"NaN\n1": feature.Float64, "NaN": feature.String, "007": feature.String, "+1": feature.String, "1_000": feature.String,
		"True\nfalse": feature.Bool, "yes": feature.String, "true\n1": feature.String, "1e999": feature.String,
		"1e\n1": feature.String, "1e+": feature.String, "-": feature.String, ".": feature.String, ".5\n5.": feature.Float64, "1.5e-3\n1E3": feature.Float64,
		"2024-01-01\n2024-01-01 10:00:00.5": feature.Timestamp, "2024-01-01\nx": feature.String, "2024": feature.Int64, "\"\"": feature.String,
	} {
		c, err := read([]byte("x\n"+text+"\n"), frame.CSV, frame.Options{})
		require.NoError(t, err)
		require.Equal(t, want.String(), c.schema[0].Type.String(), text)
	}
}

func TestRowsOfJSONMayMissColumns(t *testing.T) {
	t.Parallel()
	c, err := read([]byte("\ufeff{\"b\": [1, null, 2.5], \"a\" :null}\n\n {\"c\":\"2024-01-01\",\"a\":\"\\u00e9\\n\"}\r\n"), frame.JSON, frame.Options{})
	require.NoError(t, err)
	require.Equal(t, "b Array[Float64], a String, c Timestamp\n[[1, null, 2.5] null null]\n[null é\n 2024-01-01T00:00:00Z]\n", render(c))
}

func TestLimitsAreKept(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	schema := feature.Schema{{Name: "s", Type: feature.String}}
	c := contents{schema: schema, rows: [][]feature.Value{{feature.StringValue("a")}, {feature.StringValue(long)}}}
	for _, format := range formats {
		file := write(t, format, schema, recordOf(t, c))
		_, err := read(file, format, frame.Options{MaxTextBytes: 999})
		require.ErrorContains(t, err, `, column "s": a value takes more than 999 bytes`, format)
		_, err = read(file, format, frame.Options{MaxBytes: 999})
		require.EqualError(t, err, "data frame: the values take more than 999 bytes")
		_, err = read(write(t, format, append(schema, feature.Field{Name: "t", Type: feature.String}), recordOf(t, contents{
			schema: append(schema, feature.Field{Name: "t", Type: feature.String}), rows: [][]feature.Value{{feature.Null, feature.Null}},
		})), format, frame.Options{MaxColumns: 1})
		require.ErrorContains(t, err, "columns")
	}
	_, err := read(write(t, frame.Arrow, schema, recordOf(t, c)), frame.Arrow, frame.Options{MemoryBytes: 900})
	require.EqualError(t, err, "data frame: a part of the file takes more than 900 bytes of memory: "+
		"write smaller row groups or record batches, of some ten thousand rows")
	_, err = read(write(t, frame.Parquet, schema, recordOf(t, c)), frame.Parquet, frame.Options{MemoryBytes: 1200})
	require.ErrorContains(t, err, "a part of the file takes more than 1200 bytes of memory")
	_, err = read([]byte("s\n\""+strings.Repeat("x\n", 17<<20)), frame.CSV, frame.Options{Known: schema})
	require.ErrorContains(t, err, "a row takes more than 33554432 bytes; a quote may be open")
}

func TestRecordsEndSoonAfterTheyAreFull(t *testing.T) {
	t.Parallel()
	schema := feature.Schema{{Name: "s", Type: feature.String}}
	c := contents{schema: schema}
	for range 100 {
		c.rows = append(c.rows, []feature.Value{feature.StringValue(strings.Repeat("x", 500_000))})
	}
	for _, format := range []frame.Format{frame.Arrow, frame.JSON} {
		file := write(t, format, schema, recordOf(t, c))
		r, err := frame.Open(bytes.NewReader(file), int64(len(file)), format, frame.Options{})
		require.NoError(t, err)
		rec, err := r.Next()
		require.NoError(t, err)
		require.LessOrEqual(t, rec.NumRows(), int64(80))
		rec, err = r.Next()
		require.NoError(t, err)
		require.Positive(t, rec.NumRows())
		require.NoError(t, r.Close())
	}
}

// broken is a storage that fails.
type broken struct{ io.ReaderAt }

var errStorage = errors.New("the disk is on fire")

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errStorage }

func TestErrorsOfTheStorageAreNoFaultOfTheData(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		_, err := frame.Open(broken{}, 1000, format, frame.Options{})
		require.ErrorIs(t, err, errStorage, format)
		require.NotErrorIs(t, err, frame.ErrData, format)
	}
}
