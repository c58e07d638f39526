package serve

import (
	"context"
	"errors"
	"io"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// TemporaryStore opens an empty offline store, which remove removes.
type TemporaryStore func() (store offline.Store, remove func() error, err error)

// engine returns the engine within the bounds of one request.
func (o HistoricalOptions) engine(e *materialize.Engine) *materialize.Engine {
	own := *e
	memory := o.Join.MemoryBytes
	own.Options = materialize.Options{
		MemoryBytes: memory / 2, BuilderBytes: memory / 3, Threads: o.Join.Threads,
		ScratchDir: o.Join.ScratchDir, ScratchBytes: o.Join.ScratchBytes,
	}
	return &own
}

// resolve returns the parts of a request; those from the source have no tables yet.
func (s *Server) resolve(ctx context.Context, request historicalRequest) ([]retrieve.Part, error) {
	if request.fromSource {
		return retrieve.ResolveSource(ctx, s.engine, request.names)
	}
	return retrieve.Resolve(ctx, s.engine, request.names, s.clock.Now())
}

// fromSource returns parts with tables for those instants, which remove removes.
func (s *Server) fromSource(ctx context.Context, o HistoricalOptions, instants window.Interval, parts []retrieve.Part) (_ []retrieve.Part, remove func(), err error) {
	if o.Temporary == nil {
		return nil, nil, fail(api.FailedPrecondition, "this server computes nothing from sources: leave out from_source")
	}
	store, drop, err := o.Temporary()
	if err != nil {
		return nil, nil, err
	}
	remove = func() {
		if err := drop(); err != nil {
			s.logger.Error("remove tables that a request computed", "error", err)
		}
	}
	parts, err = retrieve.FromSource(ctx, o.engine(s.engine), store, parts, retrieve.SourceRequest{
		Instants: instants, Now: s.clock.Now(), MaxBytes: o.Join.ScratchBytes,
	})
	if err != nil {
		remove()
		return nil, nil, err
	}
	return parts, remove, nil
}

// instantsOf reads the spine once.
func instantsOf(ctx context.Context, o HistoricalOptions, spine io.ReaderAt, size int64, request historicalRequest, parts []retrieve.Part) (_ window.Interval, err error) {
	rows, reader, err := openSpine(spine, size, o.Join.MemoryBytes, request, parts)
	if err != nil {
		return window.Interval{}, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	return retrieve.Instants(ctx, rows)
}

// computeError gives errors of runs, and of what is computed from sources, their code.
func computeError(err error) error {
	switch {
	case errors.Is(err, retrieve.ErrRun):
		return fail(api.InvalidArgument, "%v", err)
	case errors.Is(err, retrieve.ErrRunTooLarge), errors.Is(err, retrieve.ErrSourceTooLarge),
		errors.Is(err, materialize.ErrTooLarge), errors.Is(err, transform.ErrOutOfMemory):
		return fail(api.ResourceExhausted, "%v", err)
	case errors.Is(err, transform.ErrSQL), errors.Is(err, retrieve.ErrSecondaryKeys), errors.Is(err, retrieve.ErrNoSource),
		errors.Is(err, source.ErrNoFiles), errors.Is(err, source.ErrURI), errors.Is(err, source.ErrTable):
		return fail(api.FailedPrecondition, "%v", err)
	}
	return err
}
