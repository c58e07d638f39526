package materialize

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/record"
)

// tileRecord makes records of groups, as rows of the offline table.
type tileRecord struct {
	from    *builder
	columns *array.RecordBuilder
	keys    []array.Builder
	starts  *array.TimestampBuilder
	states  []array.Builder
	numbers []int32 // scratch: of the keys of a record's rows
}

func newTileRecord(from *builder, schema *arrow.Schema) *tileRecord {
	columns := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	keys := len(from.target.View.JoinKeys())
	return &tileRecord{
		from: from, columns: columns, keys: columns.Fields()[:keys],
		starts: columns.Field(keys).(*array.TimestampBuilder), states: columns.Fields()[keys+1:],
	}
}

// record returns one row for each of groups. The caller releases it.
func (r *tileRecord) record(groups []int32) (arrow.Record, error) {
	r.columns.Reserve(len(groups))
	start, interval := r.from.span.Start, r.from.target.View.Interval()
	r.numbers = r.numbers[:0]
	for _, group := range groups {
		pair := r.from.groups.pairs[group]
		r.starts.UnsafeAppend(arrow.Timestamp(start.Add(time.Duration(pair.tile) * interval)))
		r.numbers = append(r.numbers, pair.key)
	}
	for i, builder := range r.keys {
		if err := appendRows(builder, r.from.keyColumns[i], r.numbers); err != nil {
			return nil, err
		}
	}
	r.from.states.AppendColumns(groups, r.states)
	return r.columns.NewRecord(), nil
}

// appendRows appends rows of a column of join keys.
func appendRows(builder array.Builder, column arrow.Array, rows []int32) error {
	builder.Reserve(len(rows))
	switch b := builder.(type) {
	case *array.Int64Builder:
		values := column.(*array.Int64)
		for _, row := range rows {
			if values.IsNull(int(row)) {
				b.AppendNull()
				continue
			}
			b.UnsafeAppend(values.Value(int(row)))
		}
	case *array.StringBuilder:
		appendTexts(b, column.(*array.String), rows)
	default:
		return fmt.Errorf("%w: a column of type %s", record.ErrKey, builder.Type())
	}
	return nil
}

func appendTexts(b *array.StringBuilder, column *array.String, rows []int32) {
	offsets, text := column.ValueOffsets(), column.ValueBytes()
	if b.Len() == 0 {
		length := 0
		for _, row := range rows {
			length += int(offsets[row+1] - offsets[row])
		}
		b.ReserveData(length) // which later would copy all each time
	}
	for _, row := range rows {
		if column.IsNull(int(row)) {
			b.AppendNull()
			continue
		}
		b.BinaryBuilder.Append(text[offsets[row]-offsets[0] : offsets[row+1]-offsets[0]])
	}
}
