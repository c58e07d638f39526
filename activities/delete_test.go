package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// erasing are the activities over a world of which a day is materialized.
func erasing(t *testing.T) (*world, *activities.Delete, *testsuite.TestActivityEnvironment) {
	t.Helper()
	w := newWorld(t)
	views := w.materialize.Engine
	d := &activities.Delete{Clock: w.materialize.Clock, Engine: &erase.Engine{
		Bucket: views.Bucket, Views: views, Datasets: dataset.New(views.Bucket, views.Offline.(offline.FrozenStore)), Fences: &forget.Store{Bucket: views.Bucket},
	}}
	views.Fences, w.materialize.Deletions = d.Engine.Fences, d.Engine
	w.fill(t)
	env := w.environment()
	env.RegisterActivity(d)
	return w, d, env
}

// fill materializes a day, in both stores.
func (w *world) fill(t *testing.T) {
	t.Helper()
	from, to := instant("2001-01-05"), instant("2001-01-06")
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target, StartTime: &from, EndTime: &to, Overwrite: true})
	build(t, w.environment(), plan, day("2001-01-05"))
	execute[activities.Applied](t, w.environment(), "ApplyOnline", activities.ApplyRequest{Target: target})
}

// stageKeys stages Atlanta's key.
func stageKeys(t *testing.T, d *activities.Delete, until *window.Time) activities.StagedKeys {
	t.Helper()
	keys := "origin\nATL\n"
	staged, err := d.Engine.Stage(t.Context(), erase.Request{Workspace: "prod", View: "delays", Online: true, Offline: true, Forget: until},
		strings.NewReader(keys), int64(len(keys)), frame.CSV)
	require.NoError(t, err)
	return staged
}

func TestKeysAreDeletedStepByStep(t *testing.T) {
	t.Parallel()
	w, d, env := erasing(t)
	staged := stageKeys(t, d, nil)
	request := activities.DeletionRequest{Staged: staged, Job: activities.Job{ID: staged.ID, Type: activities.JobTypeDeletion, CreatedAt: instant("2001-02-01"), Number: 1}}
	request.Plan = execute[activities.DeletionPlan](t, env, "PlanDeletion", request)
	require.Len(t, request.Plan.Stores, 1)
	require.Equal(t, 1, request.Plan.Stores[0].Batches)
	execute[activities.Rewritten](t, env, "RewriteFiles", activities.RewriteRequest{DeletionRequest: request})
	erased := execute[activities.Erased](t, env, "EraseOffline", request)
	require.Equal(t, erased, execute[activities.Erased](t, env, "EraseOffline", request), "it may be repeated")
	require.Equal(t, int64(1), erased.Rows, "a tile of the day")
	require.Positive(t, execute[int64](t, env, "EraseOnline", request))
	execute[int64](t, env, "SweepOnline", request)
	verified := execute[activities.Verified](t, env, "VerifyDeletion", activities.VerifyRequest{DeletionRequest: request, Version: erased.Version})
	require.Positive(t, verified.Rows)
	require.Positive(t, verified.Cells)
	finish := activities.FinishRequest{DeletionRequest: request, Results: []activities.StoreResult{{Erased: erased, Verified: verified}}}
	deleted := execute[activities.Deleted](t, env, "FinishDeletion", finish)
	require.NotNil(t, deleted.OldVersionsUntil)
	receipt, err := d.Engine.Receipt(t.Context(), "prod", "delays", staged.ID)
	require.NoError(t, err)
	require.Equal(t, staged.ID, receipt.Job)

	require.Zero(t, execute[activities.Maintained](t, w.environment(), "CleanDeletions", activities.MaintainRequest{Target: target}), "nothing is old enough")
	require.Zero(t, execute[activities.Maintained](t, w.environment(), "RemoveStaged", activities.MaintainRequest{Target: target}))
}

func TestKeysThatAreFoundAreNotLookedForAgain(t *testing.T) {
	t.Parallel()
	w, d, env := erasing(t)
	staged := stageKeys(t, d, nil)
	job := activities.Job{ID: staged.ID, Type: activities.JobTypeDeletion, CreatedAt: instant("2001-02-01"), Number: 1}
	w.record(t, job, activities.JobRecord{Entry: ledger.Entry{Number: 1, State: activities.JobRunning}, At: instant("2001-02-01")})
	request := activities.DeletionRequest{Staged: staged, Job: job}
	request.Plan = execute[activities.DeletionPlan](t, env, "PlanDeletion", request)
	_, err := env.ExecuteActivity("VerifyDeletion", activities.VerifyRequest{DeletionRequest: request, Version: 1})
	var found *temporal.ApplicationError
	require.ErrorAs(t, err, &found)
	require.Equal(t, activities.ErrorFound, found.Type())
	require.True(t, found.NonRetryable())
	require.NotContains(t, found.Message(), "ATL", "no error names a key")
	attempts := w.history(t, staged.ID).Attempts
	require.Len(t, attempts, 1)
	require.Equal(t, activities.ErrorFound, attempts[0].Reason)
}

func TestADeletionThatDidNothingLeavesNothing(t *testing.T) {
	t.Parallel()
	_, d, env := erasing(t)
	until := instant("2001-02-01")
	for undone, fences := range map[bool]int{true: 0, false: 1} {
		staged := stageKeys(t, d, &until)
		execute[activities.DeletionPlan](t, env, "PlanDeletion", activities.DeletionRequest{Staged: staged})
		discard := activities.DiscardRequest{DeletionRequest: activities.DeletionRequest{Staged: staged}, Undone: undone}
		for range 2 {
			_, err := env.ExecuteActivity("DiscardDeletion", discard)
			require.NoError(t, err, "it may be repeated")
		}
		for info, err := range d.Engine.Bucket.List(t.Context(), "deletions/", "") {
			require.NoError(t, err)
			require.Fail(t, "left "+info.Key)
		}
		list, err := d.Engine.Fences.List(t.Context(), "prod", "delays")
		require.NoError(t, err)
		require.Len(t, list, fences)
		for _, fence := range list {
			_, err := d.Engine.Fences.Lift(t.Context(), "prod", "delays", fence.ID)
			require.NoError(t, err)
		}
	}
}

// The receipt tells what became of a deletion whose workflow was lost.
func TestLostDeletionsAreClosedByTheirReceipt_B7(t *testing.T) {
	t.Parallel()
	w, d, env := erasing(t)
	w.materialize.Jobs = &visibility{}
	var ids []string
	for _, finished := range []bool{true, false} {
		staged := stageKeys(t, d, nil)
		job := activities.Job{ID: staged.ID, Type: activities.JobTypeDeletion, CreatedAt: instant("2001-02-01"), Number: 1}
		w.record(t, job, activities.JobRecord{Entry: ledger.Entry{Number: 1, State: activities.JobRunning}, At: instant("2001-02-01")})
		if finished {
			execute[activities.Deleted](t, env, "FinishDeletion", activities.FinishRequest{DeletionRequest: activities.DeletionRequest{Staged: staged, Job: job}})
		}
		ids = append(ids, staged.ID)
	}
	lost := execute[activities.LostJobs](t, w.environment(), "ReconcileJobs", activities.ReconcileRequest{Workspace: "prod"})
	require.Equal(t, activities.LostJobs{Succeeded: 1, Lost: 1}, lost)
	require.Equal(t, ledger.Success, w.history(t, ids[0]).States[1].State)
	require.Equal(t, ledger.Error, w.history(t, ids[1]).States[1].State)
}
