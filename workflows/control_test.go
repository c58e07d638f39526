package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/workflows"
)

// answer takes down what became of an update.
type answer struct {
	rejected error
	result   workflows.MaterializeResult
	err      error
}

func update(env *testsuite.TestWorkflowEnvironment, name string, args ...any) *answer {
	a := &answer{}
	env.UpdateWorkflow(name, "", rejectable{a}, args...)
	return a
}

type rejectable struct{ *answer }

func (rejectable) Accept()            {}
func (r rejectable) Reject(err error) { r.rejected = err }
func (r rejectable) Complete(success any, err error) {
	r.err = err
	if result, ok := success.(workflows.MaterializeResult); ok {
		r.result = result
	}
}

func TestAPausedJobCommitsWhatIsBuiltAndGoesOnWhenResumed(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 20}
	env := newEnvironment(f)
	in := input()
	in.Parallelism, in.CommitWindows = 1, 5
	var paused, resumed *answer
	started := 0
	env.RegisterDelayedCallback(func() { paused = update(env, workflows.UpdatePause) }, 0)
	env.RegisterDelayedCallback(func() {
		started = len(f.built)
		require.Len(t, f.committed(), started, "what is built is committed")
		require.Less(t, started, 20)
	}, 10*time.Hour)
	env.RegisterDelayedCallback(func() { resumed = update(env, workflows.UpdateResume) }, 11*time.Hour)
	env.ExecuteWorkflow("Materialize", in)
	result, err := ending(t, env)
	require.NoError(t, err)
	require.True(t, paused.result.Paused)
	require.False(t, resumed.result.Paused)
	require.Equal(t, upTo(20), f.committed())
	require.False(t, result.Paused)
}

func TestAPausedJobCanBeCancelled(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 20}
	env := newEnvironment(f)
	env.RegisterDelayedCallback(func() { update(env, workflows.UpdatePause) }, 0)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.ExecuteWorkflow("Materialize", input())
	result, err := ending(t, env)
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, len(f.built), result.Committed)
}

func TestParallelismChangesOnARunningJob(t *testing.T) {
	t.Parallel()
	meeting := make(chan struct{})
	f := &fake{windows: 40, onBuild: func(ctx context.Context, number int) error {
		if number != 20 && number != 21 {
			return nil
		}
		select { // the two meet only if they are built at the same time
		case meeting <- struct{}{}:
		case <-meeting:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}}
	env := newEnvironment(f)
	in := input()
	in.Parallelism = 1
	var refused, accepted *answer
	env.RegisterDelayedCallback(func() {
		refused = update(env, workflows.UpdateParallelism, 65)
		accepted = update(env, workflows.UpdateParallelism, 8)
	}, 0)
	env.ExecuteWorkflow("Materialize", in)
	_, err := ending(t, env)
	require.NoError(t, err)
	require.ErrorContains(t, refused.rejected, "parallelism is 65, want 1 to 64")
	require.NoError(t, accepted.err)
	require.Greater(t, f.mostBuilding, 1)
	require.LessOrEqual(t, f.mostBuilding, 8)
	require.Equal(t, upTo(40), f.committed())
}

func TestAPauseSurvivesContinueAsNew(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 600, schedule: time.Hour}
	in := input()
	in.Parallelism = 64
	_, err := run(t, f, in)
	next := continued(t, err)
	next.Continued.Result.Paused = true
	env := newEnvironment(f)
	built := len(f.built)
	env.RegisterDelayedCallback(func() {
		require.Len(t, f.built, built, "a paused run starts nothing")
		update(env, workflows.UpdateResume)
	}, time.Hour)
	env.ExecuteWorkflow("Materialize", next)
	_, err = ending(t, env)
	require.NoError(t, err)
	require.Len(t, f.built, 600)
}
