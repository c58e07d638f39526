package retrieve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// column returns the place of a column that is needed for something.
func (s Spine) column(name, purpose string) (int, error) {
	if i := slices.Index(s.Schema.Names(), name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%w: no column %q for %s", ErrSpine, name, purpose)
}

// timeColumn returns the place of the instants.
func (s Spine) timeColumn() (int, error) {
	i, err := s.column(s.Time, "the time")
	if err == nil && s.Schema[i].Type != feature.Timestamp {
		err = fmt.Errorf("%w: column %q is %s, the time must be %s", ErrSpine, s.Time, s.Schema[i].Type, feature.Timestamp)
	}
	return i, err
}

// keyColumns returns the places of a part's join keys. Int32 may stand for Int64.
func (s Spine) keyColumns(p Part) ([]int, error) {
	keys := p.Target.View.JoinKeys()
	if len(p.Keys) != len(keys) {
		return nil, fmt.Errorf("%d columns are named for the %d join keys of view %s", len(p.Keys), len(keys), p.Target.View.Name)
	}
	columns := make([]int, len(keys))
	for i, key := range keys {
		purpose := fmt.Sprintf("join key %q of view %s", key.Name, p.Target.View.Name)
		var err error
		if columns[i], err = s.column(p.Keys[i], purpose); err != nil {
			return nil, err
		}
		got := s.Schema[columns[i]].Type
		if got != key.Type && (got != feature.Int32 || key.Type != feature.Int64) {
			return nil, fmt.Errorf("%w: column %q is %s, %s is %s", ErrSpine, p.Keys[i], got, purpose, key.Type)
		}
	}
	return columns, nil
}

// checkNames refuses a result of which two columns have one name.
func (s Spine) checkNames(parts []Part) error {
	owners := make(map[string]string)
	claim := func(name, owner string) error {
		if other, taken := owners[name]; taken {
			return fmt.Errorf("%w: %q is the name of a column of %s and of one of %s", ErrSpine, name, other, owner)
		}
		owners[name] = owner
		return nil
	}
	for _, field := range s.Schema {
		if err := claim(field.Name, "the spine"); err != nil {
			return err
		}
	}
	for _, p := range parts {
		for _, column := range p.Features {
			if err := claim(column.Name, "view "+p.Target.View.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// spineReader checks the records of a spine.
type spineReader struct {
	spine  Spine
	schema *arrow.Schema
}

// each hands the records that have rows to fn.
func (r *spineReader) each(ctx context.Context, fn func(arrow.Record) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := r.spine.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the spine: %w", err)
		}
		if err := r.check(rec); err != nil {
			return err
		}
		if rec.NumRows() == 0 {
			continue
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
}

func (r *spineReader) check(rec arrow.Record) error {
	if int(rec.NumCols()) != r.schema.NumFields() {
		return fmt.Errorf("%w: a record has %d columns, want %d", ErrSpine, rec.NumCols(), r.schema.NumFields())
	}
	for i, column := range rec.Columns() {
		if want := r.schema.Field(i); !arrow.TypeEqual(column.DataType(), want.Type) {
			return fmt.Errorf("%w: column %q has type %s, want %s", ErrSpine, want.Name, column.DataType(), want.Type)
		}
	}
	return nil
}

// keyEncoder returns what encodes the join keys of a record's rows.
func keyEncoder(keys []feature.Field, rec arrow.Record, columns []int) (*record.KeyEncoder, error) {
	values := make([]arrow.Array, len(keys))
	for i, column := range columns {
		values[i] = rec.Column(column)
		if narrow, ok := values[i].(*array.Int32); ok && keys[i].Type == feature.Int64 {
			values[i] = widen(narrow)
		}
	}
	return record.NewKeyEncoder(keys, values)
}

// widen returns an Int32 column as Int64.
func widen(column *array.Int32) arrow.Array {
	wide := array.NewInt64Builder(memory.DefaultAllocator)
	defer wide.Release()
	wide.Reserve(column.Len())
	for i, v := range column.Int32Values() {
		if column.IsNull(i) {
			wide.AppendNull()
		} else {
			wide.Append(int64(v))
		}
	}
	return wide.NewArray()
}

// cloneRecord copies a record, whose memory may be used again.
func cloneRecord(rec arrow.Record) (arrow.Record, error) {
	columns := make([]arrow.Array, rec.NumCols())
	for i, column := range rec.Columns() {
		var err error
		if columns[i], err = array.Concatenate([]arrow.Array{column}, memory.DefaultAllocator); err != nil {
			return nil, fmt.Errorf("copy column %q of the spine: %w", rec.ColumnName(i), err)
		}
	}
	return array.NewRecord(rec.Schema(), columns, rec.NumRows()), nil
}

// bounded keeps an instant within the times that can be reckoned with; beyond them
// nothing is stored.
func bounded(at arrow.Timestamp) window.Time {
	return min(max(window.Time(at), window.MinTime), window.MaxTime)
}
