package duckdb

import (
	"context"
	"sync/atomic"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/tilery/tilery/pkg/transform"
)

const (
	progressInterval  = 500 * time.Millisecond
	interruptInterval = 10 * time.Millisecond
)

// watcher interrupts a session when its context ends and reports progress
// until it is stopped.
type watcher struct {
	rows atomic.Int64 // handed out so far
	done chan struct{}
	gone chan struct{}
}

func (s *session) watch(ctx context.Context, onProgress func(transform.Progress)) *watcher {
	w := &watcher{done: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(w.gone)
		if onProgress == nil {
			onProgress = func(transform.Progress) {}
		}
		w.report(ctx, s, onProgress)
		w.interrupt(s)
	}()
	return w
}

// report calls onProgress until the context ends or the watcher is stopped.
func (w *watcher) report(ctx context.Context, s *session, onProgress func(transform.Progress)) {
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		onProgress(transform.Progress{Rows: w.rows.Load(), Fraction: s.fraction()})
		select {
		case <-w.done:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// interrupt stops what the session runs. DuckDB clears an interrupt when a
// statement starts, so one alone might be lost.
func (w *watcher) interrupt(s *session) {
	ticker := time.NewTicker(interruptInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.done:
			return
		default:
		}
		bindings.Interrupt(s.conn)
		select {
		case <-w.done:
			return
		case <-ticker.C:
		}
	}
}

// stop ends the watcher; the session may be closed after it.
func (w *watcher) stop() {
	close(w.done)
	<-w.gone
}

// fraction returns DuckDB's estimate of the part done.
func (s *session) fraction() float64 {
	progress := bindings.QueryProgress(s.conn)
	percent, _, _ := bindings.QueryProgressTypeMembers(&progress)
	return min(max(percent, 0), 100) / 100
}
