package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/materialize"
)

const (
	// heartbeatInterval is short because a cancellation arrives only in the
	// reply to a heartbeat.
	heartbeatInterval = time.Second
	// stallTimeout ends the heartbeats of work that no longer moves, so that
	// Temporal gives it to another worker.
	stallTimeout = 10 * time.Minute
)

// heart beats for an activity until it is stopped.
type heart struct {
	mu       sync.Mutex
	progress materialize.Progress
	movedAt  time.Time

	stop func()
}

// startHeart begins to report progress. The caller calls stop.
func startHeart(ctx context.Context) *heart {
	ctx, cancel := context.WithCancel(ctx)
	h := &heart{movedAt: time.Now()}
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			if progress, moving := h.read(); moving {
				activity.RecordHeartbeat(ctx, progress)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	h.stop = func() { cancel(); done.Wait() }
	return h
}

func (h *heart) report(p materialize.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p != h.progress {
		h.progress, h.movedAt = p, time.Now()
	}
}

func (h *heart) read() (materialize.Progress, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.progress, time.Since(h.movedAt) < stallTimeout
}
