package delta

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/record"
)

// pick returns the given rows of rec, in their order, as a record of its own.
func pick(rec arrow.Record, rows []int32) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, rec.NumCols())
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	for i, column := range rec.Columns() {
		picked, err := record.Take(column, rows) // Arrow's grows texts value by value
		if err != nil {
			return nil, fmt.Errorf("pick rows of column %s: %w", rec.ColumnName(i), err)
		}
		columns = append(columns, picked)
	}
	return array.NewRecord(rec.Schema(), columns, int64(len(rows))), nil
}
