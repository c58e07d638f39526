package delta_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// typedColumns has a key, the time, and a column of each type that a table may have
// beside those of offlinetest.
var typedColumns = feature.Schema{
	{Name: "user", Type: feature.Int64}, {Name: "at", Type: feature.Timestamp},
	{Name: "small", Type: feature.Int32}, {Name: "single", Type: feature.Float32}, {Name: "seen", Type: feature.Timestamp},
	{Name: "words", Type: feature.ArrayOf(feature.String)}, {Name: "times", Type: feature.ArrayOf(feature.Timestamp)},
	{Name: "flags", Type: feature.ArrayOf(feature.Bool)}, {Name: "smalls", Type: feature.ArrayOf(feature.Int32)},
	{Name: "ns", Type: feature.ArrayOf(feature.Int64)}, {Name: "xs", Type: feature.ArrayOf(feature.Float64)},
	{Name: "vectors", Type: feature.ArrayOf(feature.ArrayOf(feature.Float32))},
	{Name: "deep", Type: feature.ArrayOf(feature.ArrayOf(feature.ArrayOf(feature.String)))},
}

func typedSpec() offline.Spec {
	fields := record.ArrowSchema(typedColumns).Fields()
	fields[1].Nullable = false
	return offline.Spec{
		Path: "offline/typed", Keys: typedColumns[:1], Time: "at", Schema: arrow.NewSchema(fields, nil),
		Step: time.Hour, Partition: window.Day,
	}
}

// randomValue returns a value of type t, or null.
func randomValue(random *rand.Rand, t feature.Type) feature.Value {
	if random.IntN(4) == 0 {
		return feature.Null
	}
	switch t {
	case feature.Bool:
		return feature.BoolValue(random.IntN(2) == 0)
	case feature.Int32:
		return feature.Int32Value(int32(random.Uint32()))
	case feature.Int64:
		return feature.Int64Value(int64(random.Uint64()))
	case feature.Float32:
		return feature.Float32Value([]float32{float32(math.NaN()), float32(math.Inf(-1)), float32(random.NormFloat64())}[random.IntN(3)])
	case feature.Float64:
		return feature.Float64Value([]float64{math.NaN(), math.Inf(1), random.NormFloat64()}[random.IntN(3)])
	case feature.String:
		return feature.StringValue([]string{"", "a", fmt.Sprint("word ", random.IntN(1000))}[random.IntN(3)])
	case feature.Timestamp:
		return feature.TimestampValue(noon + window.Time(random.Int64N(1e12)))
	}
	elements := make([]feature.Value, []int{0, 1, 2, 7}[random.IntN(4)])
	for i := range elements {
		elements[i] = randomValue(random, t.Element())
	}
	return feature.ArrayValue(t.Element(), elements)
}

// typedRows returns count rows in order: one key in two, within the window.
func typedRows(random *rand.Rand, w window.Interval, count int) [][]feature.Value {
	rows := make([][]feature.Value, count)
	for i := range rows {
		rows[i] = []feature.Value{feature.Int64Value(int64(i / 2)), feature.TimestampValue(w.Start + window.Time(i))}
		for _, f := range typedColumns[2:] {
			rows[i] = append(rows[i], randomValue(random, f.Type))
		}
	}
	return rows
}

// buildTyped writes the rows in records of up to 50, which are slices of one.
func buildTyped(t *testing.T, table offline.Table, w window.Interval, at window.Time, rows [][]feature.Value) offline.Build {
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Spec().Schema)
	defer b.Release()
	for _, row := range rows {
		require.NoError(t, record.AppendColumns(b.Fields(), row))
	}
	all := b.NewRecord()
	defer all.Release()
	writer, err := table.NewWriter(t.Context(), w, at, "attempt-1")
	require.NoError(t, err)
	for from := int64(0); from < all.NumRows(); from += 50 {
		part := all.NewSlice(from, min(from+50, all.NumRows()))
		require.NoError(t, writer.Write(part))
		part.Release()
	}
	built, err := writer.Close(t.Context())
	require.NoError(t, err)
	return built
}

// readTyped returns the encoded rows of a file.
func readTyped(t *testing.T, table offline.Table, f offline.File) ([][]byte, error) {
	r, err := table.OpenFile(t.Context(), f)
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(t, r.Close()) }()
	var out [][]byte
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, encodeTyped(t, rec)...)
	}
}

func encodeTyped(t *testing.T, rec arrow.Record) [][]byte {
	encoder, err := record.NewRowEncoder(typedColumns, rec.Columns())
	require.NoError(t, err)
	out := make([][]byte, rec.NumRows())
	for i := range out {
		out[i] = encoder.Append(nil, i)
	}
	return out
}

func encodeValues(t *testing.T, rows [][]feature.Value) [][]byte {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(typedColumns))
	defer b.Release()
	for _, row := range rows {
		require.NoError(t, record.AppendColumns(b.Fields(), row))
	}
	rec := b.NewRecord()
	defer rec.Release()
	return encodeTyped(t, rec)
}

func TestColumnsOfEveryTypeAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			b := buckettest.NewMemory()
			table, err := delta.New(b, delta.Options{RowGroupRows: 1 + random.Int64N(700)}).Open(t.Context(), typedSpec())
			require.NoError(t, err)
			rows := typedRows(random, hour(0), 1+random.IntN(2000))
			built := buildTyped(t, table, hour(0), readAt(1), rows)
			got, err := readTyped(t, table, built.Files[0])
			require.NoError(t, err)
			require.Equal(t, encodeValues(t, rows), got)
		})
	}
}

// A window of two days has a file for each.
func TestRowsWithListsAreDividedByPartition(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 0))
	b := buckettest.NewMemory()
	spec := typedSpec()
	spec.Step = 48 * time.Hour
	table, err := delta.New(b, delta.Options{RowGroupRows: 64}).Open(t.Context(), spec)
	require.NoError(t, err)
	start := noon.Floor(spec.Step)
	w := window.Interval{Start: start, End: start.Add(spec.Step)}
	rows := typedRows(random, w, 500)
	for i := range rows { // every other one on the second day
		if i%2 == 1 {
			rows[i][1] = feature.TimestampValue(rows[i][1].Timestamp().Add(24 * time.Hour))
		}
	}
	built := buildTyped(t, table, w, readAt(1), rows)
	require.Len(t, built.Files, 2)
	for day, f := range built.Files {
		got, err := readTyped(t, table, f)
		require.NoError(t, err)
		var want [][]feature.Value
		for i := day; i < len(rows); i += 2 {
			want = append(want, rows[i])
		}
		require.Equal(t, encodeValues(t, want), got)
	}
}

func TestDeltaNamesTheTypesOfColumns(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table, err := delta.New(b, delta.Options{}).Open(t.Context(), typedSpec())
	require.NoError(t, err)
	data, err := b.Get(t.Context(), typedSpec().Path+"/_delta_log/00000000000000000000.json")
	require.NoError(t, err)
	var schema struct {
		Fields []struct {
			Name string `json:"name"`
			Type any    `json:"type"`
		} `json:"fields"`
	}
	for line := range bytes.Lines(data) {
		var action struct {
			MetaData *struct{ SchemaString string } `json:"metaData"`
		}
		require.NoError(t, json.Unmarshal(line, &action))
		if action.MetaData != nil {
			require.NoError(t, json.Unmarshal([]byte(action.MetaData.SchemaString), &schema))
		}
	}
	list := func(element any) any {
		return map[string]any{"type": "array", "elementType": element, "containsNull": true}
	}
	want := []any{"long", "timestamp", "integer", "float", "timestamp", list("string"), list("timestamp"), list("boolean"), list("integer"),
		list("long"), list("double"), list(list("float")), list(list(list("string"))), "string"}
	require.Len(t, schema.Fields, len(want))
	for i, f := range schema.Fields {
		require.Equal(t, want[i], f.Type, f.Name)
	}

	random := rand.New(rand.NewPCG(6, 0))
	rows := typedRows(random, hour(0), 2)
	rows[0][2], rows[1][2] = feature.Int32Value(math.MinInt32), feature.Int32Value(7)
	var stats map[string]map[string]any
	text := buildTyped(t, table, hour(0), readAt(1), rows).Files[0].Stats
	require.Error(t, json.Unmarshal([]byte(text), &stats), "numRecords is a number")
	require.Equal(t, -2147483648.0, stats["minValues"]["small"])
	require.Equal(t, 7.0, stats["maxValues"]["small"])
	require.NotContains(t, stats["minValues"], "single")
	require.Contains(t, stats["nullCount"], "single")
	for _, f := range typedColumns[5:] {
		require.NotContains(t, stats["nullCount"], f.Name)
	}
}

func TestElementsThatRarelyRepeatHaveNoDictionary(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table, err := delta.New(b, delta.Options{}).Open(t.Context(), typedSpec())
	require.NoError(t, err)
	writer := typedRows(rand.New(rand.NewPCG(7, 0)), hour(0), 50)
	for _, row := range writer {
		times, words := make([]feature.Value, 40), make([]feature.Value, 40)
		for i := range times {
			times[i], words[i] = feature.TimestampValue(row[1].Timestamp()*100+window.Time(i)), feature.StringValue("same")
		}
		row[5], row[6] = feature.ArrayValue(feature.String, words), feature.ArrayValue(feature.Timestamp, times)
	}
	built := buildTyped(t, table, hour(0), readAt(1), writer)
	data, err := b.Get(t.Context(), typedSpec().Path+"/"+built.Files[0].Path)
	require.NoError(t, err)
	reader, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	for column, want := range map[string]bool{"words.list.element": true, "times.list.element": false} {
		i := reader.MetaData().Schema.ColumnIndexByName(column)
		chunk, err := reader.MetaData().RowGroup(0).ColumnChunk(i)
		require.NoError(t, err)
		require.Equal(t, want, slices.Contains(chunk.Encodings(), parquet.Encodings.RLEDict), column)
	}
}

// Readers of damaged files return an error or other rows, and neither panic nor ask
// for memory without bound.
func TestDamagedListsAreErrorsOrOtherRows(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(8, 0))
	b := buckettest.NewMemory()
	table, err := delta.New(b, delta.Options{}).Open(t.Context(), typedSpec())
	require.NoError(t, err)
	built := buildTyped(t, table, hour(0), readAt(1), typedRows(random, hour(0), 40))
	key := typedSpec().Path + "/" + built.Files[0].Path
	whole, err := b.Get(t.Context(), key)
	require.NoError(t, err)
	for range 500 {
		damaged := bytes.Clone(whole)
		damaged[random.IntN(len(damaged))] ^= byte(1 + random.IntN(255))
		require.NoError(t, b.Put(t.Context(), key, damaged))
		if _, err := readTyped(t, table, built.Files[0]); err != nil {
			require.ErrorIs(t, err, offline.ErrCorrupt)
		}
	}
}
