package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// MaxRate is the fastest that UpdateRate takes, windows a minute.
const MaxRate = 100_000

// RetryInput says what UpdateRetry tries again: the failed windows of one call, or
// without a window all.
type RetryInput struct {
	Window *window.Time `json:"window,omitempty"` // start of a failed window
}

// setControls lets people change a running job. Each update returns the job's
// progress as it stands then; what it sets survives continue-as-new. Pausing
// starts no further window and commits what is built.
func (m *materialization) setControls(ctx workflow.Context) error {
	changed := func() (MaterializeResult, error) {
		m.wake.SendAsync(nil)
		return m.state.Result, nil
	}
	pause := func(paused bool) func(workflow.Context) (MaterializeResult, error) {
		return func(workflow.Context) (MaterializeResult, error) {
			m.state.Result.Paused = paused
			return changed()
		}
	}
	if err := workflow.SetUpdateHandler(ctx, UpdatePause, pause(true)); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandler(ctx, UpdateResume, pause(false)); err != nil {
		return err
	}
	for _, number := range []struct {
		update, what string
		least, most  int
		set          func(n int)
	}{
		{UpdateParallelism, "parallelism", 1, maxParallelism, func(n int) { m.in.Parallelism = n }},
		{UpdateRate, "rate", 0, MaxRate, func(n int) { m.in.Rate, m.notBefore = n, time.Time{} }},
	} {
		handler := func(_ workflow.Context, n int) (MaterializeResult, error) {
			number.set(n)
			return changed()
		}
		validator := func(n int) error { return checkNumber(number.what, n, number.least, number.most) }
		err := workflow.SetUpdateHandlerWithOptions(ctx, number.update, handler, workflow.UpdateHandlerOptions{Validator: validator})
		if err != nil {
			return err
		}
	}
	retry := func(_ workflow.Context, in RetryInput) (MaterializeResult, error) {
		m.retry(in)
		return changed()
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateRetry, retry, workflow.UpdateHandlerOptions{Validator: m.checkRetry})
}

func checkNumber(what string, n, least, most int) error {
	if n < least || n > most {
		return refuse("%s is %d, want %d to %d", what, n, least, most)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), activities.ErrorInput, nil)
}

func (in RetryInput) picks(f FailedWindows) bool {
	return in.Window == nil || f.Range.Contains(*in.Window)
}

func (m *materialization) checkRetry(in RetryInput) error {
	switch {
	case m.ending:
		return refuse("the job is ending: start another with its id as retry")
	case slices.ContainsFunc(m.state.Result.Failures, in.picks):
		return nil
	case in.Window != nil:
		return refuse("window %v has not failed", *in.Window)
	}
	return refuse("no window has failed")
}

// retry has failed windows started again.
func (m *materialization) retry(in RetryInput) {
	result := &m.state.Result
	for _, f := range result.Failures {
		if in.picks(f) {
			m.state.Again = append(m.state.Again, f.Range)
			result.Failed -= m.count(f.Range)
		}
	}
	result.Failures = slices.DeleteFunc(result.Failures, in.picks)
	result.Failure = ""
	if len(result.Failures) > 0 {
		result.Failure = result.Failures[0].Reason
	}
	m.stopped, m.retried = false, true
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
