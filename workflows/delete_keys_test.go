package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/workflows"
)

// deleter stands for the activities of a deletion.
type deleter struct {
	plan activities.DeletionPlan
	// onStep decides what becomes of a step; nil: it succeeds.
	onStep func(ctx context.Context, step string) error

	mu        sync.Mutex
	steps     []string // "activity store"
	rewriting int
	most      int // rewrites at a time
	finished  []activities.FinishRequest
	discarded []activities.DiscardRequest
	verified  []activities.VerifyRequest
}

func (d *deleter) step(ctx context.Context, name string, store int) error {
	step := fmt.Sprintf("%s %d", name, store)
	d.mu.Lock()
	d.steps = append(d.steps, step)
	d.mu.Unlock()
	if d.onStep == nil {
		return nil
	}
	return d.onStep(ctx, step)
}

// taken are the steps so far; one that was cancelled may still be ending.
func (d *deleter) taken() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.steps)
}

func (d *deleter) PlanDeletion(ctx context.Context, _ activities.DeletionRequest) (activities.DeletionPlan, error) {
	return d.plan, d.step(ctx, "PlanDeletion", 0)
}

func (d *deleter) RewriteFiles(ctx context.Context, r activities.RewriteRequest) (activities.Rewritten, error) {
	d.count(1)
	defer d.count(-1)
	return activities.Rewritten{Files: 2, Rows: 5}, d.step(ctx, "RewriteFiles", r.Store)
}

func (d *deleter) count(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rewriting += n
	d.most = max(d.most, d.rewriting)
}

func (d *deleter) EraseOffline(ctx context.Context, r activities.DeletionRequest) (activities.Erased, error) {
	return activities.Erased{Version: int64(10 + r.Store), Files: 4, Rows: 100}, d.step(ctx, "EraseOffline", r.Store)
}

func (d *deleter) EraseOnline(ctx context.Context, r activities.DeletionRequest) (int64, error) {
	return 7, d.step(ctx, "EraseOnline", r.Store)
}

func (d *deleter) SweepOnline(ctx context.Context, r activities.DeletionRequest) (int64, error) {
	return 1, d.step(ctx, "SweepOnline", r.Store)
}

func (d *deleter) VerifyDeletion(ctx context.Context, r activities.VerifyRequest) (activities.Verified, error) {
	d.mu.Lock()
	d.verified = append(d.verified, r)
	d.mu.Unlock()
	return activities.Verified{Rows: 1000, Cells: 50}, d.step(ctx, "VerifyDeletion", r.Store)
}

func (d *deleter) FinishDeletion(ctx context.Context, r activities.FinishRequest) (activities.Deleted, error) {
	d.finished = append(d.finished, r)
	until := at(7 * day)
	return activities.Deleted{OldVersionsUntil: &until, Datasets: 2, RemovedDatasets: 1}, d.step(ctx, "FinishDeletion", 0)
}

func (d *deleter) DiscardDeletion(_ context.Context, r activities.DiscardRequest) error {
	d.discarded = append(d.discarded, r)
	return nil
}

// newDeleter has a store that serves and one that is filling.
func newDeleter() *deleter {
	return &deleter{plan: activities.DeletionPlan{Stores: []erase.StorePlan{
		{Generation: 3, Fingerprint: "aaaa", Offline: true, Online: true, Files: 20, Batches: 9},
		{Generation: 7, Fingerprint: "bbbb", Offline: true, Files: 2, Batches: 1},
	}}}
}

const (
	deletionID      = "0123456789abcdef0123456789abcdef"
	stagedKeys      = `{"workspace": "prod", "view": "spending", "online": true, "offline": true, "id": "` + deletionID + `", "object": "deletions/prod/spending/1/keys", "digest": "d", "keys": 3, "join_keys": [{"name": "user", "type": "Int64"}], "staged_at": "2001-02-03T04:05:06Z"}`
	deleteKeysInput = `{"staged": ` + stagedKeys + `, "grace": "0s"}`
)

// deleteKeys runs the workflow, and returns what it was with the result or the error.
func deleteKeys(t *testing.T, d *deleter, f *fake, input string, before func(*testsuite.TestWorkflowEnvironment)) (workflows.DeleteKeysResult, error) {
	t.Helper()
	env := newEnvironment(f)
	env.RegisterActivity(d)
	if before != nil {
		before(env)
	}
	env.ExecuteWorkflow("DeleteKeys", json.RawMessage(input))
	require.True(t, env.IsWorkflowCompleted())
	err := env.GetWorkflowError()
	var result workflows.DeleteKeysResult
	var application *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		require.NoError(t, env.GetWorkflowResult(&result))
	case errors.As(err, &application) && application.HasDetails():
		require.NoError(t, application.Details(&result))
	case errors.As(err, &cancelled) && cancelled.HasDetails():
		require.NoError(t, cancelled.Details(&result))
	}
	progress, queryErr := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, queryErr)
	var shown workflows.DeleteKeysResult
	require.NoError(t, progress.Get(&shown))
	if result.Job != "" {
		require.Equal(t, result, shown)
	}
	return result, err
}

func TestADeletionErasesEveryStoreAndVerifiesIt(t *testing.T) {
	t.Parallel()
	d, f := newDeleter(), &fake{}
	result, err := deleteKeys(t, d, f, deleteKeysInput, nil)
	require.NoError(t, err)
	until := at(7 * day)
	require.Equal(t, workflows.DeleteKeysResult{
		Workspace: "prod", View: "spending", Job: deletionID, Keys: 3, Begun: true, Stores: 2, VerifiedStores: 2, Batches: 10, Rewritten: 10,
		Files: 8, Rows: 200, Cells: 7, Verified: activities.Verified{Rows: 2000, Cells: 100},
		Deleted: activities.Deleted{OldVersionsUntil: &until, Datasets: 2, RemovedDatasets: 1},
	}, result)
	require.LessOrEqual(t, d.most, 4)
	rewrites := slices.IndexFunc(d.steps, func(step string) bool { return strings.HasPrefix(step, "Erase") })
	require.Equal(t, 11, rewrites, "a plan and all rewrites come before any change")
	require.Equal(t, []string{"EraseOffline 0", "EraseOnline 0", "EraseOffline 1", "SweepOnline 0", "VerifyDeletion 0", "VerifyDeletion 1", "FinishDeletion 0"},
		d.steps[rewrites:])
	require.Equal(t, []int64{10, 11}, []int64{d.verified[0].Version, d.verified[1].Version})
	require.Len(t, d.finished[0].Results, 2)
	require.Equal(t, int64(7), d.finished[0].Results[0].Cells)
	require.Empty(t, d.discarded)
	require.Equal(t, []string{"1 RUNNING",
		"2 SUCCESS 3 keys: 200 rows of 8 files and 7 cells of 2 stores erased; none left of 2000 rows and 100 cells that were looked at"}, f.records)
	require.Equal(t, activities.JobTypeDeletion, f.job.Type)
	require.Equal(t, deletionID, f.job.ID)
}

func TestADeletionWaitsForWritersOnlyWhereThereAreCells(t *testing.T) {
	t.Parallel()
	for online, want := range map[bool]time.Duration{true: 30 * time.Second, false: 0} {
		d := newDeleter()
		d.plan.Stores[0].Online = online
		var erased, swept time.Time
		var env *testsuite.TestWorkflowEnvironment
		d.onStep = func(_ context.Context, step string) error {
			switch step {
			case "EraseOffline 1":
				erased = env.Now()
			case "VerifyDeletion 0":
				swept = env.Now()
			}
			return nil
		}
		_, err := deleteKeys(t, d, &fake{}, `{"staged": `+stagedKeys+`}`, func(e *testsuite.TestWorkflowEnvironment) { env = e })
		require.NoError(t, err)
		require.Equal(t, want, swept.Sub(erased).Truncate(10*time.Second))
	}
}

func TestADeletionThatIsCancelledBeforeItChangesAnythingLeavesNothing(t *testing.T) {
	t.Parallel()
	d, f := newDeleter(), &fake{}
	d.onStep = func(ctx context.Context, step string) error {
		if strings.HasPrefix(step, "RewriteFiles") {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	result, err := deleteKeys(t, d, f, deleteKeysInput, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
	})
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, err, &cancelled)
	require.False(t, result.Begun)
	require.Len(t, d.discarded, 1)
	require.True(t, d.discarded[0].Undone, "the fence is lifted")
	require.Equal(t, deletionID, d.discarded[0].Staged.ID)
	require.Equal(t, []string{"1 RUNNING", "2 MANUALLY_CANCELLED nothing was deleted"}, f.records)
	require.False(t, slices.ContainsFunc(d.taken(), func(step string) bool { return strings.HasPrefix(step, "Erase") }))
}

func TestADeletionThatHasBegunIsNotCancelled(t *testing.T) {
	t.Parallel()
	d, f := newDeleter(), &fake{}
	var env *testsuite.TestWorkflowEnvironment
	d.onStep = func(_ context.Context, step string) error {
		if step == "EraseOffline 0" {
			env.CancelWorkflow()
		}
		return nil
	}
	result, err := deleteKeys(t, d, f, deleteKeysInput, func(e *testsuite.TestWorkflowEnvironment) { env = e })
	require.NoError(t, err)
	require.True(t, result.TooLate)
	require.Equal(t, 2, result.VerifiedStores)
	require.Empty(t, d.discarded)
	require.Equal(t, "2 MANUAL_CANCELLATION_REQUESTED too late: the stores are being changed", f.records[1])
	require.Contains(t, f.records[2], "3 SUCCESS")
}

func TestKeysThatAreFoundFailADeletion(t *testing.T) {
	t.Parallel()
	d, f := newDeleter(), &fake{}
	d.onStep = func(_ context.Context, step string) error {
		if step == "VerifyDeletion 0" {
			return temporal.NewNonRetryableApplicationError("rows of deleted keys were found: 1 cell", activities.ErrorFound, nil)
		}
		return nil
	}
	result, err := deleteKeys(t, d, f, deleteKeysInput, nil)
	kind, text := refusal(t, err)
	require.Equal(t, activities.ErrorFound, kind)
	require.Equal(t, "Verify that nothing is left of the store of generation 3: rows of deleted keys were found: 1 cell; start the deletion again", text)
	require.True(t, result.Begun)
	require.Equal(t, "2 ERROR "+text, f.records[1])
	require.Len(t, d.discarded, 1)
	require.False(t, d.discarded[0].Undone, "what is deleted stays forgotten")
	require.Empty(t, d.finished)
}

func TestADeletionThatIsRefusedByItsPlanFailsInTheLedgerToo(t *testing.T) {
	t.Parallel()
	d, f := newDeleter(), &fake{}
	d.onStep = func(context.Context, string) error {
		return temporal.NewNonRetryableApplicationError("no such view", activities.ErrorNotFound, nil)
	}
	result, err := deleteKeys(t, d, f, deleteKeysInput, nil)
	kind, text := refusal(t, err)
	require.Equal(t, []string{activities.ErrorNotFound, "no such view"}, []string{kind, text})
	require.Equal(t, []string{"1 RUNNING", "2 ERROR no such view"}, f.records)
	require.Equal(t, "Look for the stores and their files", result.Step)
	require.True(t, d.discarded[0].Undone)

	d = newDeleter()
	d.plan.Stores[0].Batches = 2000
	_, err = deleteKeys(t, d, &fake{}, deleteKeysInput, nil)
	_, text = refusal(t, err)
	require.Equal(t, "the deletion has 2009 steps in 2 stores, want at most 2000 in 64: make deletion.batch_bytes larger", text)
}

func TestADeletionGoesOnWithoutTheLedger(t *testing.T) {
	t.Parallel()
	f := &fake{onRecord: func(int) error { return broken("the bucket is away") }}
	result, err := deleteKeys(t, newDeleter(), f, deleteKeysInput, nil)
	require.NoError(t, err)
	require.Equal(t, "the bucket is away", result.Unrecorded)
}

func TestADeletionRefusesWhatWasNotStaged(t *testing.T) {
	t.Parallel()
	for input, says := range map[string]string{
		`{}`:              "input needs what POST /api/v1/jobs/delete-keys staged",
		`{"keys": "x"}`:   `unknown field "keys"`,
		`{"staged": "x"}`: "input: ",
		`{"staged": ` + stagedKeys + `, "grace": "11m"}`: "grace is 11m, want 0s to 10m",
	} {
		d := newDeleter()
		_, err := deleteKeys(t, d, &fake{}, input, nil)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
		require.Empty(t, d.steps)
	}
}
