package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

func TestAJobsStatesAreRecorded(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3}
	result, err := run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, []string{"1 RUNNING", "2 SUCCESS 3 of 3 windows committed"}, f.records)
	require.Equal(t, f.job.ID, result.Job)
	require.NotZero(t, f.job.CreatedAt)
	require.Empty(t, result.Unrecorded)

	f = &fake{windows: 2, onBuild: func(context.Context, int) error { return broken("no column delay") }}
	in := input()
	in.Parallelism = 1 // so that the first window is the first to fail
	_, err = run(t, f, in)
	require.Error(t, err)
	require.Equal(t, []string{"1 RUNNING", "2 ERROR 2 of 2 windows failed, the first: window 2001-01-01T00:00:00Z: no column delay"}, f.records)
}

func TestAJobWithNothingToDoIsNotRecorded(t *testing.T) {
	t.Parallel()
	f := &fake{}
	_, err := runIncremental(t, f, `{"workspace": "dev", "view": "airport_delays"}`)
	require.NoError(t, err)
	require.Empty(t, f.records)
}

// Nothing waits for the ledger but the ledger's own records, which come in order
// and none twice.
func TestALedgerThatFailsFailsNoWindow(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3, onRecord: func(call int) error {
		if call <= 10 { // all attempts of the first record
			return errors.New("bucket is away")
		}
		return nil
	}}
	result, err := run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, []string{"1 RUNNING", "2 SUCCESS 3 of 3 windows committed"}, f.records)
	require.Equal(t, 3, result.Committed)

	f = &fake{windows: 3, onRecord: func(int) error { return errors.New("bucket is away") }}
	result, err = run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, 3, result.Committed)
	require.Equal(t, "bucket is away", result.Unrecorded, "the job says so")
}

func TestACancelledJobHoldsWhatItDidNotDo(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 10, online: true}
	env := newEnvironment(f)
	f.onBuild = func(_ context.Context, number int) error {
		if number < 3 {
			return nil
		}
		env.CancelWorkflow()
		return f.untilCancelled()
	}
	in := input()
	in.Parallelism = 1
	env.ExecuteWorkflow("Materialize", in)
	result, err := ending(t, env)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, []string{"1 RUNNING", "2 MANUAL_CANCELLATION_REQUESTED commits what is built", "3 MANUALLY_CANCELLED 3 of 10 windows committed"}, f.records)
	require.Len(t, f.holds, 1)
	require.Equal(t, window.NewSet(days(0, 10)), f.holds[0].Windows, "the activity leaves out what is covered")
	require.Equal(t, result.Job, f.holds[0].Job.ID)
	require.Equal(t, 2, f.applies, "the online store learns of the holds")
}

func TestAJobWaitsForItsTurnAndPlansAgain(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3, queued: true}
	result, err := run(t, f, input())
	require.NoError(t, err)
	require.Len(t, f.plans, 2)
	require.True(t, f.plans[1].Wait)
	require.Equal(t, []string{"1 SCHEDULED waits until fewer jobs of the view run", "2 RUNNING", "3 SUCCESS 3 of 3 windows committed"}, f.records)
	require.False(t, result.Waiting)

	f = &fake{windows: 3, queued: true, skipped: "view airport_delays was deleted in generation 8"}
	result, err = run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, f.skipped, result.Skipped)
	require.Nil(t, result.Range)
	require.Equal(t, "2 SUCCESS "+f.skipped, f.records[1])
	require.Empty(t, f.begun)
}

func TestAWaitingJobCanBeCancelled(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3, queued: true}
	f.onWait = func() error {
		return temporal.NewApplicationErrorWithOptions("16 jobs come first", activities.ErrorWaiting,
			temporal.ApplicationErrorOptions{NextRetryDelay: time.Hour})
	}
	env := newEnvironment(f)
	env.RegisterDelayedCallback(env.CancelWorkflow, 30*time.Minute)
	env.ExecuteWorkflow("Materialize", input())
	_, err := ending(t, env)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, "3 MANUALLY_CANCELLED 0 of 3 windows committed", f.records[2])
	require.Len(t, f.holds, 1)
}

func TestAContinuedJobWhoseStoreIsGoneEnds(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 600, schedule: time.Hour}
	in := input()
	in.Parallelism = 64
	_, err := run(t, f, in)
	next := continued(t, err)
	built := len(f.built)
	f.skipped = "view airport_delays was changed in generation 8 and is stored elsewhere now"
	result, err := run(t, f, next)
	require.NoError(t, err)
	require.Equal(t, f.skipped, result.Skipped)
	require.Len(t, f.built, built)
	require.Equal(t, []string{"1 RUNNING", "2 DRAINED " + f.skipped}, f.records)
	require.Equal(t, []activities.StoreRequest{{Target: next.Continued.Plan.Target, Fingerprint: "0123456789abcdef"}}, f.stores)
}

func TestFailedWindowsAreRetriedByHand(t *testing.T) {
	t.Parallel()
	fixed := false
	f := &fake{windows: 6, online: true}
	env := newEnvironment(f)
	f.onBuild = func(_ context.Context, number int) error {
		if (number == 1 || number == 3) && !fixed {
			return broken("no such file")
		}
		return nil
	}
	in := input()
	in.Parallelism = 1
	env.RegisterDelayedCallback(func() { update(env, workflows.UpdateRate, 1) }, 0) // slowly, so that the job runs on
	var unknown, one, all *answer
	env.RegisterDelayedCallback(func() {
		window, second := at(2*day), at(3*day)
		unknown = update(env, workflows.UpdateRetry, workflows.RetryInput{Window: &window})
		fixed = true
		one = update(env, workflows.UpdateRetry, workflows.RetryInput{Window: &second})
		all = update(env, workflows.UpdateRetry, workflows.RetryInput{})
	}, 270*time.Second)
	env.ExecuteWorkflow("Materialize", in)
	result, err := ending(t, env)
	require.NoError(t, err)
	require.ErrorContains(t, unknown.rejected, "window 2001-01-03T00:00:00Z has not failed")
	require.Equal(t, 1, one.result.Failed)
	require.Zero(t, all.result.Failed)
	require.Empty(t, all.result.Failure)
	require.Equal(t, upTo(6), f.committed())
	require.Equal(t, 6, result.Committed)
	const retried = "PENDING failed windows are retried by hand"
	require.Equal(t, []string{"1 RUNNING", "2 " + retried, "3 RUNNING", "4 " + retried, "5 RUNNING", "6 SUCCESS 6 of 6 windows committed"}, f.records)
}

func TestARetryOfNothingIsRejected(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3}
	env := newEnvironment(f)
	var rejected *answer
	env.RegisterDelayedCallback(func() { rejected = update(env, workflows.UpdateRetry, workflows.RetryInput{}) }, 0)
	env.ExecuteWorkflow("Materialize", input())
	require.NoError(t, env.GetWorkflowError())
	require.ErrorContains(t, rejected.rejected, "no window has failed")
}

func TestARateIsKept(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 12}
	env := newEnvironment(f)
	begun := env.Now()
	var starts []time.Duration
	f.onBuild = func(context.Context, int) error {
		starts = append(starts, env.Now().Sub(begun).Round(time.Second))
		return nil
	}
	var refused *answer
	env.RegisterDelayedCallback(func() {
		refused = update(env, workflows.UpdateRate, -1)
		update(env, workflows.UpdateRate, 0)
	}, 65*time.Second)
	in := input()
	in.Rate = 6
	env.ExecuteWorkflow("Materialize", in)
	result, err := ending(t, env)
	require.NoError(t, err)
	require.Equal(t, 12, result.Committed)
	require.ErrorContains(t, refused.rejected, "rate is -1, want 0 to 100000")
	for i, start := range starts[:7] {
		require.Equal(t, time.Duration(i)*10*time.Second, start)
	}
	require.Equal(t, 65*time.Second, starts[11], "without a rate they start at once")
	require.Len(t, f.commits, 1, "windows that come by themselves are waited for")
}

func TestARetryThatComesTooLateIsRejected(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 1, onBuild: func(context.Context, int) error { return broken("no such file") }}
	env := newEnvironment(f)
	var late *answer
	f.onRecord = func(call int) error {
		if call == 2 { // the final state
			env.RegisterDelayedCallback(func() { late = update(env, workflows.UpdateRetry, workflows.RetryInput{}) }, 0)
			return errors.New("bucket is away") // so that the job still runs then
		}
		return nil
	}
	env.ExecuteWorkflow("Materialize", input())
	require.Error(t, env.GetWorkflowError())
	require.ErrorContains(t, late.rejected, "the job is ending: start another with its id as retry")
}

func TestTemporalsPagesShowWhereAJobStands(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 6, onBuild: func(_ context.Context, number int) error {
		if number == 1 {
			return broken("no such file:\nflights-02.csv")
		}
		return nil
	}}
	env := newEnvironment(f)
	in := input()
	in.Rate, in.Parallelism = 1, 1
	shown := ""
	env.RegisterDelayedCallback(func() { update(env, workflows.UpdatePause) }, 200*time.Second)
	env.RegisterDelayedCallback(func() {
		answer, err := env.QueryWorkflow("__temporal_workflow_metadata")
		require.NoError(t, err)
		var metadata sdkpb.WorkflowMetadata
		require.NoError(t, answer.Get(&metadata))
		shown = metadata.GetCurrentDetails()
		update(env, workflows.UpdateResume)
	}, time.Hour)
	env.ExecuteWorkflow("Materialize", in)
	require.Error(t, env.GetWorkflowError())
	golden(t, "details.golden", shown)
}
