package delta

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// columnReader yields the values of one column.
type columnReader interface {
	// enter goes to the start of a row group.
	enter(ctx context.Context, group int) error
	// next returns the values of so many rows, which the row group still has.
	next(rows int) (arrow.Array, error)
	// leave gives up what is left of the row group.
	leave()
}

// newColumn returns a reader of a field of the table's schema. Arrow's readers take
// several times as long as decoding does, so they only read what flatColumn cannot.
func (r *reader) newColumn(field int) columnReader {
	of := r.spec.Schema.Field(field).Type
	if in := r.parquet.Manifest.Fields[field]; in.ColIndex >= 0 && len(in.Children) == 0 {
		descr := r.file.MetaData().Schema.Column(in.ColIndex)
		if values := valuesOf(of, descr.PhysicalType()); values != nil && descr.MaxRepetitionLevel() == 0 && descr.MaxDefinitionLevel() <= 1 {
			return &flatColumn{reader: r, leaf: in.ColIndex, of: of, nullable: descr.MaxDefinitionLevel() == 1, values: values}
		}
	}
	return &arrowColumn{reader: r, field: field}
}

// valuesOf returns a decoder of values of a type that are stored as another; nil: there is none.
func valuesOf(of arrow.DataType, stored parquet.Type) pageValues {
	switch of.ID() {
	case arrow.BOOL:
		if stored == parquet.Types.Boolean {
			return &boolValues{}
		}
	case arrow.INT32:
		if stored == parquet.Types.Int32 {
			return &fixedValues[uint32]{bytes: arrow.Uint32Traits.CastToBytes}
		}
	case arrow.FLOAT32:
		if stored == parquet.Types.Float {
			return &fixedValues[uint32]{bytes: arrow.Uint32Traits.CastToBytes}
		}
	case arrow.INT64, arrow.TIMESTAMP:
		if stored == parquet.Types.Int64 {
			return &fixedValues[uint64]{bytes: arrow.Uint64Traits.CastToBytes}
		}
	case arrow.FLOAT64:
		if stored == parquet.Types.Double {
			return &fixedValues[uint64]{bytes: arrow.Uint64Traits.CastToBytes}
		}
	case arrow.STRING, arrow.BINARY:
		if stored == parquet.Types.ByteArray {
			return &textValues{}
		}
	}
	return nil
}

// arrowColumn reads a column of any type by Arrow's reader.
//
// Not by GetRecordReader: it opens columns in goroutines of its own, where a panic
// over a damaged page could not be caught.
type arrowColumn struct {
	reader *reader
	field  int
	column *pqarrow.ColumnReader
}

func (c *arrowColumn) enter(ctx context.Context, group int) (err error) {
	leaves := map[int]bool{}
	for i := range c.reader.file.MetaData().Schema.NumColumns() {
		leaves[i] = true
	}
	c.column, err = c.reader.parquet.GetFieldReader(ctx, c.field, leaves, []int{group})
	return err
}

func (c *arrowColumn) next(rows int) (arrow.Array, error) {
	chunks, err := c.column.NextBatch(int64(rows))
	if err != nil {
		return nil, err
	}
	defer chunks.Release()
	var column arrow.Array
	switch parts := chunks.Chunks(); len(parts) {
	case 0:
		return nil, io.ErrUnexpectedEOF
	case 1:
		column = parts[0]
		column.Retain()
	default:
		if column, err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			return nil, err
		}
	}
	if column.Len() != rows {
		defer column.Release()
		return nil, fmt.Errorf("%d rows, want %d", column.Len(), rows)
	}
	return column, nil
}

func (c *arrowColumn) leave() {
	if c.column != nil {
		c.column.Release()
		c.column = nil
	}
}
