package workflows_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/workflows"
)

func TestAFailedWindowLeavesTheOthersCommitted(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 20, online: true, onBuild: func(_ context.Context, number int) error {
		if number == 3 {
			return broken("SQL cannot run: no column delay")
		}
		return nil
	}}
	result, err := run(t, f, input())
	kind, text := refusal(t, err)
	require.Equal(t, workflows.ErrorWindowsFailed, kind)
	require.Equal(t, "1 of 20 windows failed, the first: window 2001-01-04T00:00:00Z: SQL cannot run: no column delay", text)
	require.Equal(t, slices.DeleteFunc(upTo(20), func(n int) bool { return n == 3 }), f.committed())
	require.Equal(t, 19, result.Committed)
	require.Equal(t, 1, result.Failed)
	require.NotZero(t, result.Cells, "the online store follows what is committed")
}

func TestAnErrorThatMayPassIsTriedAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	tries := 0
	f := &fake{windows: 3, onBuild: func(_ context.Context, number int) error {
		mu.Lock()
		defer mu.Unlock()
		if number == 1 && tries < 9 {
			tries++
			return errors.New("read flights.parquet: input/output error")
		}
		return nil
	}}
	result, err := run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, 9, tries)
	require.Equal(t, 3, result.Committed)
}

func TestTenFailedWindowsStopTheJob(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 100, onBuild: func(_ context.Context, number int) error {
		if number%2 == 1 {
			return broken("SQL cannot run")
		}
		return nil
	}}
	in := input()
	in.Parallelism = 1
	result, err := run(t, f, in)
	_, text := refusal(t, err)
	require.Equal(t, "10 of 100 windows failed, the first: window 2001-01-02T00:00:00Z: SQL cannot run (80 windows were not started)", text)
	require.Equal(t, 10, result.Failed)
	require.Equal(t, []int{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}, f.committed())
}

func TestALongErrorIsCut(t *testing.T) {
	t.Parallel()
	long := make([]rune, 5000)
	for i := range long {
		long[i] = 'é' // two bytes
	}
	f := &fake{windows: 1, onBuild: func(context.Context, int) error { return broken("x" + string(long)) }}
	result, err := run(t, f, input())
	_, text := refusal(t, err)
	require.Less(t, len(text), 1200)
	require.Contains(t, text, "é…", "cut between characters")
	require.Contains(t, result.Failure, "é…")
}

func TestAFailedCommitStopsTheJobAndCountsItsWindows(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 100, online: true, onCommit: func(context.Context, []int) error {
		return temporal.NewNonRetryableApplicationError("offline table is corrupt", activities.ErrorCorrupt, nil)
	}}
	env := newEnvironment(f)
	var once sync.Once
	failed := make(chan struct{})
	env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == "CommitWindows" {
			once.Do(func() { close(failed) })
		}
	})
	f.onBuild = func(_ context.Context, number int) error {
		if number > 8 { // what is built before the news of a slow commit proves nothing
			<-failed
		}
		return nil
	}
	in := input()
	in.CommitWindows, in.Parallelism = 8, 1
	env.ExecuteWorkflow(workflows.Materialize, in)
	result, err := ending(t, env)
	kind, text := refusal(t, err)
	require.Equal(t, workflows.ErrorWindowsFailed, kind)
	require.Contains(t, text, "windows failed, the first: commit: offline table is corrupt (")
	require.Equal(t, result.Built, result.Failed, "no built window is visible")
	require.Less(t, result.Built, 12, "building went on in vain")
	require.Zero(t, f.applies)
}

func TestAnOnlineStoreThatCatchesUpLaterIsNoFailure(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 6, online: true, onApply: func(call int) error {
		if call == 2 {
			return broken("damaged cell")
		}
		return nil
	}}
	in := input()
	in.CommitWindows, in.Parallelism = 2, 1
	result, err := run(t, f, in)
	require.NoError(t, err)
	require.Equal(t, 6, result.Committed)
	require.Empty(t, result.Behind)
}

func TestAnOnlineStoreThatStaysBehindIsToldApartFromFailedWindows(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 6, online: true, onApply: func(call int) error {
		if call > 1 {
			return broken("damaged cell")
		}
		return nil
	}}
	in := input()
	in.CommitWindows, in.Parallelism = 2, 1
	result, err := run(t, f, in)
	kind, text := refusal(t, err)
	require.Equal(t, workflows.ErrorOnlineBehind, kind)
	require.Equal(t, "all windows are committed, but the online store does not follow: damaged cell", text)
	require.Equal(t, 6, result.Committed)
	require.Zero(t, result.Failed)
	require.Equal(t, at(day), *result.Watermark, "that of the last success")
}

func TestARefusedPlanEndsTheJobWithItsReason(t *testing.T) {
	t.Parallel()
	f := &refusingPlan{}
	env := newEnvironment(&f.fake)
	env.RegisterActivityWithOptions(f.refuse, activity.RegisterOptions{Name: "PlanMaterialize", DisableAlreadyRegisteredCheck: true})
	env.ExecuteWorkflow(workflows.Materialize, input())
	_, err := ending(t, env)
	kind, text := refusal(t, err)
	require.Equal(t, activities.ErrorOverlap, kind)
	require.Equal(t, "range was materialized already", text)
	require.Empty(t, f.built)
}

type refusingPlan struct{ fake }

func (*refusingPlan) refuse(context.Context, activities.PlanRequest) (activities.Plan, error) {
	return activities.Plan{}, temporal.NewNonRetryableApplicationError("range was materialized already", activities.ErrorOverlap, nil)
}

func TestACancelledJobCommitsWhatIsBuiltAndDropsTheRest(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 100, online: true}
	env := newEnvironment(f)
	var commitContext error
	started := 0
	f.onCommit = func(ctx context.Context, _ []int) error { commitContext = ctx.Err(); return nil }
	f.onBuild = func(_ context.Context, number int) error {
		started++
		switch {
		case number < 5:
			return nil
		case number == 5:
			env.CancelWorkflow()
		}
		return f.untilCancelled()
	}
	in := input()
	in.Parallelism = 1
	env.ExecuteWorkflow(workflows.Materialize, in)
	result, err := ending(t, env)
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, err, &cancelled)
	require.Equal(t, upTo(5), f.committed())
	require.NoError(t, commitContext, "the commit is not cancelled with the job")
	require.Equal(t, 2, f.applies, "the online store follows what is committed, and then what is held")
	require.Equal(t, 6, started)
	require.Equal(t, []int{100, 5, 5, 0}, []int{result.Windows, result.Built, result.Committed, result.Failed})
}

func TestACommitUnderWayOutlivesTheCancellation(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 10}
	env := newEnvironment(f)
	buildBegan, buildEnded := make(chan struct{}), make(chan struct{})
	f.onBuild = func(_ context.Context, number int) error {
		if number < 2 {
			return nil
		}
		close(buildBegan)
		defer close(buildEnded)
		return f.untilCancelled()
	}
	f.onCommit = func(context.Context, []int) error {
		<-buildBegan
		env.CancelWorkflow()
		<-buildEnded
		return nil
	}
	in := input()
	in.Parallelism, in.CommitWindows = 1, 2
	env.ExecuteWorkflow(workflows.Materialize, in)
	result, err := ending(t, env)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, upTo(2), f.committed())
	require.Empty(t, f.cancelled, "nothing but the build was cancelled")
	require.Equal(t, []int{10, 2, 2, 0}, []int{result.Windows, result.Built, result.Committed, result.Failed})
}

func TestALongJobContinuesAsNewWithItsStateAndTotals(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 1203, schedule: time.Hour, online: true, onBuild: func(_ context.Context, number int) error {
		if number == 7 {
			return broken("SQL cannot run")
		}
		return nil
	}}
	in := input()
	in.CommitWindows, in.Parallelism = 100, 8
	var err error
	var result workflows.MaterializeResult
	for i, want := range []int{500, 1000} {
		_, err = run(t, f, in)
		in = continued(t, err)
		require.Equal(t, want, in.Continued.Next)
		require.Equal(t, want-1, in.Continued.Result.Committed, "a run commits what it built")
		require.Equal(t, 8, in.Parallelism)
		require.Len(t, f.plans, 1, "run %d planned again", i)
	}
	result, err = run(t, f, in)
	kind, text := refusal(t, err)
	require.Equal(t, workflows.ErrorWindowsFailed, kind)
	require.Equal(t, "1 of 1203 windows failed, the first: window 2001-01-01T07:00:00Z: SQL cannot run", text,
		"a failure of an earlier run is not forgotten")
	require.Equal(t, 1202, result.Committed)
	require.Equal(t, int64(12020), result.Rows)
	require.Equal(t, slices.DeleteFunc(upTo(1203), func(n int) bool { return n == 7 }), f.committed())
	require.Equal(t, int64(f.applies)*1000, result.Cells)
}

func TestTheServersSuggestionToContinueAsNewIsTakenButNeverWithoutProgress(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 5}
	in := input()
	in.Parallelism = 2
	for runs := 1; ; runs++ {
		require.LessOrEqual(t, runs, 5)
		env := newEnvironment(f)
		env.SetContinueAsNewSuggested(true)
		env.ExecuteWorkflow(workflows.Materialize, in)
		if env.GetWorkflowError() == nil {
			break
		}
		in = continued(t, env.GetWorkflowError())
	}
	require.Equal(t, upTo(5), f.committed())
}
