package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/retrieve"
)

// startDataset returns the endpoint that has a job make a dataset: for results that
// take longer than a request may.
func (s *Server) startDataset(o HistoricalOptions, slots chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			s.fail(w, r, fail(api.ResourceExhausted, "Datasets exceeded the concurrent request limit, please retry later"))
			return
		}
		// A writer that knows no deadlines has no connection that could be slow.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * o.Timeout))
		ctx, cancel := context.WithTimeout(r.Context(), o.Timeout)
		defer cancel()
		started, err := s.stageAndStart(ctx, o, w, r)
		if err != nil {
			s.fail(w, r, historicalError(err))
			return
		}
		s.write(w, r, http.StatusOK, started)
	}
}

// stageAndStart refuses what is wrong with the names and the columns at once; what is
// wrong with a row, the job finds.
func (s *Server) stageAndStart(ctx context.Context, o HistoricalOptions, w http.ResponseWriter, r *http.Request) (api.StartDatasetResponse, error) {
	none := api.StartDatasetResponse{}
	spine, err := unnamedFile(o.Join.ScratchDir)
	if err != nil {
		return none, err
	}
	defer spine.Close()
	if err := copyBody(spine, w, r, o.MaxSpine, o.Timeout); err != nil {
		return none, err
	}
	size, err := spine.Seek(0, io.SeekCurrent)
	if err != nil {
		return none, fmt.Errorf("size of the spine: %w", err)
	}
	request, err := parseHistorical(r, size > 0)
	switch {
	case err != nil:
		return none, err
	case size == 0:
		return none, fail(api.InvalidArgument, "a spine is required: the request has no body")
	case request.entities:
		return none, fail(api.InvalidArgument, "a job needs a spine: leave out body=entities")
	case request.fromSource:
		return none, fail(api.InvalidArgument, "a job reads the offline store: leave out from_source")
	}
	parts, err := retrieve.Resolve(ctx, s.engine, request.names, s.clock.Now())
	if err != nil {
		return none, err
	}
	rows, reader, err := openSpine(spine, size, o.Join.MemoryBytes, request, parts)
	if err != nil {
		return none, err
	}
	defer reader.Close()
	if _, err := retrieve.Result(rows.Schema, parts); err != nil {
		return none, err
	}
	name := request.saveAs
	if name == "" {
		name = dataset.NewName(request.names.View+request.names.Service, s.clock.Now())
	}
	staged, err := s.datasets.Stage(ctx, request.names.Workspace, name, request.origin(parts).Request, io.NewSectionReader(spine, 0, size), request.spineFormat)
	if err != nil {
		return none, err
	}
	job, err := s.start(ctx, staged)
	return api.StartDatasetResponse{Dataset: name, Job: job}, err // a start without an answer may have succeeded
}
