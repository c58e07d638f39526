package offlinetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// AppendSpec returns the spec of a table whose rows belong to no window.
func AppendSpec() offline.Spec {
	return offline.Spec{
		Path: "offline/profiles",
		Keys: []feature.Field{{Name: "user", Type: feature.String}, {Name: "item", Type: feature.Int64}},
		Time: "at",
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "user", Type: arrow.BinaryTypes.String},
			{Name: "item", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
			{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us},
			{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
			{Name: "sequence", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		}, nil),
		Partition: window.Month,
		Sequence:  "sequence",
	}
}

// Ingested is a row of AppendSpec.
type Ingested struct {
	User     string
	Item     int64
	At       window.Time
	N        int64
	Sequence int64
}

// at returns the middle of the n-th month from 2001 on, and i microseconds.
func at(month, i int) window.Time {
	return window.FromTime(time.Date(2001, time.January+time.Month(month), 15, 0, 0, 0, i*1000, time.UTC))
}

// sortIngested sorts by key and time, and then by sequence.
func sortIngested(rows []Ingested) []Ingested {
	slices.SortFunc(rows, func(a, b Ingested) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Item, b.Item), cmp.Compare(a.At, b.At), cmp.Compare(a.Sequence, b.Sequence))
	})
	return rows
}

func ingestedRecord(rows []Ingested) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, AppendSpec().Schema)
	defer b.Release()
	for _, row := range rows {
		b.Field(0).(*array.StringBuilder).Append(row.User)
		b.Field(1).(*array.Int64Builder).Append(row.Item)
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(row.At))
		b.Field(3).(*array.Int64Builder).Append(row.N)
		b.Field(4).(*array.Int64Builder).Append(row.Sequence)
	}
	return b.NewRecord()
}

// Append builds rows, which are written in records of up to 7 in the given order.
func Append(ctx context.Context, t offline.Table, name string, rows []Ingested) (build offline.Build, err error) {
	writer, err := t.NewAppender(ctx, "attempt-1")
	if err != nil {
		return build, err
	}
	defer func() { err = errors.Join(err, writer.Abort()) }()
	for part := range slices.Chunk(rows, 7) {
		rec := ingestedRecord(part)
		err := writer.Write(rec)
		rec.Release()
		if err != nil {
			return build, err
		}
	}
	build, err = writer.Close(ctx)
	build.Append = name
	return build, err
}

// ReadIngested returns the rows of files, sorted by key, time and sequence.
func ReadIngested(ctx context.Context, t offline.Table, files []offline.File) ([]Ingested, error) {
	var rows []Ingested
	for _, f := range files {
		r, err := t.OpenFile(ctx, f)
		if err != nil {
			return nil, err
		}
		if err := each(r, func(rec arrow.Record) { rows = appendIngested(rows, rec) }); err != nil {
			return nil, err
		}
	}
	return sortIngested(rows), nil
}

func appendIngested(rows []Ingested, rec arrow.Record) []Ingested {
	users, items, times := rec.Column(0).(*array.String), rec.Column(1).(*array.Int64), rec.Column(2).(*array.Timestamp)
	numbers, sequences := rec.Column(3).(*array.Int64), rec.Column(4).(*array.Int64)
	for i := range int(rec.NumRows()) {
		rows = append(rows, Ingested{
			User: string([]byte(users.Value(i))), // not Arrow's memory
			Item: items.Value(i), At: window.Time(times.Value(i)), N: numbers.Value(i), Sequence: sequences.Value(i),
		})
	}
	return rows
}

// counted returns the rows that count: of equal keys and times the last.
func counted(rows []Ingested) (out []Ingested) {
	rows = sortIngested(slices.Clone(rows))
	for i, r := range rows {
		if i+1 < len(rows) && rows[i+1].User == r.User && rows[i+1].Item == r.Item && rows[i+1].At == r.At {
			continue
		}
		out = append(out, r)
	}
	return out
}

// appendScene is a table of AppendSpec.
type appendScene struct {
	*scene
	ingested []Ingested // and committed
	sequence int64
}

func newAppendScene(t testing.TB, d Driver) *appendScene {
	s := &appendScene{scene: &scene{TB: t, driver: d, bucket: d.Bucket(t), spec: AppendSpec()}}
	s.table = s.open()
	return s
}

// frame returns rows of some users in some months, under the next sequence.
func (s *appendScene) frame(months, users int) []Ingested {
	s.sequence++
	var rows []Ingested
	for month := range months {
		for u := range users {
			rows = append(rows, Ingested{
				User: fmt.Sprintf("user-%02d", u), Item: int64(u % 2), At: at(month, u%3), N: s.sequence*1000 + int64(u), Sequence: s.sequence,
			})
		}
	}
	return sortIngested(rows)
}

func (s *appendScene) ingest(name string, rows []Ingested) offline.Build {
	s.Helper()
	b, err := Append(s.Context(), s.table, name, rows)
	require.NoError(s, err)
	require.Equal(s, outcomes(offline.Committed), s.commit(false, b))
	s.ingested = append(s.ingested, rows...)
	return b
}

func (s *appendScene) rows() []Ingested {
	s.Helper()
	rows, err := ReadIngested(s.Context(), s.open(), s.snapshot().Files)
	require.NoError(s, err)
	return rows
}

func testAppend(t *testing.T, d Driver) {
	t.Run("rows of any months become visible at once, and are added once", func(t *testing.T) {
		s := newAppendScene(t, d)
		rows := s.frame(5, 9)
		b := s.ingest("frame-1", rows)
		require.Len(t, b.Files, 5)
		require.Equal(t, rows, s.rows())
		snapshot := s.snapshot()
		require.Empty(t, snapshot.ReadAt)
		require.Equal(t, window.NewSet(), snapshot.Covered)
		for _, f := range snapshot.Files {
			require.EqualValues(t, 1, f.Seq)
		}
		require.Equal(t, outcomes(offline.Committed), s.commit(false, b), "a retry of ourselves")
		again, err := Append(t.Context(), s.open(), "frame-1", rows[:1])
		require.NoError(t, err)
		require.Equal(t, outcomes(offline.Done), s.commit(true, again), "another attempt")
		require.EqualValues(t, 1, s.snapshot().Version)
		require.Equal(t, rows, s.rows())
	})
	t.Run("partition by partition", func(t *testing.T) {
		s := newAppendScene(t, d)
		rows := s.frame(3, 9)
		byMonth := slices.Clone(rows)
		slices.SortStableFunc(byMonth, func(a, b Ingested) int {
			return cmp.Compare(s.spec.Partition.Name(a.At), s.spec.Partition.Name(b.At))
		})
		require.Len(t, s.ingest("frame-1", byMonth).Files, 3)
		require.Equal(t, sortIngested(rows), s.rows())
	})
	t.Run("a compaction keeps the last of equal rows", func(t *testing.T) {
		s := newAppendScene(t, d)
		for n := range 5 {
			s.ingest(fmt.Sprint("frame-", n), s.frame(2, 3+2*n))
		}
		require.Equal(t, sortIngested(slices.Clone(s.ingested)), s.rows(), "before it all are there")
		_, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2})
		require.NoError(t, err)
		require.Len(t, s.snapshot().Files, 2)
		require.Equal(t, counted(s.ingested), s.rows())
		first := s.ingested[:1]
		late, err := Append(t.Context(), s.table, "frame-0", first)
		require.NoError(t, err)
		require.Equal(t, outcomes(offline.Done), s.commit(false, late), "though its files are gone")
	})
	t.Run("an empty frame is known by its name", func(t *testing.T) {
		s := newAppendScene(t, d)
		b := s.ingest("nothing", nil)
		require.Empty(t, b.Files)
		require.EqualValues(t, 1, s.snapshot().Version)
		again, err := Append(t.Context(), s.table, "nothing", s.frame(1, 1))
		require.NoError(t, err)
		require.Equal(t, outcomes(offline.Done), s.commit(false, again))
	})
	t.Run("bad rows and builds are refused", func(t *testing.T) { testBadAppends(t, d) })
}

func testBadAppends(t *testing.T, d Driver) {
	s := newAppendScene(t, d)
	a, b := Ingested{User: "a", At: at(0, 1)}, Ingested{User: "b", At: at(0, 1)}
	for name, rows := range map[string][]Ingested{
		"twice the same key and time": {a, a},
		"key before":                  {b, a},
		"time before":                 {{User: "a", At: at(0, 2)}, a},
		"before, in another record":   {a, b, b, b, b, b, b, a},
		"outside of all years":        {{User: "a", At: window.MaxTime}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Append(t.Context(), s.table, "bad", rows)
			require.Error(t, err)
		})
	}
	_, err := s.table.NewWriter(t.Context(), hour(0), readAt(1), "a")
	require.Error(t, err, "a window")
	_, err = s.table.NewAppender(t.Context(), "a/b")
	require.Error(t, err, "an attempt that is no name")
	_, err = newScene(t, d).table.NewAppender(t.Context(), "a")
	require.Error(t, err, "a table of windows")

	good, err := Append(t.Context(), s.table, "good", []Ingested{a})
	require.NoError(t, err)
	for name, change := range map[string]func(*offline.Build){
		"no name":      func(b *offline.Build) { b.Append = "" },
		"a path":       func(b *offline.Build) { b.Append = "a/b" },
		"a window":     func(b *offline.Build) { b.Window = hour(0) },
		"a ReadAt":     func(b *offline.Build) { b.ReadAt = readAt(0) },
		"a late fence": func(b *offline.Build) { b.Fence = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			_, err := s.table.Commit(t.Context(), s.newCommit(false, bad))
			require.Error(t, err)
		})
	}
	require.Zero(t, s.snapshot().Version)
}
