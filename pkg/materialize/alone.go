package materialize

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// Alone is one run of a view's SQL, for itself: nothing is stored.
type Alone struct {
	Interval window.Interval // of the SQL, which may be of any length; rows outside it are dropped
	// Mocks stand for sources, by name: Parquet files with all columns of the source.
	// Sources without one are read.
	Mocks      map[string][]source.File
	OnProgress func(Progress) // as of a BuildRequest; may be nil
}

// Rows hands the rows of a run to fn, in no particular order, as records of the
// columns. Errors are those of transform.Engine and source.Batch, and fn's.
func (e *Engine) Rows(ctx context.Context, t *Target, a Alone, columns feature.Schema, fn func(arrow.Record) error) error {
	options := e.Options.withDefaults()
	tables, err := e.tables(ctx, t, a)
	if err != nil {
		return err
	}
	query := transform.Query{
		SQL: t.View.Transformation, Tables: tables,
		Output: columns, TimestampField: t.View.TimestampField, Interval: a.Interval,
		Limits: transform.Limits{MemoryBytes: options.MemoryBytes, Threads: options.Threads, TempDir: options.ScratchDir},
	}
	if a.OnProgress != nil {
		query.OnProgress = func(p transform.Progress) { a.OnProgress(Progress{Rows: p.Rows, Fraction: p.Fraction}) }
	}
	if _, err := e.Transform.Run(ctx, query, fn); err != nil {
		return fmt.Errorf("transform %s %v: %w", t.View.Name, a.Interval, err)
	}
	return nil
}

// Tiles hands the tiles of a run to fn, sorted by key and start, as records of the
// offline table's columns. The last tile ends with the interval, whatever tiles are
// stored, and the first may begin before it.
func (e *Engine) Tiles(ctx context.Context, t *Target, a Alone, fn func(arrow.Record) error) error {
	output, err := t.View.OutputSchema()
	if err != nil {
		return err
	}
	options := e.Options.withDefaults()
	spilled := spill.New(spill.Options{Dir: options.ScratchDir, MaxBytes: options.ScratchBytes, Stop: ctx.Err})
	tiles := newBuilder(t, options.BuilderBytes, spilled)
	defer tiles.release()
	span := TileSpan(t.View, a.Interval)
	if err := tiles.reset(span); err != nil {
		return err
	}
	if err := e.Rows(ctx, t, a, output, tiles.add); err != nil {
		return err
	}
	return tiles.write(span, t.Table(span.End).Schema, func(rec arrow.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(rec)
	})
}

// TileSpan returns the interval, begun early enough to be whole tiles of the view.
func TileSpan(view feature.View, i window.Interval) window.Interval {
	tile := view.Interval()
	n := (i.End.Sub(i.Start) + tile - 1) / tile
	return window.Interval{Start: i.End.Add(-n * tile), End: i.End}
}

// tables returns the view's sources as the SQL of an interval sees them: each from
// as much before it as the source's offset says.
func (e *Engine) tables(ctx context.Context, t *Target, a Alone) ([]transform.Table, error) {
	tables := make([]transform.Table, len(t.View.Sources))
	for i, s := range t.View.Sources {
		visible := s.Visible(a.Interval)
		tables[i] = transform.Table{
			Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField, Interval: visible,
			Format: s.BatchConfig.FileFormat,
		}
		if files, mocked := a.Mocks[s.Name]; mocked {
			tables[i].Format, tables[i].Files = feature.Parquet, files
			continue
		}
		files, err := e.Sources.Files(ctx, s.BatchSource, visible)
		if err != nil {
			return nil, err
		}
		tables[i].Files = files.Files
	}
	return tables, nil
}
