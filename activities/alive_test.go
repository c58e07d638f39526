package activities_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
)

// heartbeats are those that reach the server: the SDK sends one in 30 seconds
// to a test environment.
type heartbeats struct {
	mu   sync.Mutex
	rows []int64
}

func (h *heartbeats) listen(env *testsuite.TestActivityEnvironment) {
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var progress materialize.Progress
		if details.Get(&progress) != nil {
			progress.Rows = -1
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.rows = append(h.rows, progress.Rows)
	})
}

// runBuild builds a window with run in the place of the SQL, in the bubble of
// fake time that the test runs in.
func (w *world) runBuild(env *testsuite.TestActivityEnvironment, run runFunc) error {
	w.materialize.Engine.Sources = sourceFunc(func(context.Context) (source.Files, error) { return source.Files{}, nil })
	w.materialize.Engine.Transform = run
	_, err := env.ExecuteActivity("BuildWindows", activities.BuildRequest{Target: target, Range: day("2001-01-05")})
	return err
}

func TestHeartbeatsCarryTheProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		env := w.environment()
		var beats heartbeats
		beats.listen(env)
		require.NoError(t, w.runBuild(env, func(_ context.Context, report func(transform.Progress)) error {
			for second := range int64(95) {
				report(transform.Progress{Rows: second + 1})
				<-time.After(time.Second)
			}
			return nil
		}))
		beats.mu.Lock()
		defer beats.mu.Unlock()
		require.Len(t, beats.rows, 4)
		for i, rows := range beats.rows {
			require.InDelta(t, 30*i, rows, 2, "heartbeat %d", i)
		}
	})
}

// A query that stands still is ended, and its error leaves it to Temporal to
// try again. One that moves may take as long as it likes.
func TestWorkThatStandsStillFor10MinutesIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := w.runLongBuild(nil, func(ctx context.Context, report func(transform.Progress)) error {
			for minute := range int64(60) {
				report(transform.Progress{Rows: minute + 1})
				<-time.After(time.Minute)
			}
			for ctx.Err() == nil {
				report(transform.Progress{Rows: 60}) // says the same every second
				<-time.After(time.Second)
			}
			return ctx.Err()
		})
		requireInterrupted(t, err, "no progress for 10 minutes")
		require.InDelta(t, 69*time.Minute, time.Since(begun), float64(2*time.Second))
	})
}

func TestWorkThatDoesNotHeedItsContextStopsHeartbeating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var last time.Duration
		err := w.runLongBuild(func() {
			if after := time.Since(begun); after < time.Hour { // that of the end counts the failure
				last = after
			}
		}, func(context.Context, func(transform.Progress)) error {
			<-time.After(time.Hour)
			return errors.New("too late")
		})
		requireInterrupted(t, err, "no progress for 10 minutes")
		require.Greater(t, last, 9*time.Minute)
		require.Less(t, last, 11*time.Minute)
	})
}

// runLongBuild is runBuild without the limit of 10 minutes that an activity has
// in a test environment of its own.
func (w *world) runLongBuild(onHeartbeat func(), run runFunc) error {
	w.materialize.Engine.Sources = sourceFunc(func(context.Context) (source.Files, error) { return source.Files{}, nil })
	w.materialize.Engine.Transform = run
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(24 * time.Hour)
	env.RegisterActivity(w.materialize)
	if onHeartbeat != nil {
		env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { onHeartbeat() })
	}
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: 24 * time.Hour, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		request := activities.BuildRequest{Target: target, Range: day("2001-01-05")}
		return workflow.ExecuteActivity(ctx, "BuildWindows", request).Get(ctx, nil)
	})
	return env.GetWorkflowError()
}

func TestWorkEndsWhenItsWorkerStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		env := w.environment()
		stop := make(chan struct{})
		env.SetWorkerStopChannel(stop)
		begun := time.Now()
		time.AfterFunc(time.Minute, func() { close(stop) })
		err := w.runBuild(env, func(ctx context.Context, _ func(transform.Progress)) error {
			<-ctx.Done()
			return ctx.Err()
		})
		requireInterrupted(t, err, "the worker is stopping")
		require.Equal(t, time.Minute, time.Since(begun), "at once")
	})
}

func requireInterrupted(t *testing.T, err error, text string) {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, activities.ErrorInterrupted, application.Type())
	require.Equal(t, text, application.Message())
	require.False(t, application.NonRetryable())
}
