package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/workflows"
)

// reconciler counts passes; every third fails.
type reconciler struct {
	mu     sync.Mutex
	passes []activities.ReconcileRequest
	jobs   int
	stores int
}

func (r *reconciler) ReconcileSchedules(_ context.Context, request activities.ReconcileRequest) (activities.Reconciled, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passes = append(r.passes, request)
	if len(r.passes)%3 == 0 {
		return activities.Reconciled{}, broken("the registry is away")
	}
	return activities.Reconciled{}, nil
}

func (r *reconciler) ReconcileJobs(context.Context, activities.ReconcileRequest) (activities.LostJobs, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs++
	if r.jobs%2 == 0 {
		return activities.LostJobs{}, broken("the ledger is away")
	}
	return activities.LostJobs{}, nil
}

func (r *reconciler) ReconcileStores(context.Context, activities.ReconcileRequest) (map[string]activities.Switched, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stores++
	if r.stores%2 == 1 {
		return nil, broken("the online store is away")
	}
	return map[string]activities.Switched{"airport_delays": {Generation: 7}}, nil
}

func newReconcile() (*reconciler, *testsuite.TestWorkflowEnvironment) {
	env := newEnvironment(&fake{})
	r := &reconciler{}
	env.RegisterActivity(r)
	return r, env
}

func TestReconcileRunsAtItsStartAtEachSignalAndEveryFiveMinutes(t *testing.T) {
	t.Parallel()
	r, env := newReconcile()
	seen := map[time.Duration]int{}
	look := func(after time.Duration) {
		env.RegisterDelayedCallback(func() { seen[after] = len(r.passes) }, after)
	}
	look(time.Minute)
	env.RegisterDelayedCallback(func() {
		for range 3 {
			env.SignalWorkflow(workflows.SignalReconcile, nil)
		}
	}, 2*time.Minute)
	look(3 * time.Minute)
	look(8 * time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 9*time.Minute)
	env.ExecuteWorkflow("Reconcile", activities.ReconcileRequest{Workspace: "dev"})
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()))
	require.Equal(t, 1, seen[time.Minute])
	require.LessOrEqual(t, seen[3*time.Minute], 3, "signals that came together are answered together")
	require.Greater(t, seen[3*time.Minute], 1)
	require.Equal(t, seen[3*time.Minute]+1, seen[8*time.Minute])
	require.Equal(t, "dev", r.passes[0].Workspace)
}

func TestReconcileContinuesAsNewAndOutlivesFailures(t *testing.T) {
	t.Parallel()
	r, env := newReconcile()
	env.ExecuteWorkflow("Reconcile", activities.ReconcileRequest{Workspace: "dev"})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Len(t, r.passes, 200)
	require.Equal(t, 200, r.jobs)
	require.Equal(t, 200, r.stores)
}
