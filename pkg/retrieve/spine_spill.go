package retrieve

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/record"
)

// A spilled row of the spine has as its key the values of the first view's join keys
// and the time, which order as they do, and its number; as its value all it has.

// mergedRows bounds the rows of a record of a block that was merged.
const mergedRows = 4 << 10

// spineSorter sorts a spine on disk.
type spineSorter struct {
	schema  feature.Schema
	columns []int // by which it is sorted
	runs    *spill.Runs
	rows    uint64
}

func newSpineSorter(ctx context.Context, o Options, schema feature.Schema, columns []int) *spineSorter {
	runs := spill.New(spill.Options{Dir: o.ScratchDir, MaxBytes: o.ScratchBytes, Stop: ctx.Err})
	return &spineSorter{schema: schema, columns: columns, runs: runs}
}

// add writes the rows of a block as a run.
func (s *spineSorter) add(b *block) error {
	keys, order, err := s.order(b)
	if err != nil {
		return err
	}
	values := make([]*record.RowEncoder, len(b.records))
	firsts := make([]int, len(b.records))
	first := 0
	for i, rec := range b.records {
		if values[i], err = record.NewRowEncoder(s.schema, rec.Columns()); err != nil {
			return err
		}
		firsts[i] = first
		first += int(rec.NumRows())
	}
	return s.runs.Add(func(add func(key, value []byte) error) error {
		var value []byte
		for _, row := range order {
			of, found := slices.BinarySearch(firsts, int(row))
			if !found {
				of--
			}
			value = values[of].Append(value[:0], int(row)-firsts[of])
			if err := add(keys.key(int(row)), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// order returns the keys of a block's rows, and the rows in their order.
func (s *spineSorter) order(b *block) (*keyList, []int32, error) {
	keys, err := s.keys(b)
	if err != nil {
		return nil, nil, err
	}
	order := make([]int32, b.rows)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int { return bytes.Compare(keys.key(int(x)), keys.key(int(y))) })
	return keys, order, nil
}

func (s *spineSorter) keys(b *block) (*keyList, error) {
	out := &keyList{}
	fields := make([]feature.Field, len(s.columns))
	for i, column := range s.columns {
		fields[i] = s.schema[column]
	}
	var key []byte
	for _, rec := range b.records {
		columns := make([]arrow.Array, len(s.columns))
		for i, column := range s.columns {
			columns[i] = rec.Column(column)
		}
		encoder, err := record.NewRowEncoder(fields, columns)
		if err != nil {
			return nil, err
		}
		for row := range int(rec.NumRows()) {
			key = binary.BigEndian.AppendUint64(encoder.Append(key[:0], row), s.rows)
			out.add(key)
			s.rows++
		}
	}
	return out, nil
}

// merge hands all rows in their order to fn, as blocks that are full. A block is
// valid until fn returns.
func (s *spineSorter) merge(full func(rows int, bytes int64) bool, fn func(*block) error) error {
	merged, err := s.runs.Merge()
	if err != nil {
		return fmt.Errorf("merge the sorted spine: %w", err)
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(s.schema))
	defer builder.Release()
	for !merged.Done() {
		b, err := s.fill(merged, builder, full)
		if err != nil {
			return fmt.Errorf("read the sorted spine: %w", err)
		}
		err = fn(b)
		b.release()
		if err != nil {
			return err
		}
	}
	return nil
}

// fill returns the next block. It has a row at least.
func (s *spineSorter) fill(merged *spill.Merge, builder *array.RecordBuilder, full func(rows int, bytes int64) bool) (*block, error) {
	b := &block{}
	var values []feature.Value
	var err error
	var bytes int64
	for rows := 0; !merged.Done() && (rows == 0 || !full(rows, bytes)); {
		if values, err = record.DecodeRow(values[:0], merged.Value(), s.schema); err != nil {
			return nil, err
		}
		if err := record.AppendColumns(builder.Fields(), values); err != nil {
			return nil, err
		}
		bytes += int64(len(merged.Value()))
		if err := merged.Next(); err != nil {
			return nil, err
		}
		if rows++; rows%mergedRows == 0 {
			b.add(builder.NewRecord())
		}
	}
	if rec := builder.NewRecord(); rec.NumRows() > 0 {
		b.add(rec)
	}
	return b, nil
}
