package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/source/sourcetest"
	"github.com/tilery/tilery/pkg/window"
)

func instant(t testing.TB, text string) window.Time {
	t.Helper()
	at, err := window.Parse(text)
	require.NoError(t, err)
	return at
}

func interval(t testing.TB, start, end string) window.Interval {
	t.Helper()
	return window.Interval{Start: instant(t, start), End: instant(t, end)}
}

// events is a source over dir.
func events(format feature.FileFormat, uri string, columns ...feature.DatetimePartitionColumn) feature.BatchSource {
	return feature.BatchSource{Metadata: feature.Metadata{Name: "events"}, Schema: sourcetest.Schema, BatchConfig: feature.FileConfig{
		URI: uri, FileFormat: format, TimestampField: "ts", DatetimePartitionColumns: columns}}
}

func local(t testing.TB, dir string) *source.Local {
	t.Helper()
	l, err := source.NewLocal(dir)
	require.NoError(t, err)
	return l
}

// found returns the paths below dir that an interval needs.
func found(t testing.TB, l *source.Local, dir string, s feature.BatchSource, i window.Interval) []string {
	t.Helper()
	files, err := l.Files(t.Context(), s, i)
	require.NoError(t, err)
	out := []string{}
	for _, f := range files.Files {
		out = append(out, strings.TrimPrefix(f.Path, dir+"/"))
	}
	return out
}

func TestParquetFootersTellWhichFilesAndRowGroupsAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for day := 1; day <= 3; day++ {
		var rows []sourcetest.Row
		for hour := range 10 {
			rows = append(rows, sourcetest.Row{ID: "a", At: instant(t, fmt.Sprintf("2001-01-0%d", day)).Add(time.Duration(hour) * time.Hour)})
		}
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", day)), parquetRows(t, rows))
	}
	l, s := local(t, dir), events(feature.Parquet, "*.parquet")
	for range 2 { // the second time from the cache
		require.Equal(t, []string{"2.parquet"}, found(t, l, dir, s, interval(t, "2001-01-02", "2001-01-03")))
		require.Equal(t, []string{"1.parquet", "2.parquet"}, found(t, l, dir, s, interval(t, "2001-01-01T09:00", "2001-01-02T00:00:00.000001Z")))
		require.Empty(t, found(t, l, dir, s, interval(t, "2001-01-01T10:00", "2001-01-01T23:00")))
		scan, err := l.Scan(t.Context(), s, interval(t, "2001-01-02T01:00", "2001-01-02T03:00"))
		require.NoError(t, err)
		require.Equal(t, 1, scan.Files)
		require.Equal(t, int64(4), scan.Rows, "two row groups of two rows")
		require.True(t, scan.RowsKnown)
		whole, err := l.Scan(t.Context(), s, everything)
		require.NoError(t, err)
		require.Equal(t, int64(30), whole.Rows)
		require.Positive(t, scan.Bytes)
		require.Less(t, scan.Bytes, whole.Bytes)
	}

	writeFile(t, filepath.Join(dir, "2.parquet"), parquetRows(t, []sourcetest.Row{{ID: "b", At: instant(t, "2001-05-01")}}))
	require.Equal(t, []string{"2.parquet"}, found(t, l, dir, s, interval(t, "2001-05-01", "2001-05-02")), "a replaced file is read again")
}

func TestFilesThatTellNothingAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := array.NewRecordBuilder(memory.DefaultAllocator, rowSchema)
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append("a")
	b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(instant(t, "2001-01-01")))
	r := b.NewRecord()
	defer r.Release()
	other := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	x, _, err := array.RecordFromJSON(memory.DefaultAllocator, other, strings.NewReader(`[{"x": 1}]`))
	require.NoError(t, err)
	defer x.Release()
	writeFile(t, filepath.Join(dir, "a.parquet"), parquetOf(t, r, 10, parquet.WithStats(false)))
	writeFile(t, filepath.Join(dir, "b.parquet"), []byte("PAR1 and no more"))
	writeFile(t, filepath.Join(dir, "c.parquet"), parquetOf(t, x, 10))
	writeFile(t, filepath.Join(dir, "d.parquet"), nil)
	want := []string{"a.parquet", "b.parquet", "c.parquet", "d.parquet"}
	require.Equal(t, want, found(t, local(t, dir), dir, events(feature.Parquet, "*"), interval(t, "2005-01-01", "2005-01-02")))
	scan, err := local(t, dir).Scan(t.Context(), events(feature.Parquet, "*"), everything)
	require.NoError(t, err)
	require.False(t, scan.RowsKnown)
}

func TestFootersOfEveryUnitAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, unit := range []arrow.DataType{
		&arrow.TimestampType{Unit: arrow.Second}, &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"},
		&arrow.TimestampType{Unit: arrow.Microsecond}, &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, arrow.FixedWidthTypes.Date32,
	} {
		dir := t.TempDir()
		schema := arrow.NewSchema([]arrow.Field{{Name: "ts", Type: unit, Nullable: true}}, nil)
		r, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[{"ts": "1960-05-05"}, {"ts": "1960-05-07"}, {"ts": null}]`))
		require.NoError(t, err)
		writeFile(t, filepath.Join(dir, "a.parquet"), parquetOf(t, r, 10))
		r.Release()
		l, s := local(t, dir), events(feature.Parquet, "a.parquet")
		for i, want := range map[window.Interval]int{
			interval(t, "1960-05-04", "1960-05-04T23:00"):       0,
			interval(t, "1960-05-04", "1960-05-05"):             0,
			interval(t, "1960-05-05", "1960-05-05T00:00:01Z"):   1,
			interval(t, "1960-05-07", "1960-05-08"):             1,
			interval(t, "1960-05-07T00:00:01Z", "1960-05-08"):   0,
			interval(t, "2001-01-01", "2001-01-02"):             0,
			{Start: window.MinTime, End: window.MaxTime}:        1,
			interval(t, "0001-01-01", "1960-05-04T23:59:59.9Z"): 0,
		} {
			require.Len(t, found(t, l, dir, s, i), want, "%s %v", unit, i)
		}
	}
}

func TestOnlyDirectoriesOfTheIntervalAreListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{
		"year=2000/month=12/day=31", "year=2001/month=01/day=01", "year=2001/month=1/day=2", "year=2001/month=02/day=1",
		"year=__HIVE_DEFAULT_PARTITION__/month=1/day=1", "_temporary/day=1", "year=2001/other", "year=2001/month=02/day=28",
	} {
		writeFile(t, filepath.Join(dir, "data", name, "a.csv"), []byte("id,ts\n"))
		writeFile(t, filepath.Join(dir, "data", name, "a.tmp"), []byte("id,ts\n"))
	}
	s := events(feature.CSV, "data/*.csv", feature.DatetimePartitionColumn{ColumnName: "year", Datepart: "year"},
		feature.DatetimePartitionColumn{ColumnName: "month", Datepart: "month"}, feature.DatetimePartitionColumn{ColumnName: "day", Datepart: "day"})
	l := local(t, dir)
	for i, want := range map[window.Interval][]string{
		interval(t, "2001-01-01", "2001-01-02"):       {"2001/month=01/day=01"},
		interval(t, "2000-12-31T23:59", "2001-01-03"): {"2000/month=12/day=31", "2001/month=01/day=01", "2001/month=1/day=2"},
		interval(t, "2001-02-01", "2001-03-01"):       {"2001/month=02/day=1", "2001/month=02/day=28"},
		interval(t, "2005-02-01", "2005-03-01"):       {},
		{Start: window.MinTime, End: window.MaxTime}:  {"2000/month=12/day=31", "2001/month=01/day=01", "2001/month=02/day=1", "2001/month=02/day=28", "2001/month=1/day=2"},
	} {
		for n, name := range want {
			want[n] = "data/year=" + name + "/a.csv"
		}
		require.Equal(t, want, found(t, l, dir, s, i), i)
	}

	// A directory that cannot be read shows that it is not looked into.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data/year=2000/month=12")))
	writeFile(t, filepath.Join(dir, "data/year=2000/month=12"), nil)
	require.NotEmpty(t, found(t, l, dir, s, interval(t, "2001-01-01", "2001-01-02")))
	_, err := l.Files(t.Context(), s, interval(t, "2000-12-01", "2000-12-02"))
	require.Error(t, err)
}

func TestDirectoriesOfEveryPartAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]string{
		"y=2001":                {"year"},
		"y=2001/m=02":           {"year", "month"},
		"y=2001/m=2/d=3/h=04":   {"year", "month", "day", "hour"},
		"date=2001-02-03":       {"date"},
		"date=2001-02-03/h=004": {"date", "hour"},
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, name, "a.json"), nil)
		var columns []feature.DatetimePartitionColumn
		for i, directory := range strings.Split(name, "/") {
			column, _, _ := strings.Cut(directory, "=")
			columns = append(columns, feature.DatetimePartitionColumn{ColumnName: column, Datepart: parts[i]})
		}
		l, s := local(t, dir), events(feature.JSON, "a.json", columns...)
		require.Len(t, found(t, l, dir, s, interval(t, "2001-02-03T04:59", "2001-02-03T06:00")), 1, name)
		require.Empty(t, found(t, l, dir, s, interval(t, "2002-02-03T05:00", "2002-02-04")), name)
		require.Empty(t, found(t, l, dir, s, interval(t, "2000-02-03", "2001-01-01")), name)
		if len(parts) > 1 && parts[len(parts)-1] == "hour" {
			require.Empty(t, found(t, l, dir, s, interval(t, "2001-02-03T05:00", "2001-02-04")), name)
		}
	}
	for _, name := range []string{"y=x/m=1", "y=2001/m=0", "y=2001/m=13", "y=2001/m=", "y=-1/m=1"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, name, "a.json"), nil)
		_, err := local(t, dir).Files(t.Context(), events(feature.JSON, "a.json",
			feature.DatetimePartitionColumn{ColumnName: "y", Datepart: "year"}, feature.DatetimePartitionColumn{ColumnName: "m", Datepart: "month"}), everything)
		require.ErrorIs(t, err, source.ErrURI, name)
	}
}
