package retrieve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// joined is a result of joinVisits.
type joined struct {
	order    []int             // of the spine's rows
	features [][]feature.Value // by row of the spine
	progress []retrieve.Progress
	report   retrieve.Report
}

// joinVisits joins asks, which come in records of some rows, and checks that each row
// of them comes once and as it was.
func joinVisits(t testing.TB, o retrieve.Options, schema feature.Schema, asks []ask, rows int, parts ...retrieve.Part) joined {
	var records []arrow.Record
	for first := 0; first < len(asks); first += rows {
		records = append(records, asksRecord(t, schema, first, asks[first:min(first+rows, len(asks))]))
	}
	result, err := retrieve.Result(schema, parts)
	require.NoError(t, err)
	out := joined{features: make([][]feature.Value, len(asks))}
	o.OnProgress = func(p retrieve.Progress) { out.progress = append(out.progress, p) }
	out.report, err = retrieve.Join(t.Context(), o, spineOf(schema, "when", records...), parts, func(rec arrow.Record) error {
		require.Equal(t, record.ArrowSchema(result).String(), rec.Schema().String())
		encoder, err := record.NewRowEncoder(result, rec.Columns())
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			row, err := record.DecodeRow(nil, encoder.Append(nil, i), result)
			require.NoError(t, err)
			number := int(row[3].Int64())
			require.Nil(t, out.features[number], "row %d came twice", number)
			want := asks[number].row(number)
			if schema[2].Type == feature.Int64 {
				require.Equal(t, want, row[:4])
			}
			out.order = append(out.order, number)
			out.features[number] = row[4:]
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, out.order, len(asks))
	require.Equal(t, int64(len(asks)), out.report.Rows)
	return out
}

func requireNaive(t testing.TB, got joined, asks []ask, visits []visit) {
	for i, a := range asks {
		require.Equal(t, a.naive(visits), got.features[i], "row %d, %v", i, a.row(i))
	}
}

func TestRowsKeepTheOrderOfTheSpineAndGetTheirLatestRow(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(1, 5, 2000, 3000)
	part := writeVisits(t, visitsView(0), 5, visits)
	for _, threads := range []int{1, 3} {
		for _, rows := range []int{1, 1000, 5000} {
			got := joinVisits(t, retrieve.Options{Threads: threads}, asksSchema, asks, rows, part)
			require.True(t, slices.IsSorted(got.order))
			requireNaive(t, got, asks, visits)
			last := got.progress[len(got.progress)-1]
			require.Equal(t, retrieve.Progress{Rows: int64(len(asks))}, last)
		}
	}
}

func TestASpineLargerThanMemoryComesInTheOrderOfKeyAndTime(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(2, 5, 2000, 20_000)
	part := writeVisits(t, visitsView(0), 5, visits)
	o := retrieve.Options{Threads: 2, MemoryBytes: 300 << 10, ScratchDir: t.TempDir()}
	got := joinVisits(t, o, asksSchema, asks, 512, part)
	require.Equal(t, joinVisits(t, retrieve.Options{}, asksSchema, asks, 512, part).features, got.features)
	require.Equal(t, int64(len(asks)), got.progress[len(got.progress)-1].Rows)
	require.Positive(t, got.progress[len(got.progress)-1].Spilled)

	schema := feature.Schema{asksSchema[2], asksSchema[0], asksSchema[1], asksSchema[3]}
	rec := asksRecord(t, asksSchema, 0, asks)
	encoder, err := record.NewRowEncoder(schema, []arrow.Array{rec.Column(2), rec.Column(0), rec.Column(1), rec.Column(3)})
	require.NoError(t, err)
	require.True(t, slices.IsSortedFunc(got.order, func(a, b int) int {
		return bytes.Compare(encoder.Append(nil, a), encoder.Append(nil, b))
	}))
}

func TestABlockWhoseFeaturesTakeTooMuchMemoryIsDivided(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(3, 2, 500, 4000)
	part := writeVisits(t, visitsView(0), 2, visits)
	spy := &spyTable{Table: part.Table}
	got := joinVisits(t, retrieve.Options{MemoryBytes: 2 << 20}, asksSchema, asks, 100, with(part, spy))
	require.True(t, slices.IsSorted(got.order), "nothing is sorted on disk")
	require.Greater(t, spy.scans.Load(), int64(2), "files are read for each part of the block")
	requireNaive(t, got, asks, visits)
}

func TestHundredsOfFilesAreReadWithLittleMemory(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(4, 400, 4000, 1000)
	part := writeVisits(t, visitsView(0), 400, visits)
	for _, memory := range []int64{0, 4 << 20} { // with little, files are opened for each batch
		spy := &spyTable{Table: part.Table}
		got := joinVisits(t, retrieve.Options{MemoryBytes: memory, Threads: 2}, asksSchema, asks, 1000, with(part, spy))
		requireNaive(t, got, asks, visits)
		require.Equal(t, spy.scans.Load(), spy.closed.Load())
		require.LessOrEqual(t, spy.scans.Load(), int64(2*400))
	}
}

func TestInt32StandsForInt64(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(5, 3, 500, 500)
	schema := slices.Clone(asksSchema)
	schema[2].Type = feature.Int32
	for _, memory := range []int64{0, 32 << 10} {
		got := joinVisits(t, retrieve.Options{MemoryBytes: memory, ScratchDir: t.TempDir()}, schema, asks, 100, writeVisits(t, visitsView(0), 3, visits))
		requireNaive(t, got, asks, visits)
	}
}

func TestAnEmptySpineAndATableWithoutRows(t *testing.T) {
	t.Parallel()
	_, asks := drawVisits(6, 3, 0, 50)
	part := writeVisits(t, visitsView(0), 3, nil)
	require.Empty(t, joinVisits(t, retrieve.Options{}, asksSchema, nil, 10, part).order)
	requireNaive(t, joinVisits(t, retrieve.Options{}, asksSchema, asks, 10, part), asks, nil)
	require.Len(t, joinVisits(t, retrieve.Options{}, asksSchema, asks, 10).order, 50, "no part")
}

func TestFilesThatCannotMatterAreNotOpened(t *testing.T) {
	t.Parallel()
	visits, _ := drawVisits(7, 20, 2000, 0)
	var asks []ask
	for n := range 40 {
		user, shop, at := int64(n-20), "a", days(9, 1).Start.Add(time.Hour)
		asks = append(asks, ask{&user, &shop, &at})
	}
	for ttl, files := range map[time.Duration]int64{0: 9, 2 * day: 2, 3*day - time.Hour: 3} {
		part := writeVisits(t, visitsView(ttl), 20, visits)
		spy := &spyTable{Table: part.Table}
		got := joinVisits(t, retrieve.Options{}, asksSchema, asks, 10, with(part, spy))
		require.Equal(t, files, spy.scans.Load(), "ttl %v", ttl)
		require.Empty(t, got.report.Uncovered)
	}
}

func TestTimeThatIsNotMaterializedIsReported(t *testing.T) {
	t.Parallel()
	user, shop := int64(1), "a"
	early, late := days(-5, 1).Start, days(10, 1).Start
	asks := []ask{{&user, &shop, &early}, {&user, &shop, &late}}
	got := joinVisits(t, retrieve.Options{}, asksSchema, asks, 10, writeVisits(t, visitsView(0), 7, nil))
	require.Equal(t, []retrieve.Uncovered{{View: "visits", Intervals: []window.Interval{days(7, 3)}}}, got.report.Uncovered)
}

func TestASpineThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	part := writeVisits(t, visitsView(0), 1, nil)
	second := part
	with := func(change func(s *retrieve.Spine, p []retrieve.Part)) error {
		s := spineOf(slices.Clone(asksSchema), "when", asksRecord(t, asksSchema, 0, []ask{{}}))
		first, second := part, second
		first.Keys, second.Features = slices.Clone(part.Keys), []retrieve.Column{{Feature: 0, Name: "other"}}
		parts := []retrieve.Part{first, second}
		change(&s, parts)
		_, err := retrieve.Join(t.Context(), retrieve.Options{}, s, parts, func(arrow.Record) error { return nil })
		return err
	}
	require.NoError(t, with(func(*retrieve.Spine, []retrieve.Part) {}))
	for want, change := range map[string]func(s *retrieve.Spine, p []retrieve.Part){
		`spine: no column "then" for the time`:                                        func(s *retrieve.Spine, _ []retrieve.Part) { s.Time = "then" },
		`spine: column "who" is Int64, the time must be Timestamp`:                    func(s *retrieve.Spine, _ []retrieve.Part) { s.Time = "who" },
		`spine: no column "whom" for join key "user" of view visits`:                  func(_ *retrieve.Spine, p []retrieve.Part) { p[0].Keys[0] = "whom" },
		`spine: column "where" is String, join key "user" of view visits is Int64`:    func(_ *retrieve.Spine, p []retrieve.Part) { p[0].Keys[0] = "where" },
		`spine: column "row" is Int64, join key "shop" of view visits is String`:      func(_ *retrieve.Spine, p []retrieve.Part) { p[0].Keys[1] = "row" },
		`spine: "row" is the name of a column of the spine and of one of view visits`: func(_ *retrieve.Spine, p []retrieve.Part) { p[1].Features[0].Name = "row" },
		`spine: "n" is the name of a column of view visits and of one of view visits`: func(_ *retrieve.Spine, p []retrieve.Part) { p[1].Features[0].Name = "n" },
		`spine: "row" is the name of a column of the spine and of one of the spine`:   func(s *retrieve.Spine, _ []retrieve.Part) { s.Schema[0].Name = "row" },
		`spine: column "row" has type int64, want utf8`:                               func(s *retrieve.Spine, _ []retrieve.Part) { s.Schema[3].Type = feature.String },
		`spine: a record has 4 columns, want 3`:                                       func(s *retrieve.Spine, _ []retrieve.Part) { s.Schema = s.Schema[:3] },
	} {
		err := with(change)
		require.ErrorIs(t, err, retrieve.ErrSpine)
		require.EqualError(t, err, want)
	}
}

func TestTheFirstErrorEndsAJoinAndClosesItsFiles(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(8, 5, 2000, 2000)
	part := writeVisits(t, visitsView(0), 5, visits)
	rec := asksRecord(t, asksSchema, 0, asks)
	gone := fmt.Errorf("file x: %w", offline.ErrHistoryGone)
	stopped := errors.New("stopped")
	for name, run := range map[string]func(spy *spyTable) (want, got error){
		"a file that was vacuumed": func(spy *spyTable) (error, error) {
			spy.err = gone
			_, err := retrieve.Join(t.Context(), retrieve.Options{Threads: 2}, spineOf(asksSchema, "when", rec), []retrieve.Part{with(part, spy)}, never)
			return offline.ErrHistoryGone, err
		},
		"the end of the context": func(spy *spyTable) (error, error) {
			ctx, cancel := context.WithCancel(t.Context())
			o := retrieve.Options{Threads: 2, OnProgress: func(retrieve.Progress) {
				if spy.scans.Load() > 2 {
					cancel()
				}
			}}
			defer cancel()
			_, err := retrieve.Join(ctx, o, spineOf(asksSchema, "when", rec), []retrieve.Part{with(part, spy)}, never)
			return context.Canceled, err
		},
		"the caller's": func(spy *spyTable) (error, error) {
			_, err := retrieve.Join(t.Context(), retrieve.Options{}, spineOf(asksSchema, "when", rec), []retrieve.Part{with(part, spy)},
				func(arrow.Record) error { return stopped })
			return stopped, err
		},
		"the spine's": func(spy *spyTable) (error, error) {
			s := spineOf(asksSchema, "when")
			s.Next = func() (arrow.Record, error) { return nil, stopped }
			_, err := retrieve.Join(t.Context(), retrieve.Options{}, s, []retrieve.Part{with(part, spy)}, never)
			return stopped, err
		},
	} {
		spy := &spyTable{Table: part.Table}
		want, got := run(spy)
		require.ErrorIs(t, got, want, name)
		require.Equal(t, spy.scans.Load(), spy.closed.Load(), name)
	}
}

func with(p retrieve.Part, table offline.Table) retrieve.Part {
	p.Table = table
	return p
}

func never(arrow.Record) error { return errors.New("no rows were expected") }

func TestARecordOfTheSpineMayBeOverwrittenByTheNext(t *testing.T) {
	t.Parallel()
	visits, asks := drawVisits(9, 3, 500, 200)
	part := writeVisits(t, visitsView(0), 3, visits)
	records := []arrow.Record{asksRecord(t, asksSchema, 0, asks[:100]), asksRecord(t, asksSchema, 100, asks[100:])}
	s := spineOf(asksSchema, "when", records...)
	next, calls := s.Next, 0
	s.Next = func() (arrow.Record, error) {
		if calls++; calls > 1 {
			clear(records[calls-2].Column(2).(*array.Int64).Int64Values())
		}
		return next()
	}
	rows := 0
	_, err := retrieve.Join(t.Context(), retrieve.Options{}, s, []retrieve.Part{part}, func(rec arrow.Record) error {
		for i := range int(rec.NumRows()) {
			a := asks[rows]
			rows++
			if a.user != nil {
				require.Equal(t, *a.user, rec.Column(2).(*array.Int64).Value(i))
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 200, rows)
}
