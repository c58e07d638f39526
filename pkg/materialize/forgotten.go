package materialize

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// forgotten leaves out of a view's rows those that deletions hold back.
type forgotten struct {
	filter   *forget.Filter // nil: nothing is held back
	joinKeys []feature.Field
	time     int    // column of a record
	key      []byte // scratch
}

func (e *Engine) loadForgotten(ctx context.Context, t *Target) (*forgotten, error) {
	f := &forgotten{joinKeys: t.View.JoinKeys(), time: len(t.Keys)}
	if e.Fences == nil {
		return f, nil
	}
	var err error
	if f.filter, err = e.Fences.Load(ctx, t.Workspace, t.View.Name, f.joinKeys); err != nil {
		return nil, fmt.Errorf("what is held back of %s: %w", t.View.Name, err)
	}
	return f, nil
}

// keep hands the rows of a record on that are not held back. Its columns are the table's
// keys, the timestamp, and others.
func (f *forgotten) keep(rec arrow.Record, next func(arrow.Record) error) error {
	if f.filter == nil {
		return next(rec)
	}
	columns := rec.Columns()
	keys, err := record.NewKeyEncoder(f.joinKeys, columns[:len(f.joinKeys)])
	if err != nil {
		return err
	}
	times, ok := columns[f.time].(*array.Timestamp)
	if !ok {
		return fmt.Errorf("column %s has type %s, want a timestamp", rec.ColumnName(f.time), columns[f.time].DataType())
	}
	kept := make([]int32, 0, rec.NumRows())
	for row, at := range times.TimestampValues() {
		f.key = keys.Append(f.key[:0], row)
		if !f.filter.Drops(f.key, window.Time(at)) {
			kept = append(kept, int32(row))
		}
	}
	if len(kept) == int(rec.NumRows()) {
		return next(rec)
	}
	rest, err := record.TakeRecord(rec, kept)
	if err != nil {
		return err
	}
	defer rest.Release()
	return next(rest)
}
