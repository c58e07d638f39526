package retrieve

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrSourceTooLarge is a spine that needs more raw data than one request may read.
	ErrSourceTooLarge = errors.New("too much to compute from the source")
	// ErrNoSource is a feature table, which is not computed.
	ErrNoSource = errors.New("there is no source to compute from")
)

// maxSourceWindows bounds the windows that one request computes.
const maxSourceWindows = 100_000

// maxCommitWindows bounds the windows that are committed together.
const maxCommitWindows = 512

// Instants returns the time from the least instant of a spine to its greatest, both
// included; it is empty if the spine has none. It reads the spine to its end.
func Instants(ctx context.Context, spine Spine) (window.Interval, error) {
	column, err := spine.timeColumn()
	if err != nil {
		return window.Interval{}, err
	}
	var out window.Interval
	reader := spineReader{spine, record.ArrowSchema(spine.Schema)}
	err = reader.each(ctx, func(rec arrow.Record) error {
		times := rec.Column(column).(*array.Timestamp)
		for i, value := range times.TimestampValues() {
			if times.IsNull(i) {
				continue
			}
			at := bounded(value)
			if out.Empty() {
				out = window.Interval{Start: at, End: at + 1}
			}
			out.Start, out.End = min(out.Start, at), max(out.End, at+1)
		}
		return nil
	})
	return out, err
}

// ResolveSource is Resolve for parts whose tables FromSource makes: the definitions
// are the same, and nothing needs to be materialized, offline stores or not. With a
// feature table among them it is ErrNoSource.
func ResolveSource(ctx context.Context, e *materialize.Engine, names Names) ([]Part, error) {
	latest, err := e.Registry.Latest(ctx, names.Workspace)
	if err != nil {
		return nil, err
	}
	return partsOf(ctx, e, latest, names, func(g *registry.Serving, taken feature.ServiceView) (Part, error) {
		if taken.View.Ingested {
			return Part{}, fmt.Errorf("%w: %s is a feature table, whose rows are ingested", ErrNoSource, taken.View.Name)
		}
		target, err := materialize.NewServingTarget(&g.Generation, taken.View)
		if err != nil {
			return Part{}, err
		}
		return bare(target, taken), nil
	})
}

// SourceRequest says what FromSource computes.
type SourceRequest struct {
	Instants window.Interval // of the spine
	Now      window.Time     // later data is not complete
	MaxBytes int64           // of the tables; default 64 GiB
	// OnProgress is called as by Engine.Build, window by window; it may be nil.
	OnProgress func(materialize.Progress)
}

// FromSource returns parts with tables in a store, an empty one for this purpose, that
// hold what instants of that range are made of, computed from raw data by what a job
// does. Windows that a job could not compute are left out: those before the view's
// start, and those whose data is not complete.
func FromSource(ctx context.Context, e *materialize.Engine, store offline.Store, parts []Part, r SourceRequest) ([]Part, error) {
	if r.MaxBytes <= 0 {
		r.MaxBytes = 64 << 30
	}
	s := &sourceTables{engine: e, store: store, request: r, left: r.MaxBytes}
	out := make([]Part, len(parts))
	done := map[string]int{} // part by store: a service may take a view twice
	for i, part := range parts {
		if first, ok := done[part.Target.Store()]; ok {
			part.Table, part.Snapshot = out[first].Table, out[first].Snapshot
		} else if err := s.fill(ctx, &part); err != nil {
			return nil, fmt.Errorf("view %s from its sources: %w", part.Target.View.Name, err)
		}
		done[part.Target.Store()] = i
		out[i] = part
	}
	return out, nil
}

// sourceTables fills tables from raw data.
type sourceTables struct {
	engine  *materialize.Engine
	store   offline.Store
	request SourceRequest
	left    int64 // bytes
}

// fill makes the table of a part.
func (s *sourceTables) fill(ctx context.Context, p *Part) error {
	var err error
	if p.Table, err = s.store.Open(ctx, p.Target.Table(s.request.Now)); err != nil {
		return err
	}
	span, err := s.span(p)
	if err != nil {
		return err
	}
	schedule := p.Target.View.Schedule()
	count := span.Count(schedule)
	if count > maxSourceWindows {
		return fmt.Errorf("%w: %v has %d windows of %v, at most %d are computed: materialize the view, or ask for later times",
			ErrSourceTooLarge, span, count, p.Target.View.BatchSchedule, maxSourceWindows)
	}
	if count > 0 {
		if err := s.build(ctx, p, span); err != nil {
			return err
		}
	}
	p.Snapshot, err = p.Table.Snapshot(ctx)
	return err
}

// span returns the whole windows that the instants need and that can be computed.
func (s *sourceTables) span(p *Part) (window.Interval, error) {
	if s.request.Instants.Empty() {
		return window.Interval{}, nil
	}
	j, err := (&part{Part: *p}).newJoiner()
	if err != nil {
		return window.Interval{}, err
	}
	view := p.Target.View
	first, last := j.needs(s.request.Instants.Start), j.needs(s.request.Instants.End-1)
	span := window.Interval{Start: view.MaterializationStart(), End: min(last.End, view.CompleteEnd(s.request.Now))}
	if !first.Empty() { // else it lies before the features
		span.Start = max(span.Start, first.Start.Floor(view.Schedule()))
	}
	if last.Empty() || span.Empty() {
		return window.Interval{}, nil
	}
	return span, nil
}

// build computes the windows of a span and makes them visible.
func (s *sourceTables) build(ctx context.Context, p *Part, span window.Interval) error {
	windows := span.Split(p.Target.View.Schedule())
	perBuild, oneRun, err := s.engine.WindowsPerBuild(ctx, p.Target, len(windows))
	if err != nil {
		return err
	}
	var builds []offline.Build
	for run := range slices.Chunk(windows, perBuild) {
		built, err := s.engine.Build(ctx, p.Target, p.Table, materialize.BuildRequest{
			Range:  window.Interval{Start: run[0].Start, End: run[len(run)-1].End},
			OneRun: oneRun, ReadAt: s.request.Now, Attempt: "from-source", OnProgress: s.request.OnProgress,
		})
		if err != nil {
			return err
		}
		for _, b := range built {
			s.left -= b.Bytes
		}
		if s.left < 0 {
			return fmt.Errorf("%w: the tables take more than %d bytes: materialize the view, or ask for fewer times at a time", ErrSourceTooLarge, s.request.MaxBytes)
		}
		builds = append(builds, built...)
	}
	for some := range slices.Chunk(builds, maxCommitWindows) {
		id := fmt.Sprintf("from-source-%d", some[0].Window.Start)
		if _, err := p.Table.Commit(ctx, offline.Commit{ID: id, Job: "from-source", Generation: p.Target.Generation, Builds: some}); err != nil {
			return fmt.Errorf("commit %v: %w", span, err)
		}
	}
	return nil
}
