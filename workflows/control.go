package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// setControls lets people pause, resume and speed up a running job. Each update
// returns the job's progress as it stands then; what it sets survives
// continue-as-new. Pausing starts no further window and commits what is built.
func (m *materialization) setControls(ctx workflow.Context) error {
	pause := func(paused bool) func(workflow.Context) (MaterializeResult, error) {
		return func(workflow.Context) (MaterializeResult, error) {
			m.state.Result.Paused = paused
			m.wake.SendAsync(nil)
			return m.state.Result, nil
		}
	}
	setParallelism := func(_ workflow.Context, n int) (MaterializeResult, error) {
		m.in.Parallelism = n
		m.wake.SendAsync(nil)
		return m.state.Result, nil
	}
	if err := workflow.SetUpdateHandler(ctx, UpdatePause, pause(true)); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandler(ctx, UpdateResume, pause(false)); err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateParallelism, setParallelism,
		workflow.UpdateHandlerOptions{Validator: func(n int) error {
			if n < 1 || n > maxParallelism {
				return temporal.NewNonRetryableApplicationError(
					fmt.Sprintf("parallelism is %d, want 1 to %d", n, maxParallelism), activities.ErrorInput, nil)
			}
			return nil
		}})
}

// listen has the loop run again after an update or a cancellation, also when no
// activity is under way.
func (m *materialization) listen(ctx workflow.Context) {
	m.selector.AddReceive(m.wake, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	workflow.Go(ctx, func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		m.wake.SendAsync(nil)
	})
}
