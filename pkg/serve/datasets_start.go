package serve

import (
	"context"
	"io"
	"net/http"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/retrieve"
)

// startDataset returns the endpoint that has a job make a dataset: for results that
// take longer than a request may.
func (s *Server) startDataset(o HistoricalOptions, slots chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := enter(slots, "Datasets")
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer leave()
		ctx, cancel := o.bounded(w, r)
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
	spine, size, err := o.stageBody(w, r)
	if err != nil {
		return none, err
	}
	defer spine.Close()
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
	name := request.dataset(s.clock.Now())
	staged, err := s.datasets.Stage(ctx, request.names.Workspace, name, request.origin(parts).Request, io.NewSectionReader(spine, 0, size), request.spineFormat)
	if err != nil {
		return none, err
	}
	job, err := s.start(ctx, staged)
	return api.StartDatasetResponse{Dataset: name, Job: job}, err // a start without an answer may have succeeded
}
