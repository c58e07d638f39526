package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/workflows"
)

const (
	connectTimeout = 30 * time.Second
	stopTimeout    = 10 * time.Second
	// heartbeatThrottle bounds how late a cancellation reaches an activity.
	heartbeatThrottle = 2 * time.Second
)

// Host is a running worker.
type Host struct {
	logger   *slog.Logger
	address  string
	failed   chan error
	closers  []func() error // in the order of opening
	temporal client.Client
	workers  []worker.Worker
	server   *http.Server
}

// Start opens everything that c names and begins to serve.
func Start(ctx context.Context, c config.Config, logger *slog.Logger) (*Host, error) {
	h := &Host{logger: logger, failed: make(chan error, 4)}
	if err := h.start(ctx, c); err != nil {
		return nil, errors.Join(err, h.Stop())
	}
	return h, nil
}

// Address is where the HTTP API listens, for instance http://127.0.0.1:7474.
func (h *Host) Address() string { return "http://" + h.address }

// Failed yields the error that ended a part of the host; the host is to be stopped then.
func (h *Host) Failed() <-chan error { return h.failed }

func (h *Host) start(ctx context.Context, c config.Config) error {
	now, err := clock.Parse(c.Clock)
	if err != nil {
		return err
	}
	engine, err := h.open(c)
	if err != nil {
		return err
	}
	if err := h.connect(ctx, c.Temporal); err != nil {
		return err
	}
	if err := h.startWorkers(c, &activities.Materialize{Engine: engine, Clock: now}); err != nil {
		return err
	}
	return h.listen(c.HTTP, serve.New(serve.Options{
		Registry: engine.Registry,
		Planner:  &registry.Planner{Registry: engine.Registry, Engine: engine.Transform},
		Online:   engine.Online, Clock: now, Logger: h.logger,
	}))
}

// open opens the stores; what it opens is closed by Stop.
func (h *Host) open(c config.Config) (*materialize.Engine, error) {
	if err := os.MkdirAll(c.Scratch, 0o700); err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	sources, err := source.NewLocal(c.SourceRoot)
	if err != nil {
		return nil, err
	}
	bucket, err := file.Open(c.Bucket)
	if err != nil {
		return nil, err
	}
	store, err := pebble.Open(c.Online, pebble.Options{Logger: h.logger})
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, store.Close)
	return &materialize.Engine{
		Bucket: bucket, Registry: registry.New(bucket), Sources: sources, Transform: duckdb.Engine{},
		Offline: delta.New(bucket, delta.Options{ScratchDir: c.Scratch}), Online: store,
		Options: materialize.Options{
			// Half of a window's share is the SQL engine's, the rest the tile builder's and Arrow's.
			MemoryBytes: c.Batch.MemoryBytes / int64(c.Batch.Slots) / 2, Threads: 1, ScratchDir: c.Scratch,
		},
	}, nil
}

// listen starts the HTTP API.
func (h *Host) listen(c config.HTTP, handler http.Handler) error {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	h.address = listener.Addr().String()
	h.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(h.logger.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	return nil
}

// Stop ends the host: first what takes work, then what the work needs.
func (h *Host) Stop() error {
	var errs []error
	if h.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		errs = append(errs, h.server.Shutdown(ctx))
	}
	for _, w := range h.workers {
		w.Stop()
	}
	if h.temporal != nil {
		h.temporal.Close()
	}
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	return errors.Join(errs...)
}

// startWorkers polls the control queue and the batch queue.
func (h *Host) startWorkers(c config.Config, a *activities.Materialize) error {
	control := worker.New(h.temporal, workflows.TaskQueueControl, h.workerOptions())
	workflows.Register(control)
	control.RegisterActivity(a)

	options := h.workerOptions()
	options.MaxConcurrentActivityExecutionSize = c.Batch.Slots
	options.DisableWorkflowWorker = true
	batch := worker.New(h.temporal, workflows.TaskQueueBatch, options)
	batch.RegisterActivity(a)

	for _, w := range []worker.Worker{control, batch} {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start Temporal worker: %w", err)
		}
		h.workers = append(h.workers, w)
	}
	return nil
}

func (h *Host) workerOptions() worker.Options {
	return worker.Options{
		WorkerStopTimeout:                stopTimeout,
		MaxHeartbeatThrottleInterval:     heartbeatThrottle,
		DefaultHeartbeatThrottleInterval: heartbeatThrottle,
		OnFatalError:                     func(err error) { h.failed <- fmt.Errorf("Temporal worker: %w", err) },
	}
}
