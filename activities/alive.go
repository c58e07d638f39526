package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/materialize"
)

const (
	// heartbeatInterval is short because a cancellation arrives only in the
	// reply to a heartbeat.
	heartbeatInterval = time.Second
	// stallTimeout ends work that no longer moves, so that Temporal gives it to
	// another worker.
	stallTimeout = 10 * time.Minute
)

// Why work is ended that was not cancelled. It is tried again, here or elsewhere.
var (
	errStalled  = errors.New("no progress for 10 minutes")
	errStopping = errors.New("the worker is stopping")
)

// alive runs the work of a long activity with heartbeats that carry its
// progress. The work's context ends when the job is cancelled, when the worker
// stops, and when the work reports no progress for stallTimeout. If it does not
// heed its context even then, the heartbeats have stopped as well, and Temporal
// starts the next attempt beside it. Errors are translated, failures counted by
// retry. At last, while the heart still beats, ended is called with the outcome.
func alive[T any](ctx context.Context, retry Retry, ended func(error), work func(ctx context.Context, report func(materialize.Progress)) (T, error)) (T, error) {
	var zero T
	retry = retry.withDefaults()
	h := &heart{movedAt: time.Now()}
	h.state.Failures = failuresBefore(ctx)
	if err := retry.interrupted(ctx, h.state.Failures); err != nil {
		return zero, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var beating sync.WaitGroup
	beating.Go(func() { h.beat(ctx, inner, cancel) })
	out, err := work(inner, h.report)
	if err != nil {
		err = h.judge(ctx, retry, err, context.Cause(inner))
	}
	if ended != nil {
		ended(err)
	}
	cancel(nil)
	beating.Wait()
	if err != nil {
		h.send(ctx) // the next attempt finds the count of failures there
		return zero, err
	}
	return out, nil
}

// judge returns what Temporal is told of an attempt's error and counts failures.
func (h *heart) judge(ctx context.Context, retry Retry, err, cause error) error {
	translated := translate(err)
	var permanent *temporal.ApplicationError
	switch {
	case errors.Is(cause, errStopping):
		return temporal.NewApplicationError(cause.Error(), ErrorInterrupted)
	case errors.Is(cause, errStalled):
		return retry.failed(cause, ErrorInterrupted, h.fail())
	case ctx.Err() != nil: // cancelled, or out of time
		return translated
	case errors.As(translated, &permanent):
		return translated
	}
	return retry.failed(err, ErrorFailed, h.fail())
}

// beatState is what a heartbeat carries. Temporal hands the last one of an attempt
// to the next.
type beatState struct {
	materialize.Progress
	Failures int `json:"failures,omitempty"` // attempts that failed by themselves
}

func failuresBefore(ctx context.Context) int {
	var last beatState
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &last) != nil {
		return 0
	}
	return last.Failures
}

// heart knows how far the work is.
type heart struct {
	mu      sync.Mutex
	state   beatState
	movedAt time.Time
}

// beat sends heartbeats until inner ends, and ends it when there is a reason to.
// They are sent with the activity's own context: Temporal may send the last one
// when inner has ended.
func (h *heart) beat(ctx, inner context.Context, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	stopping := activity.GetWorkerStopChannel(ctx)
	for {
		if !h.moving() {
			cancel(errStalled)
			return
		}
		h.send(ctx)
		select {
		case <-inner.Done():
			return
		case <-stopping:
			cancel(errStopping)
			return
		case <-ticker.C:
		}
	}
}

func (h *heart) send(ctx context.Context) {
	h.mu.Lock()
	state := h.state
	h.mu.Unlock()
	activity.RecordHeartbeat(ctx, state)
}

func (h *heart) report(p materialize.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p != h.state.Progress {
		h.state.Progress, h.movedAt = p, time.Now()
	}
}

// fail counts a failure and returns how many there were.
func (h *heart) fail() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state.Failures++
	return h.state.Failures
}

func (h *heart) moving() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.movedAt) < stallTimeout
}
