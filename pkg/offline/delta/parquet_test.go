package delta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

func openParquet(t *testing.T, b bucket.Bucket, f offline.File) *file.Reader {
	return openParquetAt(t, b, offlinetest.Spec().Path+"/"+f.Path)
}

func openParquetAt(t *testing.T, b bucket.Bucket, key string) *file.Reader {
	data, err := b.Get(t.Context(), key)
	require.NoError(t, err)
	reader, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	return reader
}

func TestFilesDeclareOrderGroupsAndFormat(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	scratch := t.TempDir()
	table := open(t, b, delta.Options{RowGroupRows: 10, ScratchDir: scratch})
	var rows []offlinetest.Row
	for i := range 25 {
		rows = append(rows, offlinetest.Row{User: fmt.Sprintf("%02d", i), At: hour(0).Start})
	}
	built := build(t, table, hour(0), readAt(1), rows)
	got, err := offlinetest.ReadRows(t.Context(), table, built.Files)
	require.NoError(t, err)
	require.Equal(t, rows, got)

	footer := openParquet(t, b, built.Files[0]).MetaData()
	require.Len(t, footer.RowGroups, 3)
	for i, group := range footer.RowGroups {
		require.EqualValues(t, []int{10, 10, 5}[i], group.NumRows)
		require.Len(t, group.SortingColumns, 3, "two keys and the time")
		for j, column := range group.SortingColumns {
			require.EqualValues(t, j, column.ColumnIdx)
			require.False(t, column.Descending)
			require.True(t, column.NullsFirst)
		}
		chunk, err := footer.RowGroup(i).ColumnChunk(0)
		require.NoError(t, err)
		require.Equal(t, compress.Codecs.Zstd, chunk.Compression())
	}
	require.Equal(t, "1", *footer.KeyValueMetadata().FindValue("tilery.format"))
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left, "scratch files")
}

func TestRowGroupsEndBeforeMemoryDoes(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	table := open(t, b, delta.Options{})
	var rows []offlinetest.Row
	big := bytes.Repeat([]byte{7}, 4<<20)
	for i := range 40 {
		rows = append(rows, offlinetest.Row{User: fmt.Sprintf("%02d", i), At: hour(0).Start, Rest: big})
	}
	built := build(t, table, hour(0), readAt(1), rows)
	require.Len(t, openParquet(t, b, built.Files[0]).MetaData().RowGroups, 2, "160 MiB of rows, 7 a record")
}

func TestKeysThatRarelyRepeatOutgrowTheirDictionary(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	table := open(t, b, delta.Options{})
	var rows []offlinetest.Row
	for i := range 50_000 {
		rows = append(rows, offlinetest.Row{User: fmt.Sprintf("user-%06d", i/2), Item: int64(i % 2), At: hour(0).Start, N: int64(i % 3)})
	}
	built := build(t, table, hour(0), readAt(1), rows)
	got, err := offlinetest.ReadRows(t.Context(), table, built.Files)
	require.NoError(t, err)
	require.Equal(t, rows, got)
	group := openParquet(t, b, built.Files[0]).MetaData().RowGroup(0)
	encodings := func(column int) []parquet.Encoding {
		chunk, err := group.ColumnChunk(column)
		require.NoError(t, err)
		return chunk.Encodings()
	}
	dictionary := []parquet.Encoding{parquet.Encodings.RLEDict, parquet.Encodings.Plain, parquet.Encodings.RLE}
	require.Equal(t, append(dictionary, parquet.Encodings.Plain), encodings(0), "users: the rest without")
	require.Equal(t, dictionary, encodings(1), "items: few values")
}

func TestAWindowAcrossPartitionsIsDividedByThem(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	spec := offlinetest.Spec()
	spec.Step = 30 * 24 * time.Hour
	table, err := delta.New(b, delta.Options{}).Open(t.Context(), spec)
	require.NoError(t, err)
	start := noon.Floor(spec.Step)
	w := window.Interval{Start: start, End: start.Add(spec.Step)}
	var rows []offlinetest.Row
	for user := range 3 {
		for day := 0; day < 30; day += 1 + user {
			at := start.Add(time.Duration(day) * 24 * time.Hour)
			rows = append(rows, offlinetest.Row{User: fmt.Sprint(user), At: at}, offlinetest.Row{User: fmt.Sprint(user), At: at.Add(24*time.Hour) - 1})
		}
	}
	built := build(t, table, w, readAt(1), rows)
	require.Len(t, built.Files, 30)
	for i, f := range built.Files {
		day := start.Add(time.Duration(i) * 24 * time.Hour)
		require.Equal(t, day.Time().Format("2006-01-02"), f.Partition)
		require.Equal(t, day, f.MinTime)
		require.Equal(t, day.Add(24*time.Hour)-1, f.MaxTime)
		require.True(t, strings.HasPrefix(f.Path, "time_partition="+f.Partition+"/"))
	}
	commit(t, table, "month", false, built)
	got, err := offlinetest.ReadRows(t.Context(), table, built.Files)
	require.NoError(t, err)
	require.Equal(t, rows, got)
}

func TestStatisticsNeverHideARow(t *testing.T) {
	t.Parallel()
	table := open(t, newBucket(t), delta.Options{})
	long := strings.Repeat("x", 65)
	nan := 1.0
	stats := func(rows ...offlinetest.Row) map[string]any {
		var out map[string]any
		require.NoError(t, json.Unmarshal([]byte(build(t, table, hour(0), readAt(1), rows).Files[0].Stats), &out))
		return out
	}
	require.Equal(t, map[string]any{
		"numRecords": 2.0,
		"minValues":  map[string]any{"user": "a", "item": -5.0, "at": "2001-01-05T12:00:00.001Z", "n": -7.0},
		"maxValues":  map[string]any{"user": "b", "item": 3.0, "at": "2001-01-05T12:00:00.003Z", "n": 4.0},
		"nullCount":  map[string]any{"user": 0.0, "item": 0.0, "at": 0.0, "n": 0.0, "amount": 1.0, "rest": 2.0, "good": 2.0},
	}, stats(
		offlinetest.Row{User: "a", Item: 3, At: hour(0).Start + 1999, N: 4, Amount: &nan},
		offlinetest.Row{User: "b", Item: -5, At: hour(0).Start + 2001, N: -7},
	), "the earliest is truncated to milliseconds, the latest rounded up")

	got := stats(offlinetest.Row{User: "a", At: hour(0).Start}, offlinetest.Row{User: long, At: hour(0).Start})
	require.Equal(t, "a", got["minValues"].(map[string]any)["user"])
	require.NotContains(t, got["maxValues"], "user", "65 bytes")
	got = stats(offlinetest.Row{User: "a\xff", At: hour(0).Start})
	require.NotContains(t, got["minValues"], "user", "JSON cannot hold it")
	got = stats(offlinetest.Row{User: long[:64], At: hour(0).Start})
	require.Equal(t, long[:64], got["maxValues"].(map[string]any)["user"], "64 bytes")
}
