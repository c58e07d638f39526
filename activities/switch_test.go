package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// replace defines the view anew, so that what is stored is of no use.
func (w *world) replace(t *testing.T, base int64) {
	t.Helper()
	w.apply(t, "prod", base, strings.ReplaceAll(definitions, "aggregation_interval: 1d", "aggregation_interval: 12h"))
}

func TestAJobFillsTheStoreOfTheNewestDefinitionAndAnIncrementalOneBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	require.False(t, before.Filling)
	build(t, w.environment(), before, window.Interval{Start: instant("2001-01-01"), End: instant("2001-01-25")})
	failed := []activities.JobRecord{state(1, activities.JobRunning), state(2, activities.JobError)}
	failed[1].Fingerprint = before.Fingerprint
	w.record(t, job, failed...)
	w.replace(t, 1)

	incremental := func(filling bool) activities.Plan {
		return execute[activities.Plan](t, w.environment(), "PlanIncremental",
			activities.IncrementalRequest{Target: target, MaxWindows: 64, Filling: filling})
	}
	serving, filling := incremental(false), incremental(true)
	require.Equal(t, before.Target, serving.Target)
	require.Equal(t, before.Fingerprint, serving.Fingerprint)
	require.False(t, serving.Filling)
	require.True(t, serving.Other)
	require.Equal(t, 7, serving.Windows())
	require.Equal(t, int64(2), filling.Generation)
	require.True(t, filling.Filling)
	require.False(t, filling.Other)
	require.Equal(t, 31, filling.Windows())

	whole := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	require.Equal(t, filling.Fingerprint, whole.Fingerprint)
	require.True(t, whole.Filling)
	retry := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target, Retry: job.ID})
	require.Equal(t, before.Target, retry.Target, "what a job left undone is left undone in its own store")
	require.Equal(t, 7, retry.Windows())
}

func TestStoresAreSwitchedOnceTheNewOneIsFilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	build(t, w.environment(), plan, window.Interval{Start: instant("2001-01-30"), End: instant("2001-02-01")})
	require.Equal(t, activities.Switched{}, execute[activities.Switched](t, w.environment(), "SwitchStores", target))
	w.replace(t, 1)
	lacks := activities.Switched{Lacks: "2 of 2 windows that the serving store covers, the newest in [2001-01-30T00:00:00Z, 2001-02-01T00:00:00Z)"}
	require.Equal(t, lacks, execute[activities.Switched](t, w.environment(), "SwitchStores", target))
	reconcile := func() map[string]activities.Switched {
		return execute[map[string]activities.Switched](t, w.environment(), "ReconcileStores", activities.ReconcileRequest{Workspace: "prod"})
	}
	require.Equal(t, map[string]activities.Switched{"delays": lacks}, reconcile())

	plan = execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	build(t, w.environment(), plan, window.Interval{Start: instant("2001-01-30"), End: instant("2001-02-01")})
	require.Equal(t, map[string]activities.Switched{"delays": {Generation: 3}}, reconcile())
	require.Empty(t, reconcile())
	filling := execute[activities.Plan](t, w.environment(), "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 1, Filling: true})
	require.Equal(t, "no store is filling", filling.Skipped)

	gone := activities.Target{Workspace: "prod", View: "nothing"}
	require.Equal(t, activities.Switched{}, execute[activities.Switched](t, w.environment(), "SwitchStores", gone))
}
