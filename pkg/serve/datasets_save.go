package serve

import (
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// parseSave returns whether a result is to be saved, and the name if one is given.
func parseSave(query url.Values) (save bool, name string, err error) {
	if save, err = parseFlag(query, api.SaveParameter); err != nil {
		return false, "", err
	}
	name = query.Get(api.SaveAsParameter)
	switch {
	case name == "" && query.Has(api.SaveAsParameter):
		return false, "", fail(api.InvalidArgument, "save_as is empty, want the name of a dataset")
	case name != "" && query.Has(api.SaveParameter) && !save:
		return false, "", fail(api.InvalidArgument, "save=false and save_as are given, want one of them")
	}
	return save || name != "", name, nil
}

// savedSpine is the rows of a spine, or of entities, and the bytes that they were read from.
type savedSpine struct {
	retrieve.Spine
	file io.Reader
}

// saveResult is writeResult that keeps the rows as a dataset, too, and with them the
// spine, if there is one. That the name is taken is found before anything is computed.
func (s *Server) saveResult(ctx context.Context, o HistoricalOptions, request historicalRequest, schema feature.Schema,
	spine *savedSpine, parts []retrieve.Part, fill fillResult) (_ historicalResult, err error) {
	if s.datasets == nil {
		return historicalResult{}, fail(api.FailedPrecondition, "this server keeps no datasets: leave out save and save_as")
	}
	name := request.dataset(s.clock.Now())
	kept, err := s.datasets.Create(ctx, request.names.Workspace, name, schema)
	if err != nil {
		return historicalResult{}, err
	}
	defer func() { err = errors.Join(err, kept.Abort(ctx)) }()
	origin := request.origin(parts)
	if spine != nil {
		copied, err := kept.PutSpine(ctx, spine.file, request.spineFormat)
		if err != nil {
			return historicalResult{}, err
		}
		copied.Schema, copied.Time = spine.Schema, spine.Time
		origin.Spine = &copied
	}
	result, err := writeResult(o, request.format, schema, func(write func(arrow.Record) error) (retrieve.Report, error) {
		return fill(func(rec arrow.Record) error {
			if err := kept.Write(ctx, rec); err != nil {
				return err
			}
			return write(rec)
		})
	})
	if err != nil {
		return historicalResult{}, err
	}
	origin.Uncovered = result.report.Uncovered
	if _, err := kept.Commit(ctx, s.clock.Now(), origin); err != nil {
		result.file.Close()
		return historicalResult{}, err
	}
	result.saved = name
	return result, nil
}

// dataset is the name of what is saved.
func (r historicalRequest) dataset(now window.Time) string {
	if r.saveAs != "" {
		return r.saveAs
	}
	return dataset.NewName(r.names.View+r.names.Service, now)
}

// origin tells of what a request is answered.
func (r historicalRequest) origin(parts []retrieve.Part) dataset.Origin {
	out := dataset.Origin{
		Request: dataset.Request{
			View: r.names.View, Service: r.names.Service, TimestampKey: r.timestampKey,
			Start: r.start, End: r.end, Entities: r.entities, FromSource: r.fromSource,
		},
		Generation: retrieve.Generation(parts),
	}
	if !r.fromSource { // whose tables are made for this request
		out.Views = retrieve.Pins(parts)
	}
	return out
}
