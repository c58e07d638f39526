package materialize_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

func TestGapsAreWhatIsWantedCompleteAndNotCovered(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	gaps := func(limit int) window.Set {
		found, err := s.engine.Gaps(t.Context(), s.target, start.Add(10*day), limit)
		require.NoError(t, err)
		return found
	}
	require.Equal(t, window.NewSet(span(-2*day, 9*day)), gaps(64), "from the first window to the last complete one")
	s.run(span(0, day), span(4*day, 5*day))
	require.Equal(t, window.NewSet(span(-2*day, 0), span(day, 4*day), span(5*day, 9*day)), gaps(64))
	require.Equal(t, window.NewSet(span(3*day, 4*day), span(5*day, 9*day)), gaps(5), "the newest")

	view := planned()
	view.Online, view.Offline = false, false
	nowhere := newMemoryScene(t, view, new([]event))
	_, err := nowhere.engine.Gaps(t.Context(), nowhere.target, start.Add(10*day), 64)
	require.ErrorIs(t, err, materialize.ErrRange)
}

func TestHeldWindowsAreNoGapsAndServingDoesNotWaitForThem(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	s.engine.Ledger = ledger.New(s.bucket)
	now := start.Add(10 * day)
	s.run(span(4*day, 5*day), span(5*day, 6*day), span(6*day, 7*day))
	require.Equal(t, start.Add(7*day), *s.apply().Status.Watermark)

	set := window.NewSet(span(6*day, 9*day))
	require.NoError(t, s.engine.Hold(t.Context(), s.target, set, "", now))
	held, err := s.engine.Holds(t.Context(), s.target)
	require.NoError(t, err)
	require.Equal(t, window.NewSet(span(7*day, 9*day)), held, "what is covered is not held")
	gaps, err := s.engine.Gaps(t.Context(), s.target, now, 64)
	require.NoError(t, err)
	require.Equal(t, window.NewSet(span(-2*day, 4*day)), gaps)
	status := s.apply().Status
	require.Equal(t, start.Add(9*day), *status.Watermark, "B counts what is held")
	require.Equal(t, window.NewSet(span(4*day, 9*day)), status.Settled())

	// A hold of days under a schedule of two days: a window that is held in part is filled.
	view := planned()
	view.BatchSchedule = feature.Duration(2 * day)
	wider := newTarget(t, view)
	gaps, err = s.engine.Gaps(t.Context(), wider, now, 64)
	require.NoError(t, err)
	wanted := window.Interval{Start: wider.View.MaterializationStart(), End: wider.View.MaterializationEnd(now)}
	for _, w := range wanted.Split(2 * day) {
		require.Equal(t, !held.Covers(w), gaps.Covers(w), "%v", w)
	}

	require.NoError(t, s.engine.Release(t.Context(), s.target, window.NewSet(span(8*day, 9*day))))
	require.Equal(t, start.Add(8*day), *s.apply().Status.Watermark)
	gaps, err = s.engine.Gaps(t.Context(), s.target, now, 1)
	require.NoError(t, err)
	require.Equal(t, window.NewSet(span(8*day, 9*day)), gaps)
}

func TestUnfinishedIsWhatAJobDidNotDo(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	s.run(span(0, day), span(day, 2*day), span(3*day, 4*day))
	begun := s.clock + 1
	s.run(span(day, 2*day))
	unfinished := func(overwrite bool) window.Set {
		set, err := s.engine.Unfinished(t.Context(), s.target, span(0, 5*day), begun, overwrite, start.Add(10*day))
		require.NoError(t, err)
		return set
	}
	require.Equal(t, window.NewSet(span(2*day, 3*day), span(4*day, 5*day)), unfinished(false))
	require.Equal(t, window.NewSet(span(0, day), span(2*day, 5*day)), unfinished(true), "what was read before it began is to be read again")
}

// described is an engine that says what it is told about every statement.
type described struct {
	transform.Engine
	description transform.Description
}

func (d described) Describe(context.Context, string, []transform.Table) (transform.Description, error) {
	return d.description, nil
}

func TestManyWindowsAreBuiltAtOnceOnlyIfTheResultCannotDepend(t *testing.T) {
	t.Parallel()
	rowWise := transform.Description{RowWise: true}
	for _, c := range []struct {
		what        string
		change      func(*feature.View)
		description transform.Description
		windows     int
		n           int
	}{
		{"a tenth", nil, rowWise, 365, 37},
		{"few windows", nil, rowWise, 10, 1},
		{"at most 512", nil, rowWise, 8760, 512},
		{"an aggregating query", nil, transform.Description{}, 365, 1},
		{"a query that uses the bounds", nil, transform.Description{RowWise: true, UsesBounds: true}, 365, 1},
		{"incremental_backfills", func(v *feature.View) { v.IncrementalBackfills = true }, rowWise, 365, 1},
		{"max_backfill_interval", func(v *feature.View) { v.MaxBackfillInterval = feature.Duration(100 * day) }, rowWise, 365, 100},
		{"a long max_backfill_interval", func(v *feature.View) { v.MaxBackfillInterval = feature.Duration(100 * day) }, rowWise, 30, 30},
		{"a look-back", func(v *feature.View) { v.Sources[0].StartTimeOffset = feature.Offset(-day) }, rowWise, 365, 1},
	} {
		view := planned()
		if c.change != nil {
			c.change(&view)
		}
		engine := &materialize.Engine{Transform: described{description: c.description}}
		n, oneRun, err := engine.WindowsPerBuild(t.Context(), newTarget(t, view), c.windows)
		require.NoError(t, err)
		require.Equal(t, c.n, n, c.what)
		require.Equal(t, c.n > 1, oneRun, c.what)
	}
}

func TestServingNeedsTheLongestWindowOrTheTTL(t *testing.T) {
	t.Parallel()
	now := start.Add(10 * day)
	require.Equal(t, start.Add(7*day), newTarget(t, newView(hour, day, 2*day)).OnlineStart(now.Add(-day)))
	for ttl, want := range map[time.Duration]window.Time{30 * hour: start.Add(7 * day), 48 * hour: start.Add(7 * day), 49 * hour: start.Add(6 * day)} {
		view := planned()
		view.Aggregations, view.TTL = nil, feature.Duration(ttl)
		target := &materialize.Target{View: view}
		require.Equal(t, want, target.OnlineStart(now), "ttl %v", ttl)
	}
	view := planned()
	view.Aggregations = nil
	target := &materialize.Target{View: view}
	require.Equal(t, view.MaterializationStart(), target.OnlineStart(now), "without a ttl rows never expire")
}
