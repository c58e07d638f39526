package transformtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// events is the schema of most tests.
var events = feature.Schema{
	{Name: "id", Type: feature.String},
	{Name: "ts", Type: feature.Timestamp},
	{Name: "n", Type: feature.Int64},
}

// always holds every instant that Tilery accepts but the last.
var always = window.Interval{Start: window.MinTime, End: window.MaxTime}

// at returns the instant of a text such as "2001-02-03 04:05:06".
func at(t *testing.T, text string) window.Time {
	t.Helper()
	parsed, err := window.Parse(text)
	require.NoError(t, err)
	return parsed
}

// writeParquet writes one file and returns its path.
func writeParquet(t *testing.T, name string, r arrow.Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	file, err := os.Create(path)
	require.NoError(t, err)
	properties := parquet.NewWriterProperties(parquet.WithVersion(parquet.V2_LATEST)) // the older version has no nanoseconds
	w, err := pqarrow.NewFileWriter(r.Schema(), file, properties, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(r))
	require.NoError(t, w.Close())
	return path
}

// writeJSON writes rows, a JSON array of objects, as a Parquet file.
func writeJSON(t *testing.T, schema *arrow.Schema, rows string) string {
	t.Helper()
	r, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	require.NoError(t, err)
	defer r.Release()
	return writeParquet(t, "rows.parquet", r)
}

// jsonArray makes an array of lines of JSON.
func jsonArray(lines string) string {
	return "[" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", ",") + "]"
}

// writeEvents writes count rows of events: ids "k0" to "k9" in turn, one second
// apart from start, n from 0 up.
func writeEvents(t *testing.T, start window.Time, count int) string {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(events))
	defer b.Release()
	for i := range count {
		b.Field(0).(*array.StringBuilder).Append("k" + string(rune('0'+i%10)))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(int64(start) + int64(i)*1e6))
		b.Field(2).(*array.Int64Builder).Append(int64(i))
	}
	r := b.NewRecord()
	defer r.Release()
	return writeParquet(t, "events.parquet", r)
}

// Files returns files of these paths.
func Files(paths ...string) []source.File {
	out := make([]source.File, len(paths))
	for i, path := range paths {
		out[i].Path = path
	}
	return out
}

// query returns a query over one table "events" of the given files, which
// returns the columns of output. The output's Timestamp column is cut to always, as
// is the source's.
func query(sql string, output feature.Schema, files ...string) transform.Query {
	return transform.Query{
		SQL:            sql,
		Tables:         []transform.Table{{Name: "events", Schema: events, TimestampField: "ts", Interval: always, Files: Files(files...)}},
		Output:         output,
		TimestampField: "ts",
		Interval:       always,
		Limits:         transform.Limits{MemoryBytes: 512 << 20, Threads: 2},
	}
}

// rows runs q and returns its rows as text, columns joined by "|", in ascending order.
func rows(t *testing.T, engine transform.Engine, q transform.Query) []string {
	t.Helper()
	out := []string{}
	stats, err := engine.Run(t.Context(), q, func(r arrow.Record) error {
		require.True(t, record.ArrowSchema(q.Output).Equal(r.Schema()))
		require.Positive(t, r.NumRows())
		for i := range int(r.NumRows()) {
			values := make([]string, r.NumCols())
			for c, column := range r.Columns() {
				values[c] = valueText(column, i)
			}
			out = append(out, strings.Join(values, "|"))
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(len(out)), stats.Rows)
	slices.Sort(out)
	return out
}

func valueText(column arrow.Array, i int) string {
	if ts, ok := column.(*array.Timestamp); ok && ts.IsValid(i) {
		return window.Time(ts.Value(i)).String()
	}
	return column.ValueStr(i)
}
