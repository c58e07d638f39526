package materialize

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// BuildRequest names the window to build.
type BuildRequest struct {
	Window window.Interval
	// ReadAt is the start of the attempt as one server told it, see offline.Build.
	ReadAt  window.Time
	Attempt string // tells the files of two attempts apart
	// OnProgress is called at least once a second while the SQL runs, and with
	// each record after that. It may be nil.
	OnProgress func(Progress)
}

// Build computes the tiles of one window and makes them durable, invisible to
// readers. It returns transform.ErrSQL, source.ErrNoFiles and ErrTooLarge for
// what a retry cannot mend.
func (e *Engine) Build(ctx context.Context, t *Target, table offline.Table, r BuildRequest) (offline.Build, error) {
	options := e.Options.withDefaults()
	output, err := t.View.OutputSchema()
	if err != nil {
		return offline.Build{}, err
	}
	tables, err := e.tables(ctx, t, r.Window)
	if err != nil {
		return offline.Build{}, err
	}
	tiles := newBuilder(t, r.Window, options.MaxGroups)
	_, err = e.Transform.Run(ctx, transform.Query{
		SQL: t.View.Transformation, Tables: tables,
		Output: output, TimestampField: t.View.TimestampField, Interval: r.Window,
		Limits: transform.Limits{MemoryBytes: options.MemoryBytes, Threads: options.Threads, TempDir: options.ScratchDir},
		OnProgress: func(p transform.Progress) {
			if r.OnProgress != nil {
				r.OnProgress(Progress{Rows: p.Rows, Fraction: p.Fraction})
			}
		},
	}, tiles.add)
	if err != nil {
		return offline.Build{}, fmt.Errorf("transform %s %v: %w", t.View.Name, r.Window, err)
	}
	return e.writeTiles(ctx, table, tiles, r)
}

func (e *Engine) tables(ctx context.Context, t *Target, w window.Interval) ([]transform.Table, error) {
	tables := make([]transform.Table, len(t.View.Sources))
	for i, s := range t.View.Sources {
		files, err := e.Sources.Files(ctx, s, w)
		if err != nil {
			return nil, err
		}
		tables[i] = transform.Table{
			Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField, Interval: w, Files: files.Paths,
		}
	}
	return tables, nil
}

func (e *Engine) writeTiles(ctx context.Context, table offline.Table, tiles *builder, r BuildRequest) (offline.Build, error) {
	writer, err := table.NewWriter(ctx, r.Window, r.ReadAt, r.Attempt)
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
		return offline.Build{}, fmt.Errorf("write tiles of %v: %w (and dropping them: %w)", r.Window, err, abort)
	}
	return offline.Build{}, fmt.Errorf("write tiles of %v: %w", r.Window, err)
}
