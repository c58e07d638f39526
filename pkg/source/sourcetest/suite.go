package sourcetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// Row is a row of the suite's sources, whose Schema is Schema or Tagged.
type Row struct {
	ID string
	At window.Time
}

// Tags returns the row's value of the column tags; nil is null.
func (r Row) Tags() []string {
	if strings.HasSuffix(r.ID, "3") {
		return nil
	}
	return strings.SplitAfter(r.ID, "1")
}

// Schema is that of the suite's sources; ts is their timestamp field.
var Schema = feature.Schema{{Name: "id", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}}

// Tagged is Schema with an array. A driver that reads arrays has it.
var Tagged = append(Schema[:2:2], feature.Field{Name: "tags", Type: feature.ArrayOf(feature.String)})

// Scene is a driver with one source in it, which exists and has no rows yet.
type Scene struct {
	Batch  source.Batch
	Engine transform.Engine // that reads what Batch finds
	Source feature.BatchSource
	// Missing is a source that does not exist.
	Missing feature.BatchSource
	// Add adds rows to Source, which may be seen as one more file.
	Add func(rows []Row)
}

// Run runs the suite; open makes a scene of its own for each test.
func Run(t *testing.T, open func(t testing.TB) Scene) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, func(testing.TB) Scene)
	}{
		{"FilesHoldAllRowsOfAnInterval", testRows},
		{"NothingToReadIsNoError", testNothing},
		{"MissingSourcesAreErrors", testMissing},
		{"VersionTellsStatesApart", testVersion},
		{"EndedContextsEndCalls", testContext},
		{"CallsDoNotDisturbEachOther", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open)
		})
	}
}

// start is where the suite's rows begin: some in one month and year, some in the next.
var start = window.FromTime(time.Date(2000, 12, 30, 0, 0, 0, 0, time.UTC))

// span holds all rows of the suite.
var span = window.Interval{Start: start, End: start.Add(4 * 24 * time.Hour)}

func testRows(t *testing.T, open func(testing.TB) Scene) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	anyTime := func() window.Time {
		hour := start.Add(time.Duration(random.IntN(4*24)) * time.Hour)
		return hour.Add([]time.Duration{0, time.Microsecond, time.Minute, time.Hour - time.Microsecond}[random.IntN(4)])
	}
	s := open(t)
	var all []Row
	for range 20 {
		var added []Row
		for range 1 + random.IntN(5) {
			added = append(added, Row{fmt.Sprint("r", len(all)+len(added)), anyTime()})
		}
		s.Add(added)
		all = append(all, added...)
		// Intervals that touch a row are where mistakes are.
		i := window.Interval{Start: all[random.IntN(len(all))].At, End: anyTime()}
		if i.End < i.Start {
			i.Start, i.End = i.End, i.Start+window.Time(random.IntN(2))
		}
		testInterval(t, s, all, i)
	}
}

func testInterval(t *testing.T, s Scene, all []Row, i window.Interval) {
	want := []string{}
	for _, r := range all {
		if i.Contains(r.At) {
			want = append(want, r.ID)
		}
	}
	slices.Sort(want)
	require.Equal(t, want, read(t, s, i))

	files, err := s.Batch.Files(t.Context(), s.Source, i)
	require.NoError(t, err)
	scan, err := s.Batch.Scan(t.Context(), s.Source, i)
	require.NoError(t, err)
	require.Len(t, files.Files, scan.Files)
	require.LessOrEqual(t, scan.Bytes, files.Bytes)
	if scan.RowsKnown {
		require.LessOrEqual(t, int64(len(want)), scan.Rows)
		require.LessOrEqual(t, scan.Rows, int64(len(all)))
	}
}

// read returns the ids of the rows of i, in order.
func read(t *testing.T, s Scene, i window.Interval) []string {
	files, err := s.Batch.Files(t.Context(), s.Source, i)
	require.NoError(t, err)
	ids := []string{}
	schema := s.Source.Schema
	_, err = s.Engine.Run(t.Context(), transform.Query{
		SQL: "SELECT * FROM events",
		Tables: []transform.Table{{
			Name: "events", Schema: schema, TimestampField: "ts", Interval: i, Format: s.Source.BatchConfig.FileFormat, Files: files.Files,
		}},
		Output: schema, TimestampField: "ts", Interval: i,
	}, func(r arrow.Record) error {
		for row := range int(r.NumRows()) {
			id := r.Column(0).(*array.String).Value(row)
			ids = append(ids, id)
			if len(schema) > len(Schema) {
				require.Equal(t, Row{ID: id}.Tags(), texts(r.Column(2).(*array.List), row))
			}
		}
		return nil
	})
	require.NoError(t, err)
	slices.Sort(ids)
	return ids
}

// texts returns the elements of a row; nil is null.
func texts(lists *array.List, row int) []string {
	if lists.IsNull(row) {
		return nil
	}
	from, to := lists.ValueOffsets(row)
	out := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, lists.ListValues().(*array.String).Value(int(i)))
	}
	return out
}

func testNothing(t *testing.T, open func(testing.TB) Scene) {
	s := open(t)
	s.Add([]Row{{"a", start}})
	for _, i := range []window.Interval{
		{Start: span.End, End: span.End.Add(time.Hour)},
		{Start: start, End: start},
		{Start: window.MinTime, End: start},
	} {
		require.Empty(t, read(t, s, i))
		_, err := s.Batch.Scan(t.Context(), s.Source, i)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"a"}, read(t, s, window.Interval{Start: window.MinTime, End: window.MaxTime}))
}

func testMissing(t *testing.T, open func(testing.TB) Scene) {
	s := open(t)
	_, err := s.Batch.Files(t.Context(), s.Missing, span)
	require.ErrorIs(t, err, source.ErrNoFiles)
	require.ErrorContains(t, err, s.Missing.Name)
	_, err = s.Batch.Scan(t.Context(), s.Missing, span)
	require.ErrorIs(t, err, source.ErrNoFiles)
}

func testVersion(t *testing.T, open func(testing.TB) Scene) {
	s := open(t)
	seen := make(map[string]bool)
	for n := range 3 {
		s.Add([]Row{{fmt.Sprint(n), start}})
		files, err := s.Batch.Files(t.Context(), s.Source, span)
		require.NoError(t, err)
		require.Len(t, files.Version, 16)
		require.False(t, seen[files.Version])
		seen[files.Version] = true
		again, err := s.Batch.Files(t.Context(), s.Source, span)
		require.NoError(t, err)
		require.Equal(t, files, again)
	}
}

func testContext(t *testing.T, open func(testing.TB) Scene) {
	s := open(t)
	s.Add([]Row{{"a", start}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Batch.Files(ctx, s.Source, span)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Batch.Scan(ctx, s.Source, span)
	require.ErrorIs(t, err, context.Canceled)
}

func testConcurrent(t *testing.T, open func(testing.TB) Scene) {
	s := open(t)
	for n := range 20 {
		s.Add([]Row{{fmt.Sprint(n), start.Add(time.Duration(n) * time.Hour)}})
	}
	want, err := s.Batch.Files(t.Context(), s.Source, span)
	require.NoError(t, err)
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			files, err := s.Batch.Files(t.Context(), s.Source, span)
			if err == nil && files.Version != want.Version {
				err = fmt.Errorf("version %s, want %s", files.Version, want.Version)
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
}
