package materialize

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// BuildRequest names the windows to build.
type BuildRequest struct {
	Range window.Interval // one or more whole windows
	// OneRun computes all windows by one run of the SQL. The caller vouches that the
	// SQL works row by row, so that a window's rows are the same as by a run of its own.
	OneRun bool
	// ReadAt is the start of the attempt as one server told it, see offline.Build.
	ReadAt  window.Time
	Attempt string // tells the files of two attempts apart
	// OnProgress is called at least once a second while the SQL runs, and with
	// each record after that. It may be nil.
	OnProgress func(Progress)
}

func (r BuildRequest) report(p Progress) {
	if r.OnProgress != nil {
		r.OnProgress(p)
	}
}

// Build computes the windows of a range and makes them durable, invisible to
// readers. Rows of keys that a deletion holds back are left out; of keys that are erased
// from now on, the commit leaves them out. It returns transform.ErrSQL, source.ErrNoFiles
// and ErrTooLarge for what a retry cannot mend; what is too large for one run may be built
// by several.
func (e *Engine) Build(ctx context.Context, t *Target, table offline.Table, r BuildRequest) ([]offline.Build, error) {
	if t.View.Ingested {
		return nil, checkStores(t, PlanRequest{})
	}
	schedule := t.View.Schedule()
	if r.Range.Empty() || !r.Range.Aligned(schedule) {
		return nil, fmt.Errorf("%w: %v are no whole windows of %v", ErrRange, r.Range, feature.Duration(schedule))
	}
	// In this order, and before the sources are read: a deletion that these fences do not
	// tell of yet commits after the snapshot.
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("fence of %s: %w", t.Store(), err)
	}
	forgotten, err := e.loadForgotten(ctx, t)
	if err != nil {
		return nil, err
	}
	runs := []window.Interval{r.Range}
	if !r.OneRun {
		runs = r.Range.Split(schedule)
	}
	options := e.Options.withDefaults()
	spilled := spill.New(spill.Options{Dir: options.ScratchDir, MaxBytes: options.ScratchBytes, Stop: ctx.Err})
	if report := r.OnProgress; report != nil {
		r.OnProgress = func(p Progress) {
			p.SpilledBytes = spilled.Written()
			report(p)
		}
	}
	collected := newCollector(t, options.BuilderBytes, spilled)
	defer collected.release()
	var builds []offline.Build
	for _, run := range runs {
		if err := e.fill(ctx, t, collected, forgotten, run, r); err != nil {
			return nil, err
		}
		for _, w := range run.Split(schedule) {
			build, err := e.writeRows(ctx, table, collected, w, r)
			if err != nil {
				return nil, err
			}
			build.Fence = snapshot.Fence
			builds = append(builds, build)
		}
	}
	return builds, nil
}

// fill runs the view's SQL over one or more windows and collects its rows.
func (e *Engine) fill(ctx context.Context, t *Target, collected collector, forgotten *forgotten, span window.Interval, r BuildRequest) error {
	if err := collected.reset(span); err != nil {
		return err
	}
	output, err := t.View.OutputSchema()
	if err != nil {
		return err
	}
	return e.Rows(ctx, t, Alone{Interval: span, OnProgress: r.report}, output, func(rec arrow.Record) error {
		return forgotten.keep(rec, collected.add)
	})
}

func (e *Engine) writeRows(ctx context.Context, table offline.Table, collected collector, w window.Interval, r BuildRequest) (offline.Build, error) {
	writer, err := table.NewWriter(ctx, w, r.ReadAt, r.Attempt)
	if err != nil {
		return offline.Build{}, err
	}
	var rows int64
	err = collected.write(w, table.Spec().Schema, func(rec arrow.Record) error {
		if err := writer.Write(rec); err != nil {
			return err
		}
		rows += rec.NumRows()
		r.report(Progress{Rows: rows, Fraction: 1})
		return ctx.Err()
	})
	if err == nil {
		var built offline.Build
		if built, err = writer.Close(ctx); err == nil {
			return built, nil
		}
	}
	if abort := writer.Abort(); abort != nil {
		return offline.Build{}, fmt.Errorf("write rows of %v: %w (and dropping them: %w)", w, err, abort)
	}
	return offline.Build{}, fmt.Errorf("write rows of %v: %w", w, err)
}
