package source_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/source/sourcetest"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

// kind is a way to write one more file of rows below a directory.
type kind struct {
	format  feature.FileFormat
	uri     string
	columns []feature.DatetimePartitionColumn
	prepare func(t testing.TB, dir string)
	add     func(t testing.TB, dir string, n int, rows []sourcetest.Row)
}

var kinds = map[string]kind{
	"parquet": {format: feature.Parquet, uri: "events/*.parquet", prepare: emptyFile("events/none.parquet", nil),
		add: func(t testing.TB, dir string, n int, rows []sourcetest.Row) {
			writeFile(t, filepath.Join(dir, "events", fmt.Sprintf("%d.parquet", n)), parquetRows(t, rows))
		}},
	"csv": {format: feature.CSV, uri: "events/*.csv", prepare: emptyFile("events/none.csv", []byte("ts,id\n")),
		add: func(t testing.TB, dir string, n int, rows []sourcetest.Row) {
			text := "id,ts\n"
			for _, r := range rows {
				text += fmt.Sprintf("%s,%v\n", r.ID, r.At)
			}
			writeFile(t, filepath.Join(dir, "events", fmt.Sprintf("%d.csv", n)), []byte(text))
		}},
	"json": {format: feature.JSON, uri: "events/*.json", prepare: emptyFile("events/none.json", []byte{}),
		add: func(t testing.TB, dir string, n int, rows []sourcetest.Row) {
			text := ""
			for _, r := range rows {
				tags, err := json.Marshal(r.Tags())
				require.NoError(t, err)
				text += fmt.Sprintf("{\"id\": %q, \"ts\": %q, \"tags\": %s}\n", r.ID, r.At, tags)
			}
			writeFile(t, filepath.Join(dir, "events", fmt.Sprintf("%d.json", n)), []byte(text))
		}},
	"parquet by day": {format: feature.Parquet, uri: "events/*.parquet", add: addByDay, prepare: func(t testing.TB, dir string) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "events/year=1999"), 0o700))
	}, columns: []feature.DatetimePartitionColumn{
		{ColumnName: "year", Datepart: "year"}, {ColumnName: "month", Datepart: "month", ZeroPadded: true}, {ColumnName: "day", Datepart: "day"},
	}},
	"delta": {format: feature.Delta, uri: "events", add: addCommit, prepare: func(t testing.TB, dir string) {
		commit(t, dir, `{"protocol":{"minReaderVersion":1}}`, `{"metaData":{"schemaString":"{\"fields\":[{\"name\":\"id\",\"type\":\"string\"},{\"name\":\"ts\",\"type\":\"timestamp\"},`+
			`{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"elementType\":\"string\",\"containsNull\":true}}]}"}}`)
	}},
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, func(t testing.TB) sourcetest.Scene {
				dir := t.TempDir()
				k.prepare(t, dir)
				local, err := source.NewLocal(dir)
				require.NoError(t, err)
				schema := sourcetest.Tagged
				if k.format == feature.CSV {
					schema = sourcetest.Schema
				}
				named := func(name, uri string) feature.BatchSource {
					return feature.BatchSource{Metadata: feature.Metadata{Name: name}, Schema: schema, BatchConfig: feature.FileConfig{
						URI: uri, FileFormat: k.format, TimestampField: "ts", DatetimePartitionColumns: k.columns}}
				}
				n := 0
				return sourcetest.Scene{
					Batch: local, Engine: duckdb.Engine{}, Source: named("events", k.uri),
					Missing: named("missing", strings.Replace(k.uri, "events", "elsewhere", 1)),
					Add: func(rows []sourcetest.Row) {
						n++
						k.add(t, dir, n, rows)
					},
				}
			})
		})
	}
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

func emptyFile(name string, content []byte) func(testing.TB, string) {
	return func(t testing.TB, dir string) {
		if content == nil {
			content = parquetRows(t, nil)
		}
		writeFile(t, filepath.Join(dir, name), content)
	}
}

// addByDay writes a file into each row's directory.
func addByDay(t testing.TB, dir string, n int, rows []sourcetest.Row) {
	for i, r := range rows {
		day := r.At.Time().Format("year=2006/month=01/day=2")
		writeFile(t, filepath.Join(dir, "events", day, fmt.Sprintf("%d-%d.parquet", n, i)), parquetRows(t, []sourcetest.Row{r}))
	}
}

// addCommit writes a file and a commit of it, with the statistics that a writer has:
// cut to milliseconds.
func addCommit(t testing.TB, dir string, n int, rows []sourcetest.Row) {
	name := fmt.Sprintf("%d.parquet", n)
	content := parquetRows(t, rows)
	writeFile(t, filepath.Join(dir, "events", name), content)
	low, high := rows[0].At, rows[0].At
	for _, r := range rows {
		low, high = min(low, r.At), max(high, r.At)
	}
	const layout = "2006-01-02T15:04:05.000Z"
	stats, err := json.Marshal(fmt.Sprintf(`{"numRecords":%d,"minValues":{"ts":%q},"maxValues":{"ts":%q}}`,
		len(rows), low.Time().Format(layout), high.Time().Format(layout)))
	require.NoError(t, err)
	commit(t, dir, fmt.Sprintf(`{"add":{"path":%q,"partitionValues":{},"size":%d,"stats":%s}}`, name, len(content), stats))
}

// commit adds the next version to the table "events".
func commit(t testing.TB, dir string, actions ...string) {
	t.Helper()
	log := filepath.Join(dir, "events/_delta_log")
	require.NoError(t, os.MkdirAll(log, 0o700))
	before, err := os.ReadDir(log)
	require.NoError(t, err)
	writeFile(t, filepath.Join(log, fmt.Sprintf("%020d.json", len(before))), []byte(strings.Join(actions, "\n")))
}

var rowSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.BinaryTypes.String},
	{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
}, nil)

// parquetRows returns a Parquet file with row groups of two rows.
func parquetRows(t testing.TB, rows []sourcetest.Row) []byte {
	t.Helper()
	tags := arrow.Field{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(append(rowSchema.Fields(), tags), nil))
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(r.ID)
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(r.At))
		lists := b.Field(2).(*array.ListBuilder)
		lists.Append(r.Tags() != nil)
		for _, tag := range r.Tags() {
			lists.ValueBuilder().(*array.StringBuilder).Append(tag)
		}
	}
	r := b.NewRecord()
	defer r.Release()
	return parquetOf(t, r, 2)
}

func parquetOf(t testing.TB, r arrow.Record, rowsPerGroup int64, options ...parquet.WriterProperty) []byte {
	t.Helper()
	var out strings.Builder
	options = append([]parquet.WriterProperty{parquet.WithVersion(parquet.V2_LATEST), parquet.WithMaxRowGroupLength(rowsPerGroup)}, options...)
	w, err := pqarrow.NewFileWriter(r.Schema(), io.Writer(&out), parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	for from := int64(0); from < r.NumRows(); from += rowsPerGroup {
		part := r.NewSlice(from, min(from+rowsPerGroup, r.NumRows()))
		require.NoError(t, w.Write(part))
		part.Release()
	}
	require.NoError(t, w.Close())
	return []byte(out.String())
}

var everything = window.Interval{Start: window.MinTime, End: window.MaxTime}
