package retrieve_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/window"
)

// TestALargeSpineEqualsTheOracle joins more rows than are taken at a time, with and
// without room for them in memory.
func TestALargeSpineEqualsTheOracle(t *testing.T) {
	t.Parallel()
	const users, schedule = 4000, 6 * time.Hour
	lifetime := feature.Aggregation{Column: "n", Function: feature.Sum, TimeWindow: feature.Lifetime}
	windows := retrievetest.Plain(schedule, time.Hour, retrievetest.Sum(schedule), retrievetest.Sum(5*schedule), lifetime)
	windows.LifetimeStartTime = retrievetest.Start.Add(2 * schedule)
	windows.Oracle.LifetimeStart = int64(windows.LifetimeStartTime)
	for name, view := range map[string]*retrievetest.View{"rows": retrievetest.Plain(schedule, time.Hour), "windows": windows} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 1))
			subject := newFileStudio(t).subject(t, view)
			span := subject.Span(8)
			at := func() window.Time { return span.Start + window.Time(r.Int64N(int64(span.End-span.Start))) }
			for range 20_000 {
				subject.Source = append(subject.Source, retrievetest.Event(r.Int64N(users), at(), r.Int64N(1000)))
			}
			subject.Commit(subject.Build(span)...)
			subject.Compact()
			subject.Source = slices.DeleteFunc(subject.Source, func(e oracle.Event) bool { return e.Time%3 == 0 })
			subject.Commit(subject.Build(window.Interval{Start: span.Start, End: span.Start.Add(2 * schedule)})...)
			var spine []retrievetest.Ask
			for range 15_000 {
				ask := retrievetest.Ask{"user": r.Int64N(users + users/4), retrievetest.TimeColumn: int64(at().Add(schedule))}
				if r.IntN(50) == 0 {
					ask["user"] = nil
				}
				spine = append(spine, ask)
			}
			for _, memory := range []int64{0, 256 << 10} {
				var spilled int64
				got := retrievetest.Join(subject, retrieve.Options{
					MemoryBytes: memory, Threads: 2, ScratchDir: t.TempDir(),
					OnProgress: func(p retrieve.Progress) { spilled = max(spilled, p.Spilled) },
				}, spine, 1000)
				requireCells(t, got, spine, subject)
				if memory == 0 {
					require.Zero(t, spilled)
					require.True(t, slices.IsSorted(got.Order), "order of the spine")
					continue
				}
				require.Positive(t, spilled)
				requireOrderOfKeys(t, got, spine, subject)
			}
		})
	}
}

// requireOrderOfKeys requires that rows with a key came in the order of keys and times.
func requireOrderOfKeys(t *testing.T, got retrievetest.Joined, spine []retrievetest.Ask, s *retrievetest.Subject) {
	var before string
	for _, row := range got.Order {
		if !s.Known(spine[row]) {
			continue
		}
		fields := append(slices.Clone(s.JoinKeys()), feature.Field{Name: retrievetest.TimeColumn, Type: feature.Int64})
		values := []feature.Value{retrievetest.Value(feature.Int64, spine[row]["user"]), retrievetest.Value(feature.Int64, spine[row][retrievetest.TimeColumn])}
		key, err := record.AppendKey(nil, fields, values)
		require.NoError(t, err)
		require.LessOrEqual(t, before, string(key))
		before = string(key)
	}
}
