package delta

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/compute"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// pick returns the given rows of rec, in their order, as a record of its own.
func pick(rec arrow.Record, rows []int32) (arrow.Record, error) {
	builder := array.NewInt32Builder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(rows, nil)
	indices := builder.NewArray()
	defer indices.Release()

	columns := make([]arrow.Array, 0, rec.NumCols())
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	for i, column := range rec.Columns() {
		//nolint:forbidigo // a computation in memory: nothing to cancel
		picked, err := compute.TakeArray(context.Background(), column, indices)
		if err != nil {
			return nil, fmt.Errorf("pick rows of column %s: %w", rec.ColumnName(i), err)
		}
		columns = append(columns, picked)
	}
	return array.NewRecord(rec.Schema(), columns, int64(len(rows))), nil
}
