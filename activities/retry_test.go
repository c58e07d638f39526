package activities_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/source"
)

// trial runs BuildWindows under the policy of workflows, and calls attempt in the
// place of the sources. It returns the times of the attempts since the first.
func (w *world) trial(t *testing.T, stop chan struct{}, attempt func(ctx context.Context, number int) error) ([]time.Duration, error) {
	t.Helper()
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(w.materialize)
	if stop != nil {
		env.SetWorkerStopChannel(stop)
	}
	begun := env.Now()
	var mu sync.Mutex
	var times []time.Duration
	w.materialize.Engine.Sources = sourceFunc(func(ctx context.Context) (source.Files, error) {
		mu.Lock()
		times = append(times, env.Now().Sub(begun).Round(time.Second))
		number := len(times)
		mu.Unlock()
		return source.Files{}, attempt(ctx, number)
	})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Hour,
			RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1, MaximumAttempts: 9999},
		})
		request := activities.BuildRequest{Target: target, Range: day("2001-01-05")}
		return workflow.ExecuteActivity(ctx, "BuildWindows", request).Get(ctx, nil)
	})
	require.True(t, env.IsWorkflowCompleted())
	return times, env.GetWorkflowError()
}

func requireExhausted(t *testing.T, err error, text string) {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, activities.ErrorExhausted, application.Type())
	require.Contains(t, application.Message(), text)
	require.True(t, application.NonRetryable())
}

func TestFailuresWaitLongerEachTimeAndTheTenthIsTheLast(t *testing.T) {
	t.Parallel()
	times, err := newWorld(t).trial(t, nil, func(context.Context, int) error { return errors.New("input/output error") })
	requireExhausted(t, err, "input/output error (failed 10 times)")
	var waits []time.Duration
	for i := 1; i < len(times); i++ {
		waits = append(waits, times[i]-times[i-1])
	}
	const minute = time.Minute
	require.Equal(t, []time.Duration{5 * minute, 10 * minute, 20 * minute, 40 * minute, 60 * minute, 60 * minute, 60 * minute, 60 * minute, 60 * minute}, waits)
}

func TestTheConfigurationSaysHowLongToTry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.materialize.Retry = activities.Retry{Failures: 3, Backoff: 2 * time.Second, MaxBackoff: 3 * time.Second}
	times, err := w.trial(t, nil, func(context.Context, int) error { return errors.New("input/output error") })
	requireExhausted(t, err, "(failed 3 times)")
	require.Equal(t, []time.Duration{0, 2 * time.Second, 5 * time.Second}, times)
}

func TestAnErrorThatCannotPassIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	times, err := newWorld(t).trial(t, nil, func(context.Context, int) error { return source.ErrNoFiles })
	require.ErrorContains(t, err, source.ErrNoFiles.Error())
	require.Len(t, times, 1)
}

// Attempts that end with their worker are tried again at once, are no failures,
// and have a limit of their own.
func TestInterruptionsAreNotFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.materialize.Retry = activities.Retry{Interruptions: 20}
	stop := make(chan struct{})
	close(stop)
	times, err := w.trial(t, stop, func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() })
	requireExhausted(t, err, "20 attempts ended with their worker")
	require.NotEmpty(t, times) // an attempt may end before it comes to its sources
	require.LessOrEqual(t, times[len(times)-1], 19*time.Second)
}
