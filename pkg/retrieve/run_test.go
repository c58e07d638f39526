package retrieve_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

const hour = time.Hour

func at(after time.Duration) *window.Time {
	t := retrievetest.Start.Add(after)
	return &t
}

// csvOf carries a run out and returns its result as CSV.
func csvOf(t *testing.T, run *retrieve.Run, e *materialize.Engine) string {
	t.Helper()
	var text strings.Builder
	out, err := frame.NewWriter(&text, frame.CSV, run.Schema)
	require.NoError(t, err)
	rows, err := run.Do(t.Context(), e, out.Write)
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.Equal(t, int64(strings.Count(text.String(), "\n")-1), rows)
	return text.String()
}

func newRun(t *testing.T, target *materialize.Target, r retrieve.RunRequest) *retrieve.Run {
	t.Helper()
	run, err := retrieve.NewRun(target, r, retrievetest.Start.Add(10*24*hour))
	require.NoError(t, err)
	return run
}

func TestARunShowsEachStage(t *testing.T) {
	t.Parallel()
	view := retrievetest.Plain(2*hour, hour, retrievetest.Sum(2*hour), retrievetest.Sum(4*hour),
		feature.Aggregation{Column: "n", Function: feature.Mean, TimeWindow: feature.Trailing(feature.Duration(2 * hour))},
		feature.Aggregation{Column: "n", Function: feature.LastN(2), TimeWindow: feature.Trailing(feature.Duration(2 * hour))},
		feature.Aggregation{Column: "n", Function: feature.ApproxCountDistinct, TimeWindow: feature.Trailing(feature.Duration(2 * hour))})
	subject := newStudio(t).subject(t, view)
	for i, after := range []time.Duration{-time.Microsecond, 0, 90 * time.Minute, 2 * hour, 5*hour - time.Microsecond, 5 * hour} {
		subject.Source = append(subject.Source, retrievetest.Event(7, *at(after), int64(i)))
	}
	request := retrieve.RunRequest{Start: at(0), End: at(5 * hour), Level: retrieve.LevelDisabled}
	require.Equal(t, "user,ts,n\n"+
		"7,2001-01-04T00:00:00.000000Z,1\n7,2001-01-04T01:30:00.000000Z,2\n"+
		"7,2001-01-04T02:00:00.000000Z,3\n7,2001-01-04T04:59:59.999999Z,4\n", csvOf(t, newRun(t, subject.Target, request), subject.Engine))

	// The last tile ends with the range: at 5, 3 and 1 o'clock.
	request.Level = retrieve.LevelPartial
	require.Equal(t, "user,tile_start_time,tile_end_time,n_count_2h,n_last_2_2h,n_sum_2h\n"+
		"7,2001-01-03T23:00:00.000000Z,2001-01-04T01:00:00.000000Z,1,[1],1\n"+
		"7,2001-01-04T01:00:00.000000Z,2001-01-04T03:00:00.000000Z,2,\"[2,3]\",5\n"+
		"7,2001-01-04T03:00:00.000000Z,2001-01-04T05:00:00.000000Z,1,[4],4\n", csvOf(t, newRun(t, subject.Target, request), subject.Engine))

	request.Level = ""
	run := newRun(t, subject.Target, request)
	require.Equal(t, "user,timestamp,n_sum_2h_2h,n_sum_4h_2h,n_mean_2h_2h,n_last_2_2h_2h,n_approx_count_distinct_2h_2h\n"+
		"7,2001-01-04T01:00:00.000000Z,1,1,1.0,[1],1\n"+
		"7,2001-01-04T03:00:00.000000Z,5,6,2.5,\"[2,3]\",2\n"+
		"7,2001-01-04T05:00:00.000000Z,4,9,4.0,[4],1\n", csvOf(t, run, subject.Engine))
	require.Equal(t, []string{"[2001-01-04T00:00:00Z, 2001-01-04T05:00:00Z) is no multiple of the aggregation_interval 2h: " +
		"the first tile, from 2001-01-03T23:00:00Z on, lacks what is before start_time"}, run.Warnings)
	request.Start = at(3 * hour)
	require.Equal(t, []string{"[2001-01-04T03:00:00Z, 2001-01-04T05:00:00Z) is shorter than the 4h that the longest window needs: " +
		"it lacks what is before start_time"}, newRun(t, subject.Target, request).Warnings)
}

func TestRunsOfAViewWithoutAggregationsReturnItsRows(t *testing.T) {
	t.Parallel()
	subject := newStudio(t).subject(t, retrievetest.Plain(hour, 0))
	subject.Source = []oracle.Event{retrievetest.Event(7, *at(hour), 1), retrievetest.Event(7, *at(2 * hour), 2)}
	run := newRun(t, subject.Target, retrieve.RunRequest{Start: at(hour)})
	require.Equal(t, "user,ts,n\n7,2001-01-04T01:00:00.000000Z,1\n", csvOf(t, run, subject.Engine))
	require.Empty(t, run.Warnings)
}

func TestARunHasARangeWithoutBeingGivenOne(t *testing.T) {
	t.Parallel()
	target := newStudio(t).subject(t, retrievetest.Plain(6*hour, hour)).Target
	for name, c := range map[string]struct {
		start, end *window.Time
		want       window.Interval
	}{
		"neither": {nil, nil, window.Interval{Start: *at(0), End: *at(6 * hour)}},
		"start":   {at(hour), nil, window.Interval{Start: *at(hour), End: *at(7 * hour)}},
		"end":     {nil, at(hour), window.Interval{Start: *at(-5 * hour), End: *at(hour)}},
		"both":    {at(-1), at(100 * hour), window.Interval{Start: *at(-1), End: *at(100 * hour)}},
	} {
		run, err := retrieve.NewRun(target, retrieve.RunRequest{Start: c.start, End: c.end}, *at(13*hour - time.Microsecond))
		require.NoError(t, err)
		require.Equal(t, c.want, run.Interval, name)
	}
}

func TestRunsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	rows := newStudio(t).subject(t, retrievetest.Plain(hour, 0)).Target
	tiles := newStudio(t).subject(t, retrievetest.Plain(hour, 0, retrievetest.Sum(hour))).Target
	named := retrievetest.Sum(hour)
	named.Name = "timestamp"
	clash := newStudio(t).subject(t, retrievetest.Plain(hour, 0, named)).Target
	for want, c := range map[string]struct {
		target  *materialize.Target
		request retrieve.RunRequest
	}{
		"run: start_time 2001-01-04T02:00:00Z is not before end_time 2001-01-04T02:00:00Z":                     {tiles, retrieve.RunRequest{Start: at(2 * hour), End: at(2 * hour)}},
		"run: [1800-01-01T00:00:00Z, 2001-01-04T00:00:00Z) is longer than 36600 days":                          {tiles, retrieve.RunRequest{Start: timeOf(1800), End: at(0)}},
		`run: aggregation_level is "full", and view spending has no aggregations: leave it out`:                {rows, retrieve.RunRequest{Level: retrieve.LevelFull}},
		`run: aggregation_level "some" is unknown, want one of disabled, partial, full`:                        {tiles, retrieve.RunRequest{Level: "some"}},
		`run: mock "clicks": view spending has no such source, want one of events`:                             {tiles, retrieve.RunRequest{Mocks: map[string]retrieve.Mock{"clicks": {}}}},
		`run: view spending: two columns of the result are called "timestamp", take another aggregation_level`: {clash, retrieve.RunRequest{}},
	} {
		_, err := retrieve.NewRun(c.target, c.request, *at(100 * hour))
		require.ErrorIs(t, err, retrieve.ErrRun)
		require.EqualError(t, err, want)
	}
}

func timeOf(year int) *window.Time {
	t := window.FromTime(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
	return &t
}

func TestFeaturesOfARunEqualTheOracleOfItsRange(t *testing.T) {
	t.Parallel()
	for name, secondary := range map[string]bool{"windows": false, "secondary key": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			rapid.Check(t, func(t *rapid.T) {
				subject := s.subject(t, retrievetest.DrawTileView(t, secondary))
				span := subject.Span(4)
				subject.Source = subject.EventsOf(t, "events", span)
				length := int64(span.End - span.Start)
				start := span.Start + window.Time(rapid.Int64Range(0, length-1).Draw(t, "start"))
				end := start + window.Time(rapid.Int64Range(1, length).Draw(t, "length"))
				run, err := retrieve.NewRun(subject.Target, retrieve.RunRequest{Start: &start, End: &end}, 0)
				require.NoError(t, err)
				var got [][]feature.Value
				_, err = run.Do(s.t.Context(), subject.Engine, func(rec arrow.Record) error {
					got = append(got, rowsOf(t, run.Schema, rec)...)
					return nil
				})
				require.NoError(t, err)
				require.Equal(t, wantRun(t, subject, run), got)
			})
		})
	}
}

// rowsOf decodes a record.
func rowsOf(t require.TestingT, schema feature.Schema, rec arrow.Record) (rows [][]feature.Value) {
	encoder, err := record.NewRowEncoder(schema, rec.Columns())
	require.NoError(t, err)
	for i := range int(rec.NumRows()) {
		row, err := record.DecodeRow(nil, encoder.Append(nil, i), schema)
		require.NoError(t, err)
		rows = append(rows, row)
	}
	return rows
}

// wantRun returns a row for each key and each end of a tile with an event, in order.
func wantRun(t require.TestingT, s *retrievetest.Subject, run *retrieve.Run) (rows [][]feature.Value) {
	d := s.Oracle
	d.Schedule, d.Delay, d.FeatureStart, d.LifetimeStart = 1, 0, int64(window.MinTime), int64(window.MinTime)
	type tile struct {
		key any
		end window.Time
	}
	var inside []oracle.Event
	tiles := map[tile]bool{}
	for _, e := range s.Source {
		at := window.Time(e.Time)
		if run.Interval.Contains(at) {
			inside = append(inside, e)
			after := (run.Interval.End.Sub(at) - 1) / s.Interval() * s.Interval()
			tiles[tile{e.Key, run.Interval.End.Add(-after)}] = true
		}
	}
	order := map[string][]feature.Value{}
	keys := feature.Schema(s.JoinKeys())
	for of := range tiles {
		var row []feature.Value
		for i, key := range keys {
			row = append(row, retrievetest.Value(key.Type, of.key.([2]any)[i]))
		}
		encoded, err := record.AppendKey(nil, keys, row)
		require.NoError(t, err)
		row = append(row, feature.TimestampValue(of.end))
		for i, v := range d.At(inside, of.key, int64(of.end)) {
			row = append(row, retrievetest.Value(run.Schema[len(keys)+1+i].Type, v))
		}
		order[fmt.Sprintf("%x %020d", encoded, of.end)] = row
	}
	for _, name := range slices.Sorted(maps.Keys(order)) {
		rows = append(rows, order[name])
	}
	return rows
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestMocksStandForSources(t *testing.T) {
	t.Parallel()
	view := retrievetest.Plain(hour, 0)
	view.Transformation = "SELECT e.user, e.ts, e.n * r.rate AS n FROM events e JOIN rates r ON true"
	rates := view.Sources[0]
	rates.Name, rates.Schema = "rates", feature.Schema{{Name: "rate", Type: feature.Int64}, {Name: "ts", Type: feature.Timestamp}}
	events := &view.Sources[0]
	events.Schema = view.Schema
	view.Sources = append(view.Sources, rates)
	subject := newStudio(t).subject(t, view)
	root := t.TempDir()
	sources, err := source.NewLocal(root)
	require.NoError(t, err)
	engine := *subject.Engine
	engine.Transform, engine.Sources, engine.Options.ScratchDir = duckdb.Engine{}, sources, t.TempDir()

	const header = "n,user,ts\n"
	mock := func(text string) retrieve.Mock {
		return retrieve.Mock{File: strings.NewReader(text), Size: int64(len(text)), Format: frame.CSV}
	}
	request := retrieve.RunRequest{Start: at(0), Mocks: map[string]retrieve.Mock{
		"events": mock(header + "3,7,2001-01-04 00:30:00\n4,7,2001-01-04T01:00:00Z\n"),
		"rates":  {File: strings.NewReader(`{"rate":10,"ts":"2001-01-04T00:00:00Z"}`), Size: 39, Format: frame.JSON},
	}}
	require.Equal(t, "user,ts,n\n7,2001-01-04T00:30:00.000000Z,30\n", csvOf(t, newRun(t, subject.Target, request), &engine))
	requireEmpty(t, engine.Options.ScratchDir)

	for text, want := range map[string]string{
		"n,user\n1,2\n":                   `mock of source events: run: it has no column "ts"; it has n, user`,
		"n,user,ts,m\n1,2,2001-01-04,3\n": `mock of source events: run: column "m" is none of the source's, want user Int64, ts Timestamp, n Int64`,
		header + "1.5,2,2001-01-04\n":     `mock of source events: `,
	} {
		request.Mocks["events"] = mock(text)
		_, err := newRun(t, subject.Target, request).Do(t.Context(), &engine, nil)
		require.ErrorContains(t, err, want)
		requireEmpty(t, engine.Options.ScratchDir)
	}

	// A source without a mock is read.
	request.Mocks["events"] = mock(header + "3,7,2001-01-04 00:30:00\n")
	delete(request.Mocks, "rates")
	_, err = newRun(t, subject.Target, request).Do(t.Context(), &engine, nil)
	require.ErrorIs(t, err, source.ErrNoFiles)
}

func TestARunIsBounded(t *testing.T) {
	t.Parallel()
	const million = 1_000_000
	for name, view := range map[string]*retrievetest.View{
		"rows": retrievetest.Plain(hour, 0), "tiles": retrievetest.Plain(hour, 0, retrievetest.Sum(hour)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			view.Transformation = "SELECT n.range AS user, e.ts, e.n FROM events e, range(1000001) n"
			view.Sources[0].Schema = view.Schema
			subject := newStudio(t).subject(t, view)
			engine := *subject.Engine
			engine.Transform, engine.Options.ScratchDir = duckdb.Engine{}, t.TempDir()
			text := "n,user,ts\n3,7,2001-01-04 00:30:00\n"
			rows := int64(0)
			_, err := newRun(t, subject.Target, retrieve.RunRequest{Start: at(0), Mocks: map[string]retrieve.Mock{
				"events": {File: strings.NewReader(text), Size: int64(len(text)), Format: frame.CSV},
			}}).Do(t.Context(), &engine, func(rec arrow.Record) error {
				rows += rec.NumRows()
				return nil
			})
			require.ErrorIs(t, err, retrieve.ErrRunTooLarge)
			require.LessOrEqual(t, rows, int64(million))
		})
	}
}
