package materialize

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// tileRecord gathers tiles as rows of the offline table.
type tileRecord struct {
	from    *builder
	columns *array.RecordBuilder
	keys    []array.Builder
	starts  *array.TimestampBuilder
	states  []array.Builder
	groups  []int32 // of the rows; their states are appended column by column
}

func newTileRecord(from *builder, schema *arrow.Schema) *tileRecord {
	columns := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	keys := len(from.target.View.JoinKeys())
	return &tileRecord{
		from: from, columns: columns, keys: columns.Fields()[:keys],
		starts: columns.Field(keys).(*array.TimestampBuilder), states: columns.Fields()[keys+1:],
	}
}

// append takes tiles of one key.
func (r *tileRecord) append(key int32, tiles []keyTile) error {
	if len(r.groups) == 0 {
		r.columns.Reserve(recordRows)
	}
	values, err := record.DecodeKey(r.from.keys.key(key), r.from.target.View.JoinKeys())
	if err != nil {
		return err
	}
	for i, v := range values {
		if err := appendRepeated(r.keys[i], v, len(tiles)); err != nil {
			return err
		}
	}
	for _, t := range tiles {
		r.starts.Append(arrow.Timestamp(r.from.span.Start.Add(time.Duration(t.tile) * r.from.target.View.Interval())))
		r.groups = append(r.groups, t.group)
	}
	return nil
}

// flush hands the rows to write, if there are any, and starts over.
func (r *tileRecord) flush(write func(arrow.Record) error) error {
	if len(r.groups) == 0 {
		return nil
	}
	r.from.states.AppendColumns(r.groups, r.states)
	r.groups = r.groups[:0]
	rec := r.columns.NewRecord()
	defer rec.Release()
	return write(rec)
}

// appendRepeated appends a join key's value n times.
func appendRepeated(builder array.Builder, v feature.Value, n int) error {
	switch b := builder.(type) {
	case *array.Int64Builder:
		for range n {
			if v.IsNull() {
				b.AppendNull()
				continue
			}
			b.Append(v.Int64())
		}
	case *array.StringBuilder:
		for range n {
			if v.IsNull() {
				b.AppendNull()
				continue
			}
			b.Append(v.Text())
		}
	default:
		return fmt.Errorf("%w: %s cannot be stored in a column of type %s", record.ErrKey, v.Type(), builder.Type())
	}
	return nil
}
