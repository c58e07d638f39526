package retrieve_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/window"
)

// seen reports whether a view that is read at an instant may use an event, in words
// that the product and the oracle have not: its window has ended, and that long ago
// that its data was complete.
func seen(v *retrievetest.View, event, at int64) bool {
	schedule, delay := v.Schedule().Microseconds(), v.DataDelay().Microseconds()
	end := event - event%schedule + schedule // all are after 1970
	return end+delay <= at
}

func TestNothingAfterTheInstantLeaks(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		subject := s.subject(t, v)
		span := subject.Span(6)
		past := subject.EventsOf(t, "events", span)
		subject.Source = past
		subject.Commit(subject.Build(span)...)
		version := subject.Snapshot().Version
		whenever := retrievetest.DrawSpine(t, subject)
		before := retrievetest.Join(subject, retrieve.Options{}, whenever, 100)

		// All that cannot be seen yet goes, and other events come.
		instant := span.Start + window.Time(rapid.Int64Range(0, int64(span.End-span.Start)+3*24*3600e6).Draw(t, "instant"))
		subject.Source = slices.DeleteFunc(slices.Clone(past), func(e oracle.Event) bool { return !seen(v, e.Time, int64(instant)) })
		for _, e := range subject.EventsOf(t, "other events", span) {
			if !seen(v, e.Time, int64(instant)) {
				subject.Source = append(subject.Source, e)
			}
		}
		subject.Commit(subject.Build(span)...)
		subject.Compact()
		after := retrievetest.Join(subject, retrieve.Options{}, whenever, 100)
		for i, ask := range whenever {
			if at := ask[retrievetest.TimeColumn]; at == nil || at.(int64) <= int64(instant) {
				require.Equal(t, before.Cells[i], after.Cells[i], "%v", ask)
			}
		}
		subject.Version = version
		require.Equal(t, before, retrievetest.Join(subject, retrieve.Options{}, whenever, 100), "at the version before")
	})
}

func TestAnEventCountsFromTheMicrosecondOn(t *testing.T) {
	t.Parallel()
	const schedule, delay = 6 * time.Hour, 25*time.Hour + time.Minute
	edge := retrievetest.Start.Add(4 * schedule) // a last event before it, a first one at it
	for name, aggregated := range map[string]bool{"rows": false, "windows": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			view := retrievetest.Plain(schedule, delay)
			if aggregated {
				view = retrievetest.Plain(schedule, delay, retrievetest.Sum(schedule))
			}
			subject := newStudio(t).subject(t, view)
			subject.Source = []oracle.Event{
				retrievetest.Event(1, edge-1, 10), retrievetest.Event(1, edge, 20),
			}
			subject.Commit(subject.Build(subject.Span(8))...)
			var spine []retrievetest.Ask
			for _, at := range []window.Time{edge.Add(delay) - 1, edge.Add(delay), edge.Add(schedule+delay) - 1, edge.Add(schedule + delay)} {
				spine = append(spine, retrievetest.Ask{"user": int64(1), retrievetest.TimeColumn: int64(at)})
			}
			got := retrievetest.Join(subject, retrieve.Options{}, spine, 100)
			last, later := feature.Int64Value(10), feature.Int64Value(20)
			require.Equal(t, [][]feature.Value{{feature.Null}, {last}, {last}, {later}}, got.Cells)
		})
	}
}
