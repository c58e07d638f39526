package retrieve_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/window"
)

func TestEventsEqualTheOracle(t *testing.T) {
	t.Parallel()
	forEachTable(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		subject := s.subject(t, v)
		subject.Fill(t)
		part := viewPart(subject)
		request := retrieve.EventsRequest{Range: drawRange(t, subject)}
		entities := drawEntities(t, subject)
		if entities != nil {
			request.Entities = entitiesOf(t, part, entities)
		}
		got, report := events(t, part, drawOptions(t, s), request)
		requireSameRows(t, wantEvents(subject, request.Range, entities), got)
		requireOrder(t, subject, got)
		require.Equal(t, int64(len(got)), report.Rows)
		requireToldOf(t, subject, report, request.Range)
	})
}

func TestWrongEntitiesAreNamed(t *testing.T) {
	t.Parallel()
	part := writeVisits(t, visitsView(0), 1, []visit{{1, "a", benchStart, 1}})
	user, shop := feature.Field{Name: "who", Type: feature.Int64}, feature.Field{Name: "where", Type: feature.String}
	for _, c := range []struct {
		schema feature.Schema
		memory int64
		want   string
	}{
		{feature.Schema{user, shop, {Name: "when", Type: feature.Timestamp}}, 0, `spine: column "when" of the entities is no join key of view visits, which are who, where`},
		{feature.Schema{user}, 0, `entities: spine: no column "where" for join key "shop" of view visits`},
		{feature.Schema{user, {Name: "where", Type: feature.Int64}}, 0, `entities: spine: column "where" is Int64, join key "shop" of view visits is String`},
		{feature.Schema{user, shop}, 16 << 10, "spine: the entities take more than 4096 bytes of memory: ask for fewer at a time"},
	} {
		b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(c.schema))
		for i := range int64(100) {
			for k, f := range c.schema {
				value := map[feature.Type]feature.Value{
					feature.Int64: feature.Int64Value(i), feature.String: feature.StringValue("a"), feature.Timestamp: feature.TimestampValue(benchStart),
				}[f.Type]
				require.NoError(t, record.AppendColumns(b.Fields()[k:k+1], []feature.Value{value}))
			}
		}
		rec, given := b.NewRecord(), false
		entities := &retrieve.Spine{Schema: c.schema, Next: func() (arrow.Record, error) {
			if given {
				return nil, io.EOF
			}
			given = true
			return rec, nil
		}}
		nothing := func(arrow.Record) error { return nil }
		o := retrieve.Options{MemoryBytes: c.memory}
		_, err := retrieve.Events(t.Context(), o, part, retrieve.EventsRequest{Entities: entities}, nothing)
		require.ErrorIs(t, err, retrieve.ErrSpine)
		require.EqualError(t, err, c.want)
		given = false
		_, err = retrieve.InRange(t.Context(), o, part, retrieve.RangeRequest{Range: days(0, 3), Entities: entities}, nothing)
		require.EqualError(t, err, c.want)
	}
}

func TestEventsEndWithTheErrorOfWhatTakesOrReadsThem(t *testing.T) {
	t.Parallel()
	part := writeVisits(t, visitsView(0), 1, []visit{{1, "a", benchStart, 1}})
	broken := errors.New("broken")
	_, err := retrieve.Events(t.Context(), retrieve.Options{}, part, retrieve.EventsRequest{}, func(arrow.Record) error { return broken })
	require.ErrorIs(t, err, broken)
	spy := &spyTable{Table: part.Table}
	part.Table = spy
	_, err = retrieve.Events(t.Context(), retrieve.Options{}, part, retrieve.EventsRequest{}, func(arrow.Record) error { return broken })
	require.ErrorIs(t, err, broken)
	require.Equal(t, spy.scans.Load(), spy.closed.Load())
	spy.err = broken
	_, err = retrieve.Events(t.Context(), retrieve.Options{}, part, retrieve.EventsRequest{}, func(arrow.Record) error { return nil })
	require.ErrorIs(t, err, broken)
}

func TestEventsThatDoNotFitIntoMemoryAreSortedOnDisk(t *testing.T) {
	t.Parallel()
	visits, _ := drawVisits(11, 5, 3000, 0)
	part := writeVisits(t, visitsView(0), 5, visits)
	give := func(o retrieve.Options) (rows []string, spilled int64) {
		o.ScratchDir = t.TempDir()
		o.OnProgress = func(p retrieve.Progress) { spilled = p.Spilled }
		schema, err := retrieve.EventsResult(part)
		require.NoError(t, err)
		_, err = retrieve.Events(t.Context(), o, part, retrieve.EventsRequest{}, func(rec arrow.Record) error {
			for _, row := range recordValues(t, schema, rec) {
				rows = append(rows, fmt.Sprint(row))
			}
			return nil
		})
		require.NoError(t, err)
		return rows, spilled
	}
	want, spilled := give(retrieve.Options{})
	require.Zero(t, spilled)
	require.Len(t, want, len(visits))
	got, spilled := give(retrieve.Options{MemoryBytes: 64 << 10, Threads: 2})
	require.Positive(t, spilled)
	require.Equal(t, want, got)
}

// requireToldOf requires that the report tells what is not covered of a range, if it
// has an end, and nothing that is covered.
func requireToldOf(t require.TestingT, s *retrievetest.Subject, report retrieve.Report, within window.Interval) {
	var told window.Set
	for _, u := range report.Uncovered {
		told = told.Union(u.Intervals)
	}
	covered := s.Target.Covered(s.Snapshot())
	require.Empty(t, told.Intersect(covered))
	within.Start = max(within.Start, s.FeatureStartTime)
	if s.Aggregated() {
		within = window.Interval{Start: within.Start.Ceil(s.Schedule()).Add(-s.Schedule()), End: (within.End - 1).Floor(s.Schedule())}
	}
	wanted := window.NewSet(within).Intersect(window.Set{{Start: s.MaterializationStart(), End: window.MaxTime}})
	require.Empty(t, wanted.Subtract(covered).Subtract(told))
}

// viewPart returns all features of a subject, by the view's own names.
func viewPart(s *retrievetest.Subject) retrieve.Part {
	part := s.Part("f_")
	part.Keys = feature.Schema(s.JoinKeys()).Names()
	return part
}

// drawRange draws a range about the subject's windows; the zero value is all time.
func drawRange(t *rapid.T, s *retrievetest.Subject) window.Interval {
	if rapid.Bool().Draw(t, "all time") {
		return window.Interval{}
	}
	span := s.Span(8)
	at := rapid.Int64Range(int64(span.Start.Add(-s.Schedule())), int64(span.End.Add(s.Schedule())))
	draw := func(label string) window.Time {
		at := window.Time(at.Draw(t, label))
		if rapid.Bool().Draw(t, label+" on a bound") {
			at = at.Floor(s.Schedule())
		}
		return at
	}
	a, b := draw("start"), draw("end")
	return window.Interval{Start: min(a, b), End: max(a, b) + 1}
}

// drawEntities draws some of the keys, one of which has no events; nil: all are asked for.
func drawEntities(t *rapid.T, s *retrievetest.Subject) []map[string]any {
	if rapid.Bool().Draw(t, "all entities") {
		return nil
	}
	entities := []map[string]any{{"user": int64(-77), "shop": "nowhere"}, {"user": nil, "shop": "a"}}
	for _, e := range s.Events() {
		if len(entities) < 5 {
			entities = append(entities, e.Values, e.Values)
		}
	}
	return entities[:rapid.IntRange(0, len(entities)).Draw(t, "entities")]
}

func entitiesOf(t require.TestingT, part retrieve.Part, entities []map[string]any) *retrieve.Spine {
	keys := slices.Clone(feature.Schema(part.Target.View.JoinKeys()))
	slices.Reverse(keys)
	left := 2 // records, of the same rows
	return &retrieve.Spine{Schema: keys, Next: func() (arrow.Record, error) {
		if left == 0 {
			return nil, io.EOF
		}
		left--
		b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(keys))
		for _, e := range entities {
			for i, key := range keys {
				require.NoError(t, record.AppendColumns(b.Fields()[i:i+1], []feature.Value{retrievetest.Value(key.Type, e[key.Name])}))
			}
		}
		return b.NewRecord(), nil
	}}
}

// events returns the rows that Events gives.
func events(t *rapid.T, part retrieve.Part, o retrieve.Options, r retrieve.EventsRequest) ([][]feature.Value, retrieve.Report) {
	schema, err := retrieve.EventsResult(part)
	require.NoError(t, err)
	var rows [][]feature.Value
	report, err := retrieve.Events(t.Context(), o, part, r, func(rec arrow.Record) error {
		rows = append(rows, recordValues(t, schema, rec)...)
		return nil
	})
	require.NoError(t, err)
	return rows, report
}

// recordValues returns the rows of a record, which must have the schema.
func recordValues(t require.TestingT, schema feature.Schema, rec arrow.Record) [][]feature.Value {
	require.True(t, rec.Schema().Equal(record.ArrowSchema(schema)), rec.Schema())
	encoder, err := record.NewRowEncoder(schema, rec.Columns())
	require.NoError(t, err)
	rows := make([][]feature.Value, rec.NumRows())
	for i := range rows {
		rows[i], err = record.DecodeRow(nil, encoder.Append(nil, i), schema)
		require.NoError(t, err)
	}
	return rows
}

// wantEvents returns the rows that Events must give, in any order.
func wantEvents(s *retrievetest.Subject, within window.Interval, entities []map[string]any) [][]feature.Value {
	if within == (window.Interval{}) {
		within.End = window.MaxTime
	}
	within.Start = max(within.Start, s.FeatureStartTime)
	var rows [][]feature.Value
	seen := map[any]bool{}
	for _, e := range s.Events() {
		at := window.Time(e.Time)
		if s.Aggregated() {
			at = at.Floor(s.Schedule()).Add(s.Schedule())
		}
		ask := retrievetest.Ask(maps.Clone(e.Values))
		ask[retrievetest.TimeColumn] = int64(at)
		asked := entities == nil || slices.ContainsFunc(entities, func(entity map[string]any) bool { return s.Key(entity) == e.Key })
		edge := [2]any{e.Key, at}
		if !asked || !s.Known(ask) || !within.Contains(at) || s.Aggregated() && seen[edge] {
			continue
		}
		seen[edge] = true
		rows = append(rows, wantEvent(s, ask, at))
	}
	return rows
}

func wantEvent(s *retrievetest.Subject, ask retrievetest.Ask, at window.Time) []feature.Value {
	var row []feature.Value
	for _, key := range s.JoinKeys() {
		row = append(row, retrievetest.Value(key.Type, ask[key.Name]))
	}
	row = append(row, feature.TimestampValue(at))
	if s.Aggregated() {
		effective := at.Add(s.DataDelay())
		ask[retrievetest.TimeColumn] = int64(effective)
		return append(append(row, s.Want(ask)...), feature.TimestampValue(effective))
	}
	for i, column := range slices.Backward(s.Oracle.Columns) {
		row = append(row, retrievetest.Value(s.Target.Features[i].Type, ask[column]))
	}
	return append(row, feature.TimestampValue(s.Effective(at)))
}

// requireOrder requires rows in the order of their keys and times, the first columns.
func requireOrder(t require.TestingT, s *retrievetest.Subject, rows [][]feature.Value) {
	keys := s.JoinKeys()
	var before []byte
	for _, row := range rows {
		key, err := record.AppendKey(nil, keys, row[:len(keys)])
		require.NoError(t, err)
		key = binary.BigEndian.AppendUint64(key, uint64(row[len(keys)].Timestamp()))
		require.LessOrEqual(t, string(before), string(key))
		before = key
	}
}

// requireSameRows compares rows in whatever order.
func requireSameRows(t require.TestingT, want, got [][]feature.Value) {
	texts := func(rows [][]feature.Value) []string {
		var out []string
		for _, row := range rows {
			out = append(out, fmt.Sprint(row))
		}
		slices.Sort(out)
		return out
	}
	require.Equal(t, texts(want), texts(got))
}
