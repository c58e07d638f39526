package source_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

// orders is the table of deltalog's testdata, which delta-rs wrote.
func orders(change func(*feature.BatchSource)) feature.BatchSource {
	s := events(feature.Delta, "orders")
	s.Schema = feature.Schema{
		{Name: "id", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "n", Type: feature.Int64}, {Name: "country", Type: feature.String},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// texts runs sql, which returns ts and a String v, and returns the values of v in order.
func texts(t *testing.T, tables []transform.Table, sql string) []string {
	t.Helper()
	out := []string{}
	_, err := duckdb.Engine{}.Run(t.Context(), transform.Query{
		SQL: sql, Tables: tables, TimestampField: "ts", Interval: everything,
		Output: feature.Schema{{Name: "ts", Type: feature.Timestamp}, {Name: "v", Type: feature.String}},
	}, func(r arrow.Record) error {
		for row := range int(r.NumRows()) {
			out = append(out, r.Column(1).(*array.String).ValueStr(row))
		}
		return nil
	})
	require.NoError(t, err)
	slices.Sort(out)
	return out
}

func table(t *testing.T, l *source.Local, s feature.BatchSource, i window.Interval) transform.Table {
	t.Helper()
	files, err := l.Files(t.Context(), s, i)
	require.NoError(t, err)
	return transform.Table{Name: s.Name, Schema: s.Schema, TimestampField: "ts", Interval: i, Format: s.BatchConfig.FileFormat, Files: files.Files}
}

func TestRowsOfATableOfAnotherWriter(t *testing.T) {
	t.Parallel()
	l := local(t, "deltalog/testdata")
	const sql = "SELECT ts, COALESCE(country, 'none') || ' ' || n AS v FROM events"
	se, us, å, none := []string{"se 0", "se 1", "se 2"}, []string{"us 10", "us 11", "us 12"}, []string{"å b/c 20", "å b/c 21", "å b/c 22"}, []string{"none 30", "none 31", "none 32"}
	late := []string{"se 40", "se 41", "se 42"}
	for version, want := range map[int64][]string{
		0: slices.Concat(se, us), 1: slices.Concat(se, us, å), 2: slices.Concat(se, us, å, none), 3: slices.Concat(se, å, none),
		4: slices.Concat(se, late, å, none),
	} {
		slices.Sort(want)
		s := orders(func(s *feature.BatchSource) { s.BatchConfig.DeltaVersion = &version })
		require.Equal(t, want, texts(t, []transform.Table{table(t, l, s, everything)}, sql), version)
	}
	newest := orders(nil)
	require.Len(t, texts(t, []transform.Table{table(t, l, newest, everything)}, sql), 12)

	// Written in microseconds, told in milliseconds: the largest is one more than told.
	day := interval(t, "2001-01-02T02:00:00.000001Z", "2001-01-03")
	require.Equal(t, []string{"å b/c 22"}, texts(t, []transform.Table{table(t, l, newest, day)}, sql))
	require.Len(t, table(t, l, newest, day).Files, 1)
	scan, err := l.Scan(t.Context(), newest, day)
	require.NoError(t, err)
	require.Equal(t, source.Scan{Files: 1, Rows: 3, Bytes: 1094, RowsKnown: true}, scan)

	extra := orders(func(s *feature.BatchSource) {
		s.Schema = append(s.Schema, feature.Field{Name: "extra", Type: feature.Float64})
	})
	require.Equal(t, []string{"0.0", "0.5", "1.0"}, texts(t, []transform.Table{table(t, l, extra, everything)},
		"SELECT ts, abs(extra)::VARCHAR AS v FROM events WHERE extra IS NOT NULL"))
}

func TestTimestampsPinATable(t *testing.T) {
	t.Parallel()
	l := local(t, "deltalog/testdata")
	// Version 1 was committed at 18:10:18.089, version 2 twelve milliseconds later.
	at := window.FromTime(time.UnixMilli(1795270218089))
	for offset, want := range map[time.Duration]int{0: 3, 11 * time.Millisecond: 3, 12 * time.Millisecond: 4, time.Hour: 4, -time.Millisecond: 2} {
		s := orders(func(s *feature.BatchSource) { s.BatchConfig.DeltaTimestamp = at.Add(offset) })
		require.Len(t, table(t, l, s, everything).Files, want, offset)
	}
	s := orders(func(s *feature.BatchSource) { s.BatchConfig.DeltaTimestamp = 1 })
	_, err := l.Files(t.Context(), s, everything)
	require.ErrorIs(t, err, source.ErrTable)
}

func TestTablesThatCannotBeReadAreErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("deltalog/testdata")))
	l := local(t, dir)
	seven := int64(7)
	_, err := l.Files(t.Context(), orders(func(s *feature.BatchSource) { s.BatchConfig.DeltaVersion = &seven }), everything)
	require.ErrorIs(t, err, source.ErrTable)
	require.ErrorContains(t, err, "versions 0 to 4 are there")
	_, err = l.Files(t.Context(), orders(func(s *feature.BatchSource) {
		s.Schema = append(s.Schema, feature.Field{Name: "nothing", Type: feature.Float64})
	}), everything)
	require.ErrorIs(t, err, source.ErrTable)
	require.ErrorContains(t, err, `no column "nothing", only id, ts, n, country, extra`)

	files, err := l.Files(t.Context(), orders(nil), everything)
	require.NoError(t, err)
	require.NoError(t, os.Remove(files.Files[0].Path))
	_, err = l.Files(t.Context(), orders(nil), everything)
	require.ErrorIs(t, err, source.ErrTable)
	require.ErrorContains(t, err, files.Files[0].Path)
	require.NotErrorIs(t, err, source.ErrNoFiles)

	empty, err := l.Files(t.Context(), events(feature.Delta, "empty"), everything)
	require.NoError(t, err, "a table without rows is no mistake")
	require.Empty(t, empty.Files)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "orders/_delta_log")))
	_, err = l.Files(t.Context(), orders(nil), everything)
	require.ErrorIs(t, err, source.ErrNoFiles)
}

func TestSourcesOfAllFormatsJoin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("deltalog/testdata")))
	writeFile(t, filepath.Join(dir, "users.csv"), []byte("id,ts,name\nk0,2000-01-01,Ada\nk1,2000-01-01,Bo\nk2,,nobody\n"))
	writeFile(t, filepath.Join(dir, "countries.json"), []byte(`{"ts": "2000-06-01T02:00:00+02:00", "country": "se", "tax": 25.5}`))
	l := local(t, dir)
	users := feature.BatchSource{Metadata: feature.Metadata{Name: "users"}, BatchConfig: feature.FileConfig{URI: "users.csv", FileFormat: feature.CSV, TimestampField: "ts"},
		Schema: feature.Schema{{Name: "id", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "name", Type: feature.String}}}
	countries := feature.BatchSource{Metadata: feature.Metadata{Name: "countries"}, BatchConfig: feature.FileConfig{URI: "countries.json", FileFormat: feature.JSON, TimestampField: "ts"},
		Schema: feature.Schema{{Name: "country", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "tax", Type: feature.Float64}}}
	plain := events(feature.Parquet, "plain/*.parquet") // a table's files without its log
	plain.Name = "visits"
	var tables []transform.Table
	for _, s := range []feature.BatchSource{orders(nil), users, countries, plain} {
		tables = append(tables, table(t, l, s, everything))
	}
	require.Equal(t, []string{"Ada 0 25.5 1", "Ada 40 25.5 1", "Bo 1 25.5 1", "Bo 41 25.5 1"}, texts(t, tables, `
		SELECT e.ts, u.name || ' ' || e.n || ' ' || c.tax || ' ' || (SELECT count(*) FROM visits v WHERE v.id = e.id) AS v
		FROM events e JOIN users u USING (id) JOIN countries c USING (country)`))
}
