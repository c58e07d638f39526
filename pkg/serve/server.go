package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
)

// Options are the server's parts and bounds.
type Options struct {
	Registry *registry.Registry
	Planner  *registry.Planner
	Online   online.Store
	Ledger   *ledger.Ledger
	// Engine tells what plans cost and reads the offline store. Without one, plans come
	// without costs, and there are no historical features.
	Engine   *materialize.Engine
	Datasets *dataset.Store // nil: results cannot be saved
	// StartRetrieval starts a job that makes a staged dataset, and returns its id; nil:
	// no dataset is made by a job.
	StartRetrieval func(ctx context.Context, staged dataset.Staged) (string, error)
	Ingest         *IngestOptions   // nil: nothing can be ingested
	Deletion       *DeletionOptions // nil: no keys can be deleted
	Temporal       Temporal
	Clock          clock.Clock
	Logger         *slog.Logger
	// OnApply is called after each apply, also one that changed nothing, and before
	// its answer. It may be nil.
	OnApply func(ctx context.Context, workspace string)

	MaxConcurrent   int           // requests for features at a time; 0: 256
	FeaturesTimeout time.Duration // 0: 2 seconds, as Tecton's
	PlanTimeout     time.Duration // 0: 1 minute
	LookupTimeout   time.Duration // of jobs, descriptions and workspaces; 0: 30 seconds
	Historical      HistoricalOptions
}

// Limits of request bodies.
const (
	maxFeaturesBody = 1 << 20
	maxPlanBody     = 2 * repository.MaxBytes // the files, and what JSON adds
	maxLookupBody   = 64 << 10
)

// Server is the HTTP API.
type Server struct {
	registry *registry.Registry
	planner  *registry.Planner
	views    *views
	online   online.Store
	ledger   *ledger.Ledger
	engine   *materialize.Engine
	datasets *dataset.Store
	start    func(ctx context.Context, staged dataset.Staged) (string, error)
	temporal Temporal
	clock    clock.Clock
	logger   *slog.Logger
	onApply  func(ctx context.Context, workspace string)
	mux      *http.ServeMux
}

// New returns the API as an http.Handler.
func New(o Options) *Server {
	s := &Server{
		registry: o.Registry, planner: o.Planner, online: o.Online, ledger: o.Ledger, engine: o.Engine, datasets: o.Datasets, start: o.StartRetrieval, temporal: o.Temporal,
		clock: o.Clock, logger: o.Logger, mux: http.NewServeMux(),
		views: newViews(o.Registry, o.Logger), onApply: o.OnApply,
	}
	if s.onApply == nil {
		s.onApply = func(context.Context, string) {}
	}
	features := endpoint{
		handle: s.getFeatures, maxBody: maxFeaturesBody, timeout: orDefault(o.FeaturesTimeout, 2*time.Second),
		name: "GetFeatures", slots: make(chan struct{}, orDefault(o.MaxConcurrent, 256)),
	}
	metadata := features
	metadata.handle, metadata.name = s.serviceMetadata, "Metadata"
	// Plans start an SQL engine each: few at a time.
	plans := endpoint{maxBody: maxPlanBody, timeout: orDefault(o.PlanTimeout, time.Minute), name: "Plan", slots: make(chan struct{}, 4)}
	applies := plans
	plans.handle, applies.handle, applies.name = s.plan, s.apply, "Apply"
	s.mux.Handle("POST "+api.GetFeaturesPath, s.handler(features))
	s.mux.Handle("POST "+api.ServiceMetadataPath, s.handler(metadata))
	s.mux.Handle("POST "+api.PlanPath, s.handler(plans))
	s.mux.Handle("POST "+api.ApplyPath, s.handler(applies))
	s.lookups(orDefault(o.LookupTimeout, 30*time.Second))
	if o.Engine != nil {
		s.historicals(o.Historical)
	}
	if o.Ingest != nil {
		s.ingests(*o.Ingest, orDefault(o.LookupTimeout, 30*time.Second))
	}
	if o.Deletion != nil {
		s.deletions(*o.Deletion, o.Historical.withDefaults(), orDefault(o.LookupTimeout, 30*time.Second))
	}
	s.mux.HandleFunc("GET "+api.HealthPath, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, fail(api.NotFound, "no such endpoint: %s %s", r.Method, r.URL.Path))
	})
	return s
}

// lookups adds what people ask for: small questions, whose answers may list much.
func (s *Server) lookups(timeout time.Duration) {
	slots := make(chan struct{}, 16)
	for _, e := range []struct {
		path, name string
		handle     func(ctx context.Context, body []byte) (any, error)
	}{
		{api.DescribePath, "Describe", s.describe},
		{api.CreateWorkspacePath, "CreateWorkspace", s.createWorkspace},
		{api.GetWorkspacePath, "GetWorkspace", s.getWorkspace},
		{api.ListWorkspacesPath, "ListWorkspaces", s.listWorkspaces},
		{api.MaterializationStatusPath, "MaterializationStatus", s.materializationStatus},
		{api.DeletionStatusPath, "DeletionStatus", s.deletionStatus},
		{api.ListJobsPath, "ListMaterializationJobs", s.listJobs},
		{api.GetJobPath, "GetMaterializationJob", s.getJob},
	} {
		s.mux.Handle("POST "+e.path, s.handler(endpoint{name: e.name, handle: e.handle, maxBody: maxLookupBody, timeout: timeout, slots: slots}))
	}
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// endpoint is a call with a JSON body and its bounds.
type endpoint struct {
	name    string
	handle  func(ctx context.Context, body []byte) (any, error)
	maxBody int64
	timeout time.Duration
	slots   chan struct{}
}

func (s *Server) handler(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := enter(e.slots, e.name)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer leave()
		ctx, cancel := context.WithTimeout(r.Context(), e.timeout)
		defer cancel()
		body, err := readBody(w, r, e)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		response, err := e.handle(ctx, body)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.write(w, r, http.StatusOK, response)
	}
}

// enter takes a slot, which leave gives back. There is no waiting for one.
func enter(slots chan struct{}, name string) (leave func(), err error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	default:
		return nil, fail(api.ResourceExhausted, "%s exceeded the concurrent request limit, please retry later", name)
	}
}

func readBody(w http.ResponseWriter, r *http.Request, e endpoint) ([]byte, error) {
	var body bytes.Buffer
	err := copyBody(&body, w, r, e.maxBody, e.timeout)
	return body.Bytes(), err
}

// copyBody reads a body of bounded size within a time. A caller that sends slowly
// must not keep its slot.
func copyBody(into io.Writer, w http.ResponseWriter, r *http.Request, most int64, timeout time.Duration) error {
	connection := http.NewResponseController(w)
	// A writer that knows no deadlines has no connection that could be slow.
	_ = connection.SetReadDeadline(time.Now().Add(timeout))
	body := &bodyReader{r: http.MaxBytesReader(w, r.Body, most)}
	_, err := io.Copy(into, body)
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case err == nil:
		_ = connection.SetReadDeadline(time.Time{}) // kept otherwise: the rest of the body is not waited for either
		return nil
	case body.err == nil:
		return fmt.Errorf("keep the request body: %w", err)
	case errors.As(err, &tooLarge):
		return fail(api.InvalidArgument, "request body is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(api.DeadlineExceeded, timedOut)
	default:
		return fail(api.InvalidArgument, "request body: %v", err)
	}
}

// bodyReader remembers why it ended, which the error of a copy does not tell from
// that of the writer.
type bodyReader struct {
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.err = err
	return n, err
}

// timedOut is Tecton's text.
const timedOut = "Timed out"

// fail is an error for the caller.
func fail(code api.Code, format string, args ...any) *api.Error {
	text := fmt.Sprintf(format, args...)
	return &api.Error{Text: text, Message: text, Code: code}
}

var httpStatus = map[api.Code]int{
	api.InvalidArgument: http.StatusBadRequest, api.DeadlineExceeded: http.StatusGatewayTimeout,
	api.NotFound: http.StatusNotFound, api.ResourceExhausted: http.StatusTooManyRequests,
	api.FailedPrecondition: http.StatusBadRequest, api.Aborted: http.StatusConflict,
	api.Internal: http.StatusInternalServerError, api.Unavailable: http.StatusServiceUnavailable,
}

// fail answers with the error. What is not meant for callers is logged, and the
// answer does not repeat it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var answer *api.Error
	switch {
	case errors.As(err, &answer):
	case errors.Is(err, context.DeadlineExceeded):
		answer = fail(api.DeadlineExceeded, timedOut)
	case errors.Is(err, context.Canceled):
		answer = fail(api.Unavailable, "the request was cancelled")
	default:
		s.logger.Error("request failed", "path", r.URL.Path, "error", err)
		answer = fail(api.Internal, "internal error; the server's log has the cause")
	}
	s.write(w, r, httpStatus[answer.Code], answer)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		s.logger.Error("encode response", "path", r.URL.Path, "error", err)
		status, data = http.StatusInternalServerError, []byte(`{"error":"internal error","message":"internal error","code":13}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the caller is gone: nobody to tell
}
