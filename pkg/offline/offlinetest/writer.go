package offlinetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

func row(user string, item int64, at window.Time) Row { return Row{User: user, Item: item, At: at} }

func testWriter(t *testing.T, d Driver) {
	s := newScene(t, d)
	w := hour(0)

	t.Run("a build tells what it holds", func(t *testing.T) {
		rows := []Row{row("a", 1, w.Start), row("a", 1, w.End-1), row("b", -1, w.Start+5)}
		build, err := Write(t.Context(), s.table, w, readAt(1), rows)
		require.NoError(t, err)
		require.Equal(t, w, build.Window)
		require.Equal(t, readAt(1), build.ReadAt)
		require.EqualValues(t, 3, build.Rows)
		require.Len(t, build.Files, 1)
		f := build.Files[0]
		require.EqualValues(t, 3, f.Rows)
		require.Equal(t, build.Bytes, f.Size)
		require.Equal(t, w.Start, f.MinTime)
		require.Equal(t, w.End-1, f.MaxTime)
		require.Equal(t, "2001-01-04", f.Partition)
		require.Zero(t, f.Seq)
		require.Less(t, time.Since(f.WrittenAt.Time()), time.Hour)
		info, err := s.bucket.Stat(t.Context(), s.spec.Path+"/"+f.Path)
		require.NoError(t, err)
		require.Equal(t, f.Size, info.Size)
		require.Empty(t, s.snapshot().Files, "a build is invisible")
	})
	t.Run("a build survives JSON", func(t *testing.T) {
		build := s.build(ID{Window: hour(3), ReadAt: readAt(2)})
		text, err := json.Marshal(build)
		require.NoError(t, err)
		var back offline.Build
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, build, back)
	})
	t.Run("an empty window has no files", func(t *testing.T) {
		build, err := Write(t.Context(), s.table, w, readAt(1), nil)
		require.NoError(t, err)
		require.Equal(t, offline.Build{Window: w, ReadAt: readAt(1)}, build)
	})
	t.Run("rows of equal key and time are kept in order", func(t *testing.T) {
		rows := []Row{row("a", 1, w.Start), row("a", 1, w.Start), row("a", 1, w.Start)}
		for i := range rows {
			rows[i].N = int64(9 - i)
		}
		build, err := Write(t.Context(), s.table, w, readAt(1), rows)
		require.NoError(t, err)
		got, err := ReadRows(t.Context(), s.table, build.Files)
		require.NoError(t, err)
		require.Equal(t, rows, got)
	})
	t.Run("bad rows are refused", func(t *testing.T) { testBadRows(t, s) })
	t.Run("a record of another schema is refused", func(t *testing.T) {
		writer, err := s.table.NewWriter(t.Context(), w, readAt(1), "a")
		require.NoError(t, err)
		defer func() { require.NoError(t, writer.Abort()) }()
		schema := arrow.NewSchema(s.spec.Schema.Fields()[:3], nil)
		rec := Record(memory.DefaultAllocator, []Row{row("a", 1, w.Start)})
		require.Error(t, writer.Write(array.NewRecord(schema, rec.Columns()[:3], 1)))
	})
	t.Run("bad windows, times and attempts are refused", func(t *testing.T) {
		half := window.Interval{Start: w.Start, End: w.Start.Add(30 * time.Minute)}
		shifted := window.Interval{Start: w.Start + 1, End: w.End + 1}
		for _, bad := range []window.Interval{half, shifted, {Start: w.Start, End: hour(1).End}, {Start: w.Start, End: w.Start}, {Start: w.End, End: w.Start}} {
			_, err := s.table.NewWriter(t.Context(), bad, readAt(1), "a")
			require.Error(t, err, "%v", bad)
		}
		_, err := s.table.NewWriter(t.Context(), w, 0, "a")
		require.Error(t, err)
		for _, bad := range []string{"", "a/b", "a b", "ä"} {
			_, err := s.table.NewWriter(t.Context(), w, readAt(1), bad)
			require.Error(t, err, "%q", bad)
		}
	})
	t.Run("no reference to a record is kept", func(t *testing.T) {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		defer mem.AssertSize(t, 0)
		writer, err := s.table.NewWriter(t.Context(), w, readAt(1), "a")
		require.NoError(t, err)
		defer func() { require.NoError(t, writer.Abort()) }()
		rec := Record(mem, []Row{row("a", 1, w.Start), row("b", 1, w.Start)})
		require.NoError(t, writer.Write(rec))
		rec.Release()
	})
	t.Run("after Abort nothing can be built", func(t *testing.T) {
		writer, err := s.table.NewWriter(t.Context(), w, readAt(1), "a")
		require.NoError(t, err)
		require.NoError(t, writer.Abort())
		require.NoError(t, writer.Abort())
		require.Error(t, writer.Write(Record(memory.DefaultAllocator, []Row{row("a", 1, w.Start)})))
		_, err = writer.Close(t.Context())
		require.Error(t, err)
	})
	t.Run("Abort after Close keeps the build", func(t *testing.T) {
		writer, err := s.table.NewWriter(t.Context(), w, readAt(1), "a")
		require.NoError(t, err)
		require.NoError(t, writer.Write(Record(memory.DefaultAllocator, []Row{row("a", 1, w.Start)})))
		build, err := writer.Close(t.Context())
		require.NoError(t, err)
		require.NoError(t, writer.Abort())
		_, err = writer.Close(t.Context())
		require.Error(t, err, "a second Close")
		_, err = ReadRows(t.Context(), s.table, build.Files)
		require.NoError(t, err)
	})
}

func testBadRows(t *testing.T, s *scene) {
	w := hour(0)
	for name, rows := range map[string][]Row{
		"key before":          {row("b", 1, w.Start), row("a", 1, w.Start)},
		"second key before":   {row("a", 1, w.Start), row("a", -1, w.Start)},
		"time before":         {row("a", 1, w.Start+1), row("a", 1, w.Start)},
		"before the window":   {row("a", 1, w.Start-1)},
		"at the window's end": {row("a", 1, w.End)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Write(t.Context(), s.table, w, readAt(1), rows)
			require.Error(t, err, "in one record")

			writer, err := s.table.NewWriter(t.Context(), w, readAt(1), "a")
			require.NoError(t, err)
			defer func() { require.NoError(t, writer.Abort()) }()
			for i, r := range rows {
				err := writer.Write(Record(memory.DefaultAllocator, []Row{r}))
				require.Equal(t, i == len(rows)-1, err != nil, "row %d, by records", i)
			}
			_, err = writer.Close(t.Context())
			require.Error(t, err, "Close after a refused row")
		})
	}
	t.Run("null time", func(t *testing.T) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, s.spec.Schema)
		defer b.Release()
		for i := range s.spec.Schema.NumFields() {
			b.Field(i).AppendNull()
		}
		writer, err := s.table.NewWriter(t.Context(), w, readAt(1), "a")
		require.NoError(t, err)
		defer func() { require.NoError(t, writer.Abort()) }()
		require.Error(t, writer.Write(b.NewRecord()))
	})
}
