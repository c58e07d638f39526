package serve

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/retrieve"
)

// defaultDatasets is how many a page has that names no limit.
const defaultDatasets = 100

// datasetEndpoints adds what can be done with saved results. The data of one, and to
// make it again, takes a slot of historical features.
func (s *Server) datasetEndpoints(o HistoricalOptions, slots chan struct{}) {
	const one = api.DatasetsPath + "/{name}"
	s.mux.Handle("GET "+api.DatasetsPath, s.datasetHandler(o, s.listDatasets, api.PrefixParameter, api.AfterParameter, api.LimitParameter))
	if s.start != nil {
		s.mux.Handle("POST "+api.DatasetsPath, s.startDataset(o, slots))
	}
	s.mux.Handle("GET "+one, s.datasetHandler(o, s.describeDataset))
	s.mux.Handle("DELETE "+one, s.datasetHandler(o, s.deleteDataset))
	s.mux.Handle("GET "+one+api.DatasetDataPath, s.fileHandler("Datasets", o, slots, s.datasetData))
	s.mux.Handle("POST "+one+api.DatasetRemakePath, s.datasetHandler(o, s.remakeDataset(o.Join, slots)))
}

// datasetAsk is a request about the datasets of a workspace.
type datasetAsk struct {
	workspace string
	name      string // from the path; empty: about all
	query     url.Values
}

func parseDatasetAsk(r *http.Request, allowed ...string) (datasetAsk, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return datasetAsk{}, fail(api.InvalidArgument, "parameters: %v", err)
	}
	if err := checkParameters(query, append([]string{api.WorkspaceParameter}, allowed...)); err != nil {
		return datasetAsk{}, err
	}
	ask := datasetAsk{workspace: query.Get(api.WorkspaceParameter), name: r.PathValue("name"), query: query}
	if ask.workspace == "" {
		return datasetAsk{}, fail(api.InvalidArgument, "parameter workspace is required")
	}
	return ask, nil
}

// datasetHandler answers with a document.
func (s *Server) datasetHandler(o HistoricalOptions, handle func(context.Context, datasetAsk) (any, error), allowed ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := o.bounded(w, r)
		defer cancel()
		ask, err := parseDatasetAsk(r, allowed...)
		var answer any
		if err == nil {
			answer, err = handle(ctx, ask)
		}
		if err != nil {
			s.fail(w, r, datasetError(err))
			return
		}
		s.write(w, r, http.StatusOK, answer)
	}
}

func (s *Server) listDatasets(ctx context.Context, ask datasetAsk) (any, error) {
	limit := defaultDatasets
	if text := ask.query.Get(api.LimitParameter); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > dataset.MaxListed {
			return nil, fail(api.InvalidArgument, "limit is %q, want 1 to %d", text, dataset.MaxListed)
		}
	}
	page, err := s.datasets.List(ctx, ask.workspace, ask.query.Get(api.PrefixParameter), ask.query.Get(api.AfterParameter), limit)
	if err != nil {
		return nil, err
	}
	out := api.ListDatasetsResponse{Datasets: make([]api.Dataset, len(page))}
	for i, d := range page {
		out.Datasets[i] = apiDataset(d)
	}
	if len(page) == limit {
		out.Next = page[limit-1].Name
	}
	return out, nil
}

func (s *Server) describeDataset(ctx context.Context, ask datasetAsk) (any, error) {
	d, err := s.datasets.Describe(ctx, ask.workspace, ask.name)
	return apiDataset(d), err
}

func (s *Server) deleteDataset(ctx context.Context, ask datasetAsk) (any, error) {
	d, err := s.datasets.Delete(ctx, ask.workspace, ask.name)
	return apiDataset(d), err
}

func (s *Server) remakeDataset(o retrieve.Options, slots chan struct{}) func(context.Context, datasetAsk) (any, error) {
	return func(ctx context.Context, ask datasetAsk) (any, error) {
		leave, err := enter(slots, "Remake")
		if err != nil {
			return nil, err
		}
		defer leave()
		d, err := s.datasets.Describe(ctx, ask.workspace, ask.name)
		if err != nil {
			return nil, err
		}
		if err := s.datasets.Remake(ctx, s.engine, o, d, s.clock.Now()); err != nil {
			return nil, err
		}
		return api.RemakeResponse{Rows: d.Rows, Digest: d.Digest}, nil
	}
}

// datasetData makes a file of a dataset's rows.
func (s *Server) datasetData(ctx context.Context, o HistoricalOptions, _ http.ResponseWriter, r *http.Request) (historicalResult, error) {
	ask, err := parseDatasetAsk(r, api.FormatParameter)
	if err != nil {
		return historicalResult{}, err
	}
	format, err := resultFormat(ask.query.Get(api.FormatParameter), r.Header.Values("Accept"))
	if err != nil {
		return historicalResult{}, err
	}
	d, err := s.datasets.Describe(ctx, ask.workspace, ask.name)
	if err != nil {
		return historicalResult{}, err
	}
	result, err := writeResult(o, format, d.Schema, func(write func(arrow.Record) error) (retrieve.Report, error) {
		return retrieve.Report{Rows: d.Rows, Uncovered: d.Uncovered}, s.datasets.Read(ctx, d, write)
	})
	result.saved = d.Name
	return result, err
}

// datasetError gives the errors that a person can act on their code.
func datasetError(err error) error {
	switch {
	case errors.Is(err, dataset.ErrDiffers), errors.Is(err, dataset.ErrNotKept), errors.Is(err, offline.ErrHistoryGone):
		return fail(api.FailedPrecondition, "%v", err)
	}
	return historicalError(err)
}

func apiDataset(d dataset.Dataset) api.Dataset {
	out := api.Dataset{
		Workspace: d.Workspace, Name: d.Name, CreatedAt: d.CreatedAt.Time(), Rows: d.Rows, Bytes: d.Bytes, Digest: d.Digest,
		Table: d.Table, Schema: d.Schema, View: d.Request.View, Service: d.Request.Service, TimestampKey: d.Request.TimestampKey,
		StartTime: d.Request.Start, EndTime: d.Request.End, Entities: d.Request.Entities, FromSource: d.Request.FromSource,
		Generation: d.Generation, Uncovered: shortened(d.Uncovered), Job: d.Job,
	}
	for _, pin := range d.Views {
		out.Stores = append(out.Stores, api.DatasetPin(pin))
	}
	if d.Spine != nil {
		out.Spine = &api.DatasetSpine{
			Key: d.Spine.Key, Format: string(d.Spine.Format), Bytes: d.Spine.Bytes, SHA256: d.Spine.SHA256, Schema: d.Spine.Schema, Time: d.Spine.Time,
		}
	}
	return out
}
