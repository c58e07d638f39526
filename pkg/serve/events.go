package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

// period is the time that is asked for without a spine.
type period struct{ start, end *window.Time }

func parsePeriod(query url.Values) (p period, err error) {
	for _, bound := range []struct {
		name string
		into **window.Time
	}{{api.StartTimeParameter, &p.start}, {api.EndTimeParameter, &p.end}} {
		if !query.Has(bound.name) {
			continue
		}
		at, err := window.Parse(query.Get(bound.name))
		if err != nil {
			return period{}, fail(api.InvalidArgument, "%s: %v", bound.name, err)
		}
		*bound.into = &at
	}
	if p.start != nil && p.end != nil && *p.end <= *p.start {
		return period{}, fail(api.InvalidArgument, "end_time %v is not after start_time %v", *p.end, *p.start)
	}
	return p, nil
}

// interval is all time where there is no bound.
func (p period) interval() window.Interval { return window.Between(p.start, p.end) }

// parseBody reports whether the body is entities.
func parseBody(query url.Values, hasBody bool) (bool, error) {
	switch what := query.Get(api.BodyParameter); {
	case what != "" && what != "spine" && what != api.BodyEntities:
		return false, fail(api.InvalidArgument, "body is %q, want spine or entities", what)
	case what != "" && !hasBody:
		return false, fail(api.InvalidArgument, "body is %s, and the request has no body", what)
	default:
		return what == api.BodyEntities, nil
	}
}

// checkSpineless refuses what goes with a spine alone.
func checkSpineless(query url.Values) error {
	if query.Get(api.ServiceParameter) != "" {
		return fail(api.InvalidArgument, "service is given without a spine: events are those of a view, name one")
	}
	if query.Has(api.TimestampKeyParameter) {
		return fail(api.InvalidArgument, "%s is given without a spine", api.TimestampKeyParameter)
	}
	return nil
}

// makeEvents answers with the events of a view. The body is entities, or has no bytes.
func (s *Server) makeEvents(ctx context.Context, o HistoricalOptions, request historicalRequest, parts []retrieve.Part, body io.ReaderAt, size int64) (_ historicalResult, err error) {
	if request.fromSource {
		view := parts[0].Target.View
		instants := request.interval()
		instants.Start = max(instants.Start, view.FeatureStartTime).Add(view.DataDelay())
		instants.End = view.Effective(min(instants.End, s.clock.Now()))
		var remove func()
		if parts, remove, err = s.fromSource(ctx, o, instants, parts); err != nil {
			return historicalResult{}, err
		}
		defer remove()
	}
	asked := retrieve.EventsRequest{Range: request.interval()}
	var kept *savedSpine
	if request.entities {
		entities, reader, err := openEntities(body, size, o.Join.MemoryBytes, request.spineFormat, parts)
		if err != nil {
			return historicalResult{}, err
		}
		defer reader.Close()
		asked.Entities, kept = &entities, &savedSpine{entities, io.NewSectionReader(body, 0, size)}
	}
	schema, err := retrieve.EventsResult(parts[0])
	if err != nil {
		return historicalResult{}, err
	}
	fill := func(write func(arrow.Record) error) (retrieve.Report, error) {
		return retrieve.Events(ctx, o.Join, parts[0], asked, write)
	}
	if !request.save {
		return writeResult(o, request.format, schema, fill)
	}
	return s.saveResult(ctx, o, request, schema, kept, parts, fill)
}

// openEntities reads the columns of a file of join keys.
func openEntities(file io.ReaderAt, size, memory int64, format frame.Format, parts []retrieve.Part) (retrieve.Spine, io.Closer, error) {
	reader, err := frame.Open(file, size, format, frame.Options{Known: retrieve.Keys(parts), MemoryBytes: memory})
	if err != nil {
		return retrieve.Spine{}, nil, fmt.Errorf("read the entities: %w", err)
	}
	entities := retrieve.Spine{Schema: reader.Schema(), Next: reader.Next}
	if err := requireKeys("the file of entities has", entities.Schema, parts); err != nil {
		return retrieve.Spine{}, nil, errors.Join(invalid(err), reader.Close())
	}
	return entities, reader, nil
}
