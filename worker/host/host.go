package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
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
	// stickyTimeout is how long a workflow waits for the worker that knows it before
	// another one reads its history: all that stands still when a worker dies.
	stickyTimeout = 2 * time.Second
)

// Host is a running worker.
type Host struct {
	logger   *slog.Logger
	hooks    Hooks
	datasets *dataset.Store
	failed   chan error
	closers  []func() error // in the order of opening
	temporal client.Client
	workers  []worker.Worker
	listener net.Listener
	server   *http.Server
}

// Start opens everything that c names and begins to serve. It waits for
// Temporal until ctx ends, at most 30 seconds; after Start, ctx has no effect.
func Start(ctx context.Context, c config.Config, logger *slog.Logger) (*Host, error) {
	return StartWith(ctx, c, logger, Hooks{})
}

// StartWith is Start with hooks.
func StartWith(ctx context.Context, c config.Config, logger *slog.Logger, hooks Hooks) (*Host, error) {
	h := &Host{logger: logger, hooks: hooks, failed: make(chan error, 1)}
	if err := h.start(ctx, c); err != nil {
		return nil, errors.Join(err, h.Stop())
	}
	return h, nil
}

// Address is where the HTTP API listens, for instance http://127.0.0.1:7474.
func (h *Host) Address() string { return "http://" + h.listener.Addr().String() }

// Failed yields the first error that ended a part of the host; the host is to be stopped then.
func (h *Host) Failed() <-chan error { return h.failed }

// fail reports an error to Failed. Later ones are only logged: they mostly follow from the first.
func (h *Host) fail(err error) {
	select {
	case h.failed <- err:
	default:
		h.logger.Error("another part of the worker ended", "error", err)
	}
}

// start does what may fail before what takes work: a port that is taken must
// not cost other workers' jobs an attempt.
func (h *Host) start(ctx context.Context, c config.Config) error {
	now, err := clock.Parse(c.Clock)
	if err != nil {
		return err
	}
	if h.listener, err = net.Listen("tcp", c.HTTP.Listen); err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	engine, err := h.open(c)
	if err != nil {
		return err
	}
	if err := h.connect(ctx, c.Temporal); err != nil {
		return err
	}
	schedules := &activities.Schedules{
		Registry: engine.Registry, Client: h.temporal.ScheduleClient(), Action: incrementalAction,
		Maintenance: maintenanceAction, MaintenanceInterval: c.Maintenance.Interval,
	}
	jobs := &activities.Materialize{
		Engine: engine, Clock: now, Jobs: h.temporal, MaxJobsPerView: c.MaxJobsPerView, Datasets: h.datasets,
		Retry: activities.Retry{
			Interruptions: c.Retry.InfrastructureAttempts, Failures: c.Retry.FailureAttempts,
			Backoff: c.Retry.FailureBackoff, MaxBackoff: c.Retry.MaxBackoff,
		},
	}
	frames := newIngest(engine, c)
	jobs.Frames = frames
	ingests := &activities.Ingest{Engine: frames, Clock: now, Retry: jobs.Retry}
	keys := newDeletion(engine, h.datasets, c.Deletion, h.hooks.Now)
	jobs.Deletions = keys
	deletions := &activities.Delete{Engine: keys, Clock: now, Retry: jobs.Retry}
	retrieve := &activities.Retrieve{
		Engine: engine, Datasets: h.datasets, Clock: now, Join: jobRetrieval(c), Retry: jobs.Retry,
	}
	if err := h.startWorkers(c, schedules, jobs, retrieve, ingests, deletions); err != nil {
		return err
	}
	if err := h.reconcileAll(ctx, engine.Registry); err != nil {
		return err
	}
	h.serve(serve.New(serve.Options{
		Registry: engine.Registry,
		Planner:  &registry.Planner{Registry: engine.Registry, Engine: engine.Transform},
		Online:   engine.Online, Ledger: engine.Ledger, Engine: engine, Clock: now, Logger: h.logger, OnApply: h.reconcile,
		Historical: historical(c.Retrieval, c.Scratch), Datasets: h.datasets, StartRetrieval: h.startRetrieval,
		Ingest:   h.ingestOptions(frames, c.Ingest),
		Deletion: h.deletionOptions(keys, c.Deletion),
		Temporal: serve.Temporal{UI: c.Temporal.UI, Namespace: c.Temporal.Namespace, JobsQuery: activities.JobsQuery},
	}))
	return nil
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
	directory, err := file.Open(c.Bucket)
	if err != nil {
		return nil, err
	}
	cells, err := pebble.Open(c.Online, pebble.Options{Logger: h.logger})
	if err != nil {
		return nil, err
	}
	objects := bucket.WithTimeout(h.hooks.bucket(directory), c.BucketTimeout)
	store := online.WithTimeout(h.hooks.online(cells), c.OnlineTimeout)
	h.closers = append(h.closers, store.Close)
	tables := delta.New(objects, delta.Options{ScratchDir: c.Scratch, Retention: c.Maintenance.Retention, Now: h.hooks.Now})
	h.datasets = dataset.New(objects, tables)
	return &materialize.Engine{
		Bucket: objects, Registry: registry.New(objects), Sources: sources, Transform: duckdb.Engine{},
		Offline: tables, Online: store, Fences: &forget.Store{Bucket: objects},
		Ledger: ledger.New(objects), Options: share(c.Batch, c.Scratch),
		Maintenance: materialize.Maintenance{
			Retention: c.Maintenance.Retention, LogRetention: c.Maintenance.LogRetention, StoreRetention: c.Maintenance.StoreRetention,
			CheckpointEvery: c.Maintenance.CheckpointEvery, TargetFileBytes: c.Maintenance.TargetFileBytes,
		},
	}, nil
}

// serve starts the HTTP API.
func (h *Host) serve(handler http.Handler) {
	h.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(h.logger.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			h.fail(fmt.Errorf("serve HTTP: %w", err))
		}
	}()
}

// Stop ends the host: first what takes work, then what the work needs. It takes
// half a minute at most, however busy the host is.
func (h *Host) Stop() error {
	err := h.stopHTTP()
	var stopping sync.WaitGroup
	for _, w := range h.workers {
		stopping.Go(w.Stop)
	}
	stopping.Wait()
	if h.temporal != nil {
		h.temporal.Close()
	}
	for _, closer := range slices.Backward(h.closers) {
		err = errors.Join(err, closer())
	}
	return err
}

// stopHTTP lets requests finish for stopTimeout, then cuts them off.
func (h *Host) stopHTTP() error {
	if h.listener == nil {
		return nil
	}
	if h.server == nil { // Start failed before it served
		return h.listener.Close()
	}
	//nolint:forbidigo // stopping begins where the caller's context has ended
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := h.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return h.server.Close()
	}
	return err
}

// startWorkers polls the control queue and the batch queue; jobs are activities of both.
func (h *Host) startWorkers(c config.Config, schedules *activities.Schedules, jobs ...any) error {
	control := worker.New(h.temporal, workflows.TaskQueueControl, h.workerOptions())
	workflows.Register(control)
	control.RegisterActivity(schedules)

	options := h.workerOptions()
	options.MaxConcurrentActivityExecutionSize = c.Batch.Slots
	options.DisableWorkflowWorker = true
	batch := worker.New(h.temporal, workflows.TaskQueueBatch, options)
	for _, activities := range jobs {
		control.RegisterActivity(activities)
		batch.RegisterActivity(activities)
	}

	for _, w := range []worker.Worker{control, batch} {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start to poll Temporal: %w", err)
		}
		h.workers = append(h.workers, w)
	}
	return nil
}

func (h *Host) workerOptions() worker.Options {
	return worker.Options{
		WorkerStopTimeout:                stopTimeout,
		StickyScheduleToStartTimeout:     stickyTimeout,
		MaxHeartbeatThrottleInterval:     heartbeatThrottle,
		DefaultHeartbeatThrottleInterval: heartbeatThrottle,
		OnFatalError:                     func(err error) { h.fail(fmt.Errorf("poll Temporal: %w", err)) },
	}
}
