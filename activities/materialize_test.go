package activities_test

import (
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// TestAWindowTravelsFromPlanToOnline runs the activities in the order of a job
// over the real engine.
func TestAWindowTravelsFromPlanToOnline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, err := pebble.Open(t.TempDir(), pebble.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	w.materialize.Engine.Online = store
	env := w.environment()

	plan := execute[activities.Plan](t, env, "PlanMaterialize", activities.PlanRequest{Target: target})
	require.Equal(t, int64(1), plan.Generation, "the job stays with the generation that is newest now")
	require.Equal(t, window.Interval{Start: instant("2001-01-01"), End: instant("2001-02-01")}, plan.Range)
	require.True(t, plan.Online)
	require.Equal(t, 31, plan.Windows())
	require.Equal(t, day("2001-01-01"), plan.Chunk(0, 1))
	require.Equal(t, day("2001-01-31"), plan.Chunk(30, 1))
	require.Equal(t, instant("2001-01-31"), plan.OnlineFrom, "serving needs one day")

	built := execute[activities.Built](t, env, "BuildWindows", activities.BuildRequest{Target: plan.Target, Range: plan.Chunk(4, 1)})
	require.Equal(t, day("2001-01-05"), built.Range)
	require.NotZero(t, built.Rows)
	require.NotZero(t, built.Bytes)

	request := activities.CommitRequest{Target: plan.Target, Manifests: []string{built.Manifest}, Online: true}
	require.Equal(t, activities.Commit{Version: 1, Committed: 1}, execute[activities.Commit](t, env, "CommitWindows", request))
	again := execute[activities.Commit](t, env, "CommitWindows", request)
	require.Equal(t, activities.Commit{Version: 1, Committed: 1}, again, "an answer that was lost: the same builds once more")
	other := execute[activities.Built](t, env, "BuildWindows", activities.BuildRequest{Target: plan.Target, Range: plan.Chunk(4, 1)})
	done := execute[activities.Commit](t, env, "CommitWindows", activities.CommitRequest{Target: plan.Target, Manifests: []string{other.Manifest}})
	require.Equal(t, 1, done.Done, "the window is covered")
	superseded := execute[activities.Commit](t, env, "CommitWindows",
		activities.CommitRequest{Target: plan.Target, Manifests: []string{other.Manifest}, Overwrite: true})
	require.Equal(t, 1, superseded.Committed)
	superseded = execute[activities.Commit](t, env, "CommitWindows",
		activities.CommitRequest{Target: plan.Target, Manifests: []string{built.Manifest}, Overwrite: true})
	require.Equal(t, 1, superseded.Superseded, "of two builds, the one that read later stays")

	applied := execute[activities.Applied](t, env, "ApplyOnline", activities.ApplyRequest{Target: plan.Target})
	require.Equal(t, superseded.Version, applied.Version)
	require.Equal(t, built.Rows, applied.Cells)
	require.Equal(t, instant("2001-01-06"), *applied.Watermark)
	again2 := execute[activities.Applied](t, env, "ApplyOnline", activities.ApplyRequest{Target: plan.Target})
	require.Zero(t, again2.Cells, "there is nothing to do twice")
	view, err := w.materialize.Engine.Target(t.Context(), "prod", 1, "delays")
	require.NoError(t, err)
	status, _, ok, err := online.ReadStatus(t.Context(), store, view.Store())
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, applied.Version, status.Applied)
}

func TestAnIncrementalPlanIsTheNewestGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := w.environment()
	request := activities.IncrementalRequest{Target: target, MaxWindows: 3}
	plan := execute[activities.Plan](t, env, "PlanIncremental", request)
	require.Equal(t, 3, plan.Windows())
	require.Equal(t, day("2001-01-31"), plan.Chunk(0, 1))
	require.Equal(t, day("2001-01-29"), plan.Chunk(2, 1))
	require.Equal(t, int64(1), plan.Generation)

	built := execute[activities.Built](t, env, "BuildWindows", activities.BuildRequest{Target: plan.Target, Range: plan.Chunk(1, 1)})
	execute[activities.Commit](t, env, "CommitWindows", activities.CommitRequest{Target: plan.Target, Manifests: []string{built.Manifest}})
	plan = execute[activities.Plan](t, env, "PlanIncremental", request)
	require.Equal(t, []window.Interval{day("2001-01-31"), day("2001-01-29"), day("2001-01-28")},
		[]window.Interval{plan.Chunk(0, 1), plan.Chunk(1, 1), plan.Chunk(2, 1)})

	request.View = "gone"
	plan = execute[activities.Plan](t, env, "PlanIncremental", request)
	require.Zero(t, plan.Windows())
	require.Contains(t, plan.Skipped, `no feature view "gone"`)
}

func TestAnIncrementalPlanWithoutGapsFindsAnOnlineStoreThatLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := w.environment()
	plan := execute[activities.Plan](t, env, "PlanMaterialize", activities.PlanRequest{Target: target})
	built := execute[activities.Built](t, env, "BuildWindows", activities.BuildRequest{Target: plan.Target, Range: plan.Range})
	execute[activities.Commit](t, env, "CommitWindows", activities.CommitRequest{Target: plan.Target, Manifests: []string{built.Manifest}})
	for _, lags := range []bool{true, false} {
		plan = execute[activities.Plan](t, env, "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 3})
		require.Equal(t, "nothing is missing", plan.Skipped)
		require.Equal(t, lags, plan.Lags)
		execute[activities.Applied](t, env, "ApplyOnline", activities.ApplyRequest{Target: plan.Target})
	}
}

func TestOnlineViewsAreThoseOfTheNewestGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := w.environment()
	want := []activities.Target{{Workspace: target.Workspace, View: target.View, Generation: 1}}
	require.Equal(t, want, execute[[]activities.Target](t, env, "OnlineViews", activities.Target{Workspace: target.Workspace}))
	require.Equal(t, want, execute[[]activities.Target](t, env, "OnlineViews", target))
	_, err := env.ExecuteActivity("OnlineViews", activities.Target{Workspace: target.Workspace, View: "gone"})
	require.ErrorContains(t, err, `no feature view "gone"`)
}

// Two builds of a window are ordered by when their attempts started, as the
// server tells it, not by when they happen to read or to finish.
func TestReadAtIsTheStartOfTheAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.materialize.Engine.Sources = sourceFunc(func(context.Context) (source.Files, error) {
			<-time.After(5 * time.Minute)
			return source.Files{}, nil
		})
		w.materialize.Engine.Transform = runFunc(func(context.Context, func(transform.Progress)) error { return nil })
		started := window.FromTime(time.Now())
		built := execute[activities.Built](t, w.environment(), "BuildWindows", activities.BuildRequest{Target: target, Range: day("2001-01-05")})
		builds, err := w.materialize.Engine.LoadBuilds(t.Context(), built.Manifest)
		require.NoError(t, err)
		require.Equal(t, started, builds[0].ReadAt)
		require.Equal(t, started.Add(5*time.Minute), window.FromTime(time.Now()))
	})
}

var fitForKeys = regexp.MustCompile(`^builds/prod/delays/[0-9a-f]+/20010105T000000Z-[A-Za-z0-9._-]+-1\.json$`)

func TestNamesOfAttemptsAreFitForFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, inWorkflow := range []bool{true, false} {
		env := w.environment()
		env.SetExecuteActivitiesInWorkflow(inWorkflow)
		built := execute[activities.Built](t, env, "BuildWindows", activities.BuildRequest{Target: target, Range: day("2001-01-05")})
		require.Regexp(t, fitForKeys, built.Manifest)
		builds, err := w.materialize.Engine.LoadBuilds(t.Context(), built.Manifest)
		require.NoError(t, err)
		require.NotEmpty(t, builds[0].Files)
	}
}
