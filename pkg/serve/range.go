package serve

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve"
)

var rangeParameters = []string{
	api.WorkspaceParameter, api.ViewParameter, api.StartTimeParameter, api.EndTimeParameter, api.MaxLookbackParameter,
	api.SpineFormatParameter, api.FormatParameter, api.FromSourceParameter,
}

// parseRange returns a request whose body, if there is one, is entities.
func parseRange(r *http.Request, hasBody bool) (out historicalRequest, maxLookback time.Duration, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return out, 0, fail(api.InvalidArgument, "parameters: %v", err)
	}
	if err := checkParameters(query, rangeParameters); err != nil {
		return out, 0, err
	}
	for _, name := range []string{api.WorkspaceParameter, api.ViewParameter, api.StartTimeParameter, api.EndTimeParameter} {
		if query.Get(name) == "" {
			return out, 0, fail(api.InvalidArgument, "parameter %s is required", name)
		}
	}
	out.names = retrieve.Names{Workspace: query.Get(api.WorkspaceParameter), View: query.Get(api.ViewParameter)}
	out.entities = hasBody
	if out.period, err = parsePeriod(query); err != nil {
		return out, 0, err
	}
	if query.Has(api.MaxLookbackParameter) {
		var lookback feature.Duration
		if err := lookback.UnmarshalText([]byte(query.Get(api.MaxLookbackParameter))); err != nil {
			return out, 0, fail(api.InvalidArgument, "%s: %v", api.MaxLookbackParameter, err)
		}
		maxLookback = time.Duration(lookback)
	}
	if out.fromSource, err = parseFlag(query, api.FromSourceParameter); err != nil {
		return out, 0, err
	}
	if out.format, err = resultFormat(query.Get(api.FormatParameter), r.Header.Values("Accept")); err != nil || !hasBody {
		return out, maxLookback, err
	}
	out.spineFormat, err = bodyFormat("the spine's format", api.SpineFormatParameter, query.Get(api.SpineFormatParameter), r.Header.Get("Content-Type"), "")
	return out, maxLookback, err
}

// makeRange reads the whole request before it refuses any of it, as makeHistorical.
func (s *Server) makeRange(ctx context.Context, o HistoricalOptions, w http.ResponseWriter, r *http.Request) (_ historicalResult, err error) {
	body, size, err := o.stageBody(w, r)
	if err != nil {
		return historicalResult{}, err
	}
	defer body.Close()
	request, maxLookback, err := parseRange(r, size > 0)
	if err != nil {
		return historicalResult{}, err
	}
	parts, err := s.resolve(ctx, request)
	if err != nil {
		return historicalResult{}, err
	}
	asked := retrieve.RangeRequest{Range: request.interval(), MaxLookback: maxLookback}
	if request.entities {
		entities, reader, err := openEntities(body, size, o.Join.MemoryBytes, request.spineFormat, parts)
		if err != nil {
			return historicalResult{}, err
		}
		defer reader.Close()
		asked.Entities = &entities
	}
	if request.fromSource {
		instants := asked.Range
		instants.Start = max(instants.Start, parts[0].Target.View.FeatureStartTime)
		var remove func()
		if parts, remove, err = s.fromSource(ctx, o, instants, parts); err != nil {
			return historicalResult{}, err
		}
		defer remove()
	}
	schema, err := retrieve.RangeResult(parts[0])
	if err != nil {
		return historicalResult{}, err
	}
	return writeResult(o, request.format, schema, func(write func(arrow.Record) error) (retrieve.Report, error) {
		return retrieve.InRange(ctx, o.Join, parts[0], asked, write)
	})
}
