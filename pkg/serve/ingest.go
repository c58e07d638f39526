package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/ledger"
)

// IngestOptions are what feature tables are ingested by.
type IngestOptions struct {
	Frames Frames
	// Start starts the job of a staged frame. If the frame's job runs or has succeeded,
	// it returns that one.
	Start func(ctx context.Context, f ingest.Frame, managedRetries bool) (StartedIngest, error)
	// Started returns the job of a frame that was staged once; ingest.ErrNotFound.
	Started func(ctx context.Context, workspace, table, path string) (StartedIngest, error)

	MaxUploads    int           // at a time; 0: 8
	UploadTimeout time.Duration // of one; 0: 1 hour
	IdleTimeout   time.Duration // in which nothing of one arrives; 0: 1 minute
}

// Frames keeps data frames until they are ingested. *ingest.Engine is one.
type Frames interface {
	Reserve(ctx context.Context, workspace, table string) (path string, err error)
	Stage(ctx context.Context, path string, format frame.Format, r io.Reader) (ingest.Frame, error)
	Find(ctx context.Context, workspace, table, path string) (ingest.Frame, error)
}

// StartedIngest names a job.
type StartedIngest struct {
	Job        string    // id in the ledger
	WorkflowID string    // on Temporal
	RunID      string    // its first run
	At         time.Time // when it was started
}

// ingests are the endpoints of feature tables.
type ingests struct {
	*Server
	IngestOptions
}

func (s *Server) ingests(o IngestOptions, timeout time.Duration) {
	o.MaxUploads = orDefault(o.MaxUploads, 8)
	o.UploadTimeout = orDefault(o.UploadTimeout, time.Hour)
	o.IdleTimeout = orDefault(o.IdleTimeout, time.Minute)
	i := &ingests{s, o}
	slots := make(chan struct{}, 16)
	start := endpoint{name: "IngestDataframe", handle: i.start, maxBody: maxLookupBody, timeout: timeout, slots: slots}
	s.mux.Handle("POST "+api.IngestPath, s.handler(start))
	s.mux.HandleFunc("POST "+api.DataFrameInfoPath, func(w http.ResponseWriter, r *http.Request) {
		s.handler(endpoint{name: "GetDataframeInfo", handle: i.info(r), maxBody: maxLookupBody, timeout: timeout, slots: slots})(w, r)
	})
	s.mux.Handle("PUT "+api.FramesPath, i.upload(make(chan struct{}, o.MaxUploads)))
}

// info returns the endpoint that reserves a path. The address to put the frame to is
// that by which the caller reached the server.
func (i *ingests) info(r *http.Request) func(ctx context.Context, body []byte) (any, error) {
	address := url.URL{Scheme: "http", Host: r.Host, Path: api.FramesPath}
	if r.TLS != nil {
		address.Scheme = "https"
	}
	return func(ctx context.Context, body []byte) (any, error) {
		var request api.DataFrameInfoRequest
		if err := decodeBody(body, &request); err != nil {
			return nil, err
		}
		path, err := i.Frames.Reserve(ctx, request.Workspace, request.FeatureView)
		if err != nil {
			return nil, ingestError(err)
		}
		address.RawQuery = url.Values{api.PathParameter: {path}}.Encode()
		return api.DataFrameInfoResponse{Path: path, UploadURL: address.String()}, nil
	}
}

// start starts the job of a frame. A request that is repeated because its answer was
// lost gets the same job, also when that has ended and the frame is gone.
func (i *ingests) start(ctx context.Context, body []byte) (any, error) {
	var request api.IngestRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	var started StartedIngest
	frame, err := i.Frames.Find(ctx, request.Workspace, request.FeatureView, request.Path)
	switch {
	case err == nil:
		started, err = i.Start(ctx, frame, request.ManagedRetries == nil || *request.ManagedRetries)
	case errors.Is(err, ingest.ErrNotFound):
		notFound := err
		if started, err = i.Started(ctx, request.Workspace, request.FeatureView, request.Path); errors.Is(err, ingest.ErrNotFound) {
			err = notFound
		}
	}
	if err != nil {
		return nil, ingestError(err)
	}
	job, err := i.started(ctx, request, started)
	return api.IngestResponse{Job: job}, err
}

// started returns a job as the ledger has it, or as it will have it soon.
func (i *ingests) started(ctx context.Context, request api.IngestRequest, s StartedIngest) (api.Job, error) {
	h, err := i.ledger.Get(ctx, request.Workspace, request.FeatureView, s.Job)
	if err == nil {
		return i.job(h), nil
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return api.Job{}, ledgerError(err)
	}
	return api.Job{
		ID: s.Job, Workspace: request.Workspace, FeatureView: request.FeatureView, CreatedAt: s.At.UTC(), UpdatedAt: s.At.UTC(),
		State: api.JobRunning, Attempts: []api.Attempt{}, JobType: string(ledger.Ingest), IngestPath: request.Path,
		Status: ledger.Pending, WorkflowID: s.WorkflowID, RunID: s.RunID,
	}, nil
}

// ingestError gives the errors that a person can act on their code.
func ingestError(err error) error {
	switch {
	case errors.Is(err, ingest.ErrNotFound):
		return fail(api.NotFound, "%v", err)
	case errors.Is(err, ingest.ErrRefused):
		return fail(api.FailedPrecondition, "%v", err)
	case errors.Is(err, ingest.ErrTooLarge):
		return fail(api.InvalidArgument, "%v", err)
	}
	return historicalError(err)
}
