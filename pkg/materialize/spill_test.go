package materialize_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
)

// everyFunction returns a view of events with all functions.
func everyFunction() feature.View {
	v := newView(hour, day)
	v.Aggregations = nil
	for column, functions := range map[string][]feature.Function{
		"n": {
			feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max, feature.VarPop, feature.Last,
			feature.LastN(3), feature.FirstDistinct(3), feature.LastDistinct(100), feature.ApproxCountDistinct,
		},
		"amount": {
			feature.Sum, feature.Mean, feature.Min, feature.Max, feature.StddevSamp, feature.FirstN(3),
			feature.ApproxPercentile(0.5, 0),
		},
		"label": {
			feature.Count, feature.Min, feature.Max, feature.Last, feature.FirstN(1000), feature.LastN(3),
			feature.LastDistinct(3), feature.ApproxCountDistinct,
		},
	} {
		for _, f := range functions {
			v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: column, Function: f, TimeWindow: feature.Trailing(feature.Duration(day))})
		}
	}
	return v
}

// manyEvents returns events over more keys, some of which have most of the rows.
func manyEvents(r *rand.Rand, count, keys int) []event {
	events := randomEvents(r, count, span(0, 3*day))
	for i := range events {
		if r.IntN(2) == 0 {
			events[i].user = ptr(r.Int64N(int64(keys)))
		}
		if r.IntN(10) == 0 {
			events[i].label = ptr(strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(600)))
		}
	}
	return events
}

// TestSpillingChangesNoBit holds for any memory, from one that spills every record
// of 100 rows on, any order of the rows, and one or more windows a run. B9.
func TestSpillingChangesNoBit(t *testing.T) {
	t.Parallel()
	for name, view := range spilledViews() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []event
			s := newMemoryScene(t, view, &events)
			most := int64(0)
			rapid.Check(t, func(rt *rapid.T) {
				r := seeded(rapid.Uint64().Draw(rt, "seed"))
				events = manyEvents(r, rapid.SampledFrom([]int{0, 1, 200, 600}).Draw(rt, "rows"), rapid.SampledFrom([]int{1, 30, 5000}).Draw(rt, "keys"))
				memory := rapid.SampledFrom([]int64{20_000, 100_000}).Draw(rt, "memory")
				most = max(most, s.requireSpilledAlike(rt, r, events, memory, rapid.Bool().Draw(rt, "one run")))
			})
			require.Positive(t, most)
			left, err := os.ReadDir(s.engine.Options.ScratchDir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestMergingRunsBeforeTheEndChangesNoBit has more runs than are read at a time.
func TestMergingRunsBeforeTheEndChangesNoBit(t *testing.T) {
	t.Parallel()
	for name, view := range spilledViews() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(1)
			events := manyEvents(r, 10_000, 5000)
			s := newMemoryScene(t, view, &events)
			require.Positive(t, s.requireSpilledAlike(t, r, events, 20_000, true))
		})
	}
}

func spilledViews() map[string]feature.View {
	views := map[string]feature.View{"tiles": everyFunction(), "secondary key": keyedView(hour, day), "rows": newRowView(day)}
	for name, v := range views {
		v.Schema = eventSchema // which a memoryEngine has
		views[name] = v
	}
	return views
}

// requireSpilledAlike builds events, which are shuffled, with much memory and with
// little, and returns what was spilled.
func (s *scene) requireSpilledAlike(t require.TestingT, r *rand.Rand, events []event, memory int64, oneRun bool) (spilled int64) {
	s.engine.Options.BuilderBytes = 1 << 30
	want := s.buildReporting(span(0, 3*day), oneRun, func(p materialize.Progress) { spilled = p.SpilledBytes })
	require.Zero(t, spilled)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	s.engine.Options.BuilderBytes = memory
	got := s.buildReporting(span(0, 3*day), oneRun, func(p materialize.Progress) { spilled = p.SpilledBytes })
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Window, got[i].Window)
		require.Equal(t, want[i].Rows, got[i].Rows)
		require.Equal(t, want[i].Bytes, got[i].Bytes)
		require.True(t, bytes.Equal(s.records(want[i]), s.records(got[i])), "the records of %v", want[i].Window)
	}
	return spilled
}

// records returns what the files of a build hold, bit by bit. Of the files' own bytes,
// a few in the footer have no order: pqarrow writes a column's encodings as a map has them.
func (s *scene) records(b offline.Build) []byte {
	s.t.Helper()
	var out bytes.Buffer
	for _, f := range b.Files {
		reader, err := s.table.OpenFile(s.t.Context(), f)
		require.NoError(s.t, err)
		w := ipc.NewWriter(&out, ipc.WithSchema(s.table.Spec().Schema))
		for {
			rec, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(s.t, err)
			require.NoError(s.t, w.Write(rec))
		}
		require.NoError(s.t, w.Close())
		require.NoError(s.t, reader.Close())
	}
	return out.Bytes()
}

func TestBuildsPastTheirScratchBytesAreTooLarge(t *testing.T) {
	t.Parallel()
	for name, view := range map[string]feature.View{"tiles": everyFunction(), "rows": newRowView(day)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := manyEvents(seeded(1), 10_000, 1_000_000)
			s := newMemoryScene(t, view, &events)
			s.engine.Options.BuilderBytes = 20_000
			s.engine.Options.ScratchBytes = 40_000
			_, err := s.tryBuild(span(0, day))
			require.ErrorIs(t, err, materialize.ErrTooLarge)
			require.ErrorContains(t, err, "more than 40000 bytes on disk")
			s.engine.Options.ScratchBytes = 0
			require.Positive(t, s.build(span(0, day)).Rows)
		})
	}
}

func TestATileLargerThanTheMemoryIsTooLarge(t *testing.T) {
	t.Parallel()
	var events []event
	for i := range int64(30) {
		events = append(events, labelled(1, start, strings.Repeat("x", 1000+int(i))))
	}
	view := newView(hour, day)
	view.Aggregations = []feature.Aggregation{{Column: "label", Function: feature.LastN(1000), TimeWindow: feature.Trailing(feature.Duration(day))}}
	s := newMemoryScene(t, view, &events)
	s.engine.Options.BuilderBytes = 20_000
	_, err := s.tryBuild(span(0, day))
	require.ErrorIs(t, err, materialize.ErrTooLarge)
	require.ErrorContains(t, err, "a tile of key ")
	require.ErrorContains(t, err, "at most 20000 are allowed")

	s.engine.Options.BuilderBytes = 100_000
	require.Equal(t, int64(1), s.build(span(0, day)).Rows)
}

// TestATileThatGrowsTooLargeWhenItIsMergedIsTooLarge has every run hold a part that fits.
func TestATileThatGrowsTooLargeWhenItIsMergedIsTooLarge(t *testing.T) {
	t.Parallel()
	var events []event
	for range 4 {
		for i := range 100 {
			e := visit(int64(i), start, 0)
			if i == 0 {
				e.label = ptr(fmt.Sprint(len(events), strings.Repeat("x", 12_000)))
			}
			events = append(events, e)
		}
	}
	view := newView(hour, day)
	view.Aggregations = []feature.Aggregation{{Column: "label", Function: feature.LastN(1000), TimeWindow: feature.Trailing(feature.Duration(day))}}
	s := newMemoryScene(t, view, &events)
	s.engine.Options.BuilderBytes = 30_000
	_, err := s.tryBuild(span(0, day))
	require.ErrorIs(t, err, materialize.ErrTooLarge)
	require.ErrorContains(t, err, "merge spilled tiles")
}

func TestLongTextsAreOnlyCountedAndHashed(t *testing.T) {
	t.Parallel()
	for _, f := range []feature.Function{feature.Count, feature.ApproxCountDistinct, feature.Min, feature.Max, feature.Last, feature.FirstN(2), feature.LastDistinct(2)} {
		view := newView(hour, day)
		view.Aggregations = []feature.Aggregation{
			{Column: "n", Function: feature.Sum, TimeWindow: feature.Trailing(feature.Duration(day))},
			{Column: "label", Function: f, TimeWindow: feature.Trailing(feature.Duration(day))},
		}
		events := []event{labelled(1, start, "short"), labelled(2, start, strings.Repeat("x", 64<<10))}
		s := newMemoryScene(t, view, &events)
		require.Equal(t, int64(2), s.build(span(0, day)).Rows, f)
		events = append(events, labelled(3, start, strings.Repeat("x", 64<<10+1)))
		_, err := s.tryBuild(span(0, day))
		if f == feature.Count || f == feature.ApproxCountDistinct {
			require.NoError(t, err, f)
			continue
		}
		require.ErrorIs(t, err, materialize.ErrTooLarge, f)
		require.ErrorContains(t, err, "column label has a value of 65537 bytes, and an aggregated one may take 65536 at most")
	}
}
