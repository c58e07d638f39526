package retrieve_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/window"
)

func TestInARangeFeaturesHoldJustAsLongAsTheyAreJoined(t *testing.T) {
	t.Parallel()
	forEachTable(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		subject := s.subject(t, v)
		subject.Fill(t)
		part := viewPart(subject)
		span := window.Interval{Start: subject.Span(8).Start, End: subject.Span(14).End}
		request := retrieve.RangeRequest{Range: drawRangeIn(t, subject, span)}
		entities := drawEntities(t, subject)
		if entities != nil {
			request.Entities = entitiesOf(t, part, entities)
		}
		rows, report := inRange(t, part, drawOptions(t, s), request)
		require.Equal(t, int64(len(rows)), report.Rows)
		request.Range.Start = max(request.Range.Start, subject.FeatureStartTime)

		held := holdsOf(t, subject, rows, request.Range)
		requireReportIn(t, subject, report, instantsIn(t, request.Range, nil))
		for key, values := range keysOfEvents(subject) {
			if entities != nil && !slices.ContainsFunc(entities, func(e map[string]any) bool { return subject.Key(e) == key }) {
				require.Empty(t, held[key])
				continue
			}
			requireHeld(t, subject, values, held[key], instantsIn(t, request.Range, held[key]))
		}
	})
}

func TestARangeWithoutAnInstantHasNoRows(t *testing.T) {
	t.Parallel()
	part := writeVisits(t, visitsView(0), 1, []visit{{1, "a", benchStart, 1}})
	for _, within := range []window.Interval{{}, {Start: benchStart, End: benchStart}, {Start: benchStart.Add(-day), End: benchStart}} {
		report, err := retrieve.InRange(t.Context(), retrieve.Options{}, part, retrieve.RangeRequest{Range: within}, func(arrow.Record) error {
			return errors.New("a row")
		})
		require.NoError(t, err)
		require.Equal(t, retrieve.Report{}, report)
	}
}

// A shorter lookback leaves rows out, and gives no wrong ones.
func TestALookbackLeavesOutOnlyWhatIsOlder(t *testing.T) {
	t.Parallel()
	forEachTable(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		subject := s.subject(t, v)
		subject.Fill(t)
		request := retrieve.RangeRequest{
			Range:       drawRangeIn(t, subject, window.Interval{Start: subject.Span(8).Start, End: subject.Span(14).End}),
			MaxLookback: rapid.SampledFrom([]time.Duration{1, time.Hour, 30 * time.Hour}).Draw(t, "lookback"),
		}
		rows, _ := inRange(t, viewPart(subject), drawOptions(t, s), request)
		request.Range.Start = max(request.Range.Start, subject.FeatureStartTime)
		held := holdsOf(t, subject, rows, request.Range)
		for key, values := range keysOfEvents(subject) {
			var within []window.Time
			for _, h := range held[key] {
				within = append(within, h.from, h.to-1)
			}
			requireHeld(t, subject, values, held[key], within)
		}
	})
}

// drawRangeIn draws a range about a span.
func drawRangeIn(t *rapid.T, s *retrievetest.Subject, span window.Interval) window.Interval {
	at := rapid.Int64Range(int64(span.Start.Add(-s.Schedule())), int64(span.End.Add(s.Schedule()+s.DataDelay())))
	draw := func(label string) window.Time {
		at := window.Time(at.Draw(t, label))
		if rapid.Bool().Draw(t, label+" on a bound") {
			at = at.Floor(s.Schedule()).Add(s.DataDelay())
		}
		return at
	}
	a, b := draw("start"), draw("end")
	return window.Interval{Start: min(a, b), End: max(a, b) + 1}
}

// inRange returns the rows that InRange gives.
func inRange(t *rapid.T, part retrieve.Part, o retrieve.Options, r retrieve.RangeRequest) ([][]feature.Value, retrieve.Report) {
	schema, err := retrieve.RangeResult(part)
	require.NoError(t, err)
	var rows [][]feature.Value
	report, err := retrieve.InRange(t.Context(), o, part, r, func(rec arrow.Record) error {
		rows = append(rows, recordValues(t, schema, rec)...)
		return nil
	})
	require.NoError(t, err)
	return rows, report
}

// hold is features and how long they hold.
type hold struct {
	features []feature.Value
	from, to window.Time
}

// holdsOf returns what holds by key. The rows must be in order and lie in the range, and
// those that follow each other without a gap must differ.
func holdsOf(t require.TestingT, s *retrievetest.Subject, rows [][]feature.Value, within window.Interval) map[any][]hold {
	out := map[any][]hold{}
	var order [][]feature.Value
	for _, row := range rows {
		values := map[string]any{}
		for i, key := range s.JoinKeys() {
			if key.Type == feature.Int64 {
				values[key.Name] = row[i].Int64()
			} else {
				values[key.Name] = row[i].Text()
			}
		}
		keys, last := len(s.JoinKeys()), len(row)-1
		h := hold{row[keys : last-1], row[last-1].Timestamp(), row[last].Timestamp()}
		require.True(t, within.Covers(window.Interval{Start: h.from, End: h.to}))
		require.Less(t, h.from, h.to)
		if before := out[s.Key(values)]; len(before) > 0 {
			b := before[len(before)-1]
			require.LessOrEqual(t, b.to, h.from)
			require.False(t, b.to == h.from && slices.Equal(b.features, h.features), "%v twice", h.features)
		}
		out[s.Key(values)] = append(out[s.Key(values)], h)
		order = append(order, append(slices.Clone(row[:keys]), row[last-1]))
	}
	requireOrder(t, s, order)
	return out
}

// keysOfEvents returns values of the join keys by key.
func keysOfEvents(s *retrievetest.Subject) map[any]map[string]any {
	out := map[any]map[string]any{}
	for _, e := range s.Events() {
		if s.Known(withTime(e.Values, 0)) {
			out[e.Key] = e.Values
		}
	}
	return out
}

func withTime(values map[string]any, at window.Time) retrievetest.Ask {
	ask := retrievetest.Ask(maps.Clone(values))
	ask[retrievetest.TimeColumn] = int64(at)
	return ask
}

// instantsIn are the bounds of the range and of what holds, those just before, and some
// by chance.
func instantsIn(t *rapid.T, within window.Interval, held []hold) (out []window.Time) {
	if within.Empty() {
		require.Empty(t, held)
		return nil
	}
	all := []window.Time{within.Start, within.End}
	for _, h := range held {
		all = append(all, h.from, h.to)
	}
	for _, at := range rapid.SliceOfN(rapid.Int64Range(int64(within.Start), int64(within.End)-1), 3, 3).Draw(t, "instants") {
		all = append(all, window.Time(at), window.Time(at).Floor(time.Hour))
	}
	for _, at := range all {
		for _, at := range []window.Time{at, at - 1} {
			if within.Contains(at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// requireHeld compares what holds at instants with what a join gives.
func requireHeld(t require.TestingT, s *retrievetest.Subject, key map[string]any, held []hold, instants []window.Time) {
	for _, at := range instants {
		want := s.Want(withTime(key, at))
		i := slices.IndexFunc(held, func(h hold) bool { return h.from <= at && at < h.to })
		if i >= 0 {
			require.Equal(t, want, held[i].features, "%v at %v", key, at)
			require.False(t, unknown(s, want), "%v at %v", key, at)
			continue
		}
		require.True(t, unknown(s, want), "%v at %v: nothing holds, want %v", key, at, want)
	}
}

// requireReportIn requires that the report tells all time that is not covered and that
// features at instants are made of.
func requireReportIn(t require.TestingT, s *retrievetest.Subject, report retrieve.Report, instants []window.Time) {
	var spine []retrievetest.Ask
	for _, at := range instants {
		spine = append(spine, retrievetest.Ask{"user": int64(1), "shop": "a", retrievetest.TimeColumn: int64(at)})
	}
	requireReport(t, report, spine, s)
}

// unknown reports whether features, the last one first, are null or counts of zero.
func unknown(s *retrievetest.Subject, features []feature.Value) bool {
	for i, v := range slices.Backward(features) {
		number := len(features) - 1 - i
		count := number < len(s.Aggregations) && s.Aggregations[number].Function == feature.Count
		if !v.IsNull() && (!count || v.Type() != feature.Int64 || v.Int64() != 0) {
			return false
		}
	}
	return true
}
