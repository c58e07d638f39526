package materialize

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// BuildRequest names the windows to build.
type BuildRequest struct {
	Range window.Interval // one or more whole windows
	// ReadAt is the start of the attempt as one server told it, see offline.Build.
	ReadAt  window.Time
	Attempt string // tells the files of two attempts apart
	// OnProgress is called at least once a second while the SQL runs, and with
	// each record after that. It may be nil.
	OnProgress func(Progress)
}

// Build computes the windows of a range and makes them durable, invisible to
// readers. It returns transform.ErrSQL, source.ErrNoFiles and ErrTooLarge for
// what a retry cannot mend.
func (e *Engine) Build(ctx context.Context, t *Target, table offline.Table, r BuildRequest) ([]offline.Build, error) {
	if r.Range.Empty() || !r.Range.Aligned(t.View.Schedule()) {
		return nil, fmt.Errorf("%w: %v are no whole windows of %v", ErrRange, r.Range, feature.Duration(t.View.Schedule()))
	}
	var builds []offline.Build
	for _, w := range r.Range.Split(t.View.Schedule()) {
		build, err := e.buildWindow(ctx, t, table, w, r)
		if err != nil {
			return nil, err
		}
		builds = append(builds, build)
	}
	return builds, nil
}

func (e *Engine) buildWindow(ctx context.Context, t *Target, table offline.Table, w window.Interval, r BuildRequest) (offline.Build, error) {
	options := e.Options.withDefaults()
	output, err := t.View.OutputSchema()
	if err != nil {
		return offline.Build{}, err
	}
	tables, err := e.tables(ctx, t, w)
	if err != nil {
		return offline.Build{}, err
	}
	tiles := newBuilder(t, w, options.MaxGroups)
	_, err = e.Transform.Run(ctx, transform.Query{
		SQL: t.View.Transformation, Tables: tables,
		Output: output, TimestampField: t.View.TimestampField, Interval: w,
		Limits: transform.Limits{MemoryBytes: options.MemoryBytes, Threads: options.Threads, TempDir: options.ScratchDir},
		OnProgress: func(p transform.Progress) {
			if r.OnProgress != nil {
				r.OnProgress(Progress{Rows: p.Rows, Fraction: p.Fraction})
			}
		},
	}, tiles.add)
	if err != nil {
		return offline.Build{}, fmt.Errorf("transform %s %v: %w", t.View.Name, w, err)
	}
	return e.writeTiles(ctx, table, tiles, w, r)
}

func (e *Engine) tables(ctx context.Context, t *Target, w window.Interval) ([]transform.Table, error) {
	tables := make([]transform.Table, len(t.View.Sources))
	for i, s := range t.View.Sources {
		files, err := e.Sources.Files(ctx, s.BatchSource, w)
		if err != nil {
			return nil, err
		}
		tables[i] = transform.Table{
			Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField, Interval: w, Files: files.Paths,
		}
	}
	return tables, nil
}

func (e *Engine) writeTiles(ctx context.Context, table offline.Table, tiles *builder, w window.Interval, r BuildRequest) (offline.Build, error) {
	writer, err := table.NewWriter(ctx, w, r.ReadAt, r.Attempt)
	if err != nil {
		return offline.Build{}, err
	}
	var rows int64
	err = tiles.write(table.Spec().Schema, func(rec arrow.Record) error {
		if err := writer.Write(rec); err != nil {
			return err
		}
		rows += rec.NumRows()
		if r.OnProgress != nil {
			r.OnProgress(Progress{Rows: rows, Fraction: 1})
		}
		return ctx.Err()
	})
	if err == nil {
		var built offline.Build
		if built, err = writer.Close(ctx); err == nil {
			return built, nil
		}
	}
	if abort := writer.Abort(); abort != nil {
		return offline.Build{}, fmt.Errorf("write tiles of %v: %w (and dropping them: %w)", w, err, abort)
	}
	return offline.Build{}, fmt.Errorf("write tiles of %v: %w", w, err)
}
