package materialize_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

func (s *scene) tilesOf(b offline.Build) []tile {
	s.t.Helper()
	var out []tile
	for _, f := range b.Files {
		out = append(out, readTiles(s.t, s.target, s.table, f)...)
	}
	return out
}

func TestBuiltTilesEqualANaiveComputation(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, newView(hour, day))
			events := randomEvents(seeded(seed), 3000, span(-day, 3*day))
			s.write(events, 3)
			for d := range 2 {
				w := span(time.Duration(d)*day, time.Duration(d+1)*day)
				got, want := s.tilesOf(s.build(w)), naiveTiles(events, w, window.Time(hour.Microseconds()))
				require.Len(t, got, len(want))
				for i := range want {
					want[i].state = got[i].state // compared below
					require.Equal(t, want[i], got[i], "in the order of keys and tiles")
				}
				for _, tile := range got {
					var inside []event
					for _, e := range events {
						if e.key() == tile.key && e.at >= tile.start && e.at < tile.start.Add(hour) {
							inside = append(inside, e)
						}
					}
					require.Equal(t, straightState(s.target.Layout, inside), tile.state)
				}
			}
		})
	}
}

func TestWindowsOfManyTilesAreBuiltAlike(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(time.Minute, day))
	events := randomEvents(seeded(1), 5000, span(0, day))
	s.write(events, 1)
	got, want := s.tilesOf(s.build(span(0, day))), naiveTiles(events, span(0, day), window.Time(time.Minute.Microseconds()))
	require.Len(t, got, len(want))
	for i := range want {
		want[i].state = got[i].state
		require.Equal(t, want[i], got[i])
	}
}

func TestRowsAtTheBoundsOfAWindow(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(hour, day))
	w := span(day, 2*day)
	var events []event
	for _, at := range []window.Time{w.Start - 1, w.Start, w.End - 1, w.End} {
		events = append(events, event{user: ptr(int64(1)), at: at, n: ptr(int64(at))})
	}
	s.write(events, 1)
	tiles := s.tilesOf(s.build(w))
	require.Len(t, tiles, 2)
	require.Equal(t, int64(w.Start), tiles[0].columns["sum_n"].Int64())
	require.Equal(t, int64(w.End-1), tiles[1].columns["sum_n"].Int64())
	require.Equal(t, w.End.Add(-hour), tiles[1].start)
}

func TestAnEmptyWindowIsABuildWithoutFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(hour, day))
	s.write(randomEvents(seeded(1), 10, span(0, day)), 1)
	b := s.build(span(day, 2*day))
	require.Equal(t, offline.Build{Window: span(day, 2*day), ReadAt: s.clock}, b)
	s.commit(false, true, b)
	require.True(t, s.snapshot().Covered.Covers(span(day, 2*day)))
}

func TestTwoBuildsOfTheSameDataHoldTheSameBytes(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(hour, day))
	events := randomEvents(seeded(1), 2000, span(0, day))
	s.write(events, 1)
	first := s.build(span(0, day))
	seeded(2).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	s.write(events, 4)
	second := s.build(span(0, day))
	require.Equal(t, s.contents(first), s.contents(second), "B9: in any order of the rows")
}

// buildRange builds several windows by one call.
func (s *scene) buildRange(w window.Interval, oneRun bool) []offline.Build {
	s.t.Helper()
	return s.buildReporting(w, oneRun, nil)
}

func (s *scene) buildReporting(w window.Interval, oneRun bool, report func(materialize.Progress)) []offline.Build {
	s.t.Helper()
	s.clock++
	s.ids++
	builds, err := s.engine.Build(s.t.Context(), s.target, s.table, materialize.BuildRequest{
		Range: w, OneRun: oneRun, ReadAt: s.clock, Attempt: fmt.Sprintf("attempt-%d", s.ids), OnProgress: report,
	})
	require.NoError(s.t, err)
	return builds
}

func TestARangeIsBuiltAlikeInOneRunAndWindowByWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		interval, schedule time.Duration
		windows            int
	}{{hour, day, 1}, {hour, day, 3}, {hour, day, 7}, {day, day, 40}, {time.Minute, hour, 5}, {5 * time.Minute, day, 2}} {
		t.Run(fmt.Sprintf("%v of %v every %v", c.windows, c.interval, c.schedule), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, newView(c.interval, c.schedule))
			all := span(0, time.Duration(c.windows)*c.schedule)
			s.write(randomEvents(seeded(uint64(c.windows)), 3000, all), 3)
			apart, once := s.buildRange(all, false), s.buildRange(all, true)
			require.Len(t, once, c.windows)
			for i, w := range all.Split(c.schedule) {
				require.Equal(t, w, once[i].Window)
				require.Equal(t, apart[i].Rows, once[i].Rows)
				require.Equal(t, s.contents(apart[i]), s.contents(once[i]), "the same bytes")
				require.Equal(t, s.contents(s.buildRange(w, true)[0]), s.contents(once[i]))
			}
		})
	}
}

func TestWindowsOfARunWithoutRowsAreBuildsWithoutFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(hour, day))
	s.write([]event{{user: ptr(int64(1)), at: start.Add(day)}}, 1)
	builds := s.buildRange(span(0, 3*day), true)
	require.Len(t, builds, 3)
	require.Equal(t, offline.Build{Window: span(0, day), ReadAt: s.clock}, builds[0])
	require.Equal(t, int64(1), builds[1].Rows)
	require.Equal(t, offline.Build{Window: span(2*day, 3*day), ReadAt: s.clock}, builds[2])
}

// contents returns the bytes of a build's files.
func (s *scene) contents(b offline.Build) [][]byte {
	s.t.Helper()
	var out [][]byte
	for _, f := range b.Files {
		data, err := s.bucket.Get(s.t.Context(), s.table.Spec().Path+"/"+f.Path)
		require.NoError(s.t, err)
		out = append(out, data)
	}
	return out
}

func TestBuildErrorsTellWhatARetryCannotMend(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(hour, day))
	_, err := s.tryBuild(span(0, day))
	require.ErrorIs(t, err, source.ErrNoFiles)

	s.write([]event{{user: ptr(int64(1)), shop: ptr(""), at: start}}, 1)
	s.build(span(0, day))
	long := string(make([]rune, record.MaxKeyBytes))
	s.write([]event{{user: ptr(int64(1)), shop: &long, at: start}}, 1)
	_, err = s.tryBuild(span(0, day))
	require.ErrorIs(t, err, record.ErrKey)

	view := newView(hour, day)
	view.Transformation = "SELECT nothing FROM events"
	s.target = newTarget(t, view)
	_, err = s.tryBuild(span(0, day))
	require.ErrorIs(t, err, transform.ErrSQL)

	_, err = s.tryBuild(span(hour, day))
	require.Error(t, err, "no window of the schedule")
}

func TestProgressOfABuildNamesItsRows(t *testing.T) {
	t.Parallel()
	s := newScene(t, newView(hour, day))
	s.write(randomEvents(seeded(1), 500, span(0, day)), 1)
	var last materialize.Progress
	b, err := s.engine.Build(t.Context(), s.target, s.table, materialize.BuildRequest{
		Range: span(0, day), ReadAt: s.clock, Attempt: "a",
		OnProgress: func(p materialize.Progress) { last = p },
	})
	require.NoError(t, err)
	require.Equal(t, materialize.Progress{Rows: b[0].Rows, Fraction: 1}, last)
}
