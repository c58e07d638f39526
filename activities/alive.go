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
// starts the next attempt beside it. Errors are translated.
func alive[T any](ctx context.Context, work func(ctx context.Context, report func(materialize.Progress)) (T, error)) (T, error) {
	var zero T
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &heart{movedAt: time.Now()}
	var beating sync.WaitGroup
	beating.Go(func() { h.beat(ctx, inner, cancel) })
	out, err := work(inner, h.report)
	cause := context.Cause(inner)
	cancel(nil)
	beating.Wait()
	switch {
	case err == nil:
		return out, nil
	case errors.Is(cause, errStalled) || errors.Is(cause, errStopping):
		return zero, temporal.NewApplicationError(cause.Error(), ErrorInterrupted)
	}
	return zero, translate(err)
}

// heart knows how far the work is.
type heart struct {
	mu       sync.Mutex
	progress materialize.Progress
	movedAt  time.Time
}

// beat sends heartbeats until inner ends, and ends it when there is a reason to.
// They are sent with the activity's own context: Temporal may send the last one
// when inner has ended.
func (h *heart) beat(ctx, inner context.Context, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	stopping := activity.GetWorkerStopChannel(ctx)
	for {
		progress, moving := h.read()
		if !moving {
			cancel(errStalled)
			return
		}
		activity.RecordHeartbeat(ctx, progress)
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

func (h *heart) report(p materialize.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p != h.progress {
		h.progress, h.movedAt = p, time.Now()
	}
}

func (h *heart) read() (progress materialize.Progress, moving bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.progress, time.Since(h.movedAt) < stallTimeout
}
