package materialize

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// How many tiles are added to a record before its size is looked at. The more, the
// less it costs; but a tile with texts, lists or sketches may take a megabyte.
const (
	narrowStep = 8 << 10
	wideStep   = 256
)

func stepRows(l *aggregate.Layout) int {
	for _, p := range l.Partials() {
		switch p.Kind {
		case feature.PartialCount, feature.PartialSum, feature.PartialSumOfSquares:
			continue
		case feature.PartialMin, feature.PartialMax:
			if p.Type != feature.String {
				continue
			}
		}
		return wideStep
	}
	return narrowStep
}

// tileRecord makes records of tiles, as rows of the offline table, and hands them to
// write. A record ends with the step in which it has recordRows rows or about
// recordBytes.
type tileRecord struct {
	write    func(arrow.Record) error
	start    window.Time // of tile 0
	interval time.Duration
	step     int

	columns *array.RecordBuilder
	keys    []array.Builder
	starts  *array.TimestampBuilder
	states  []array.Builder
}

func newTileRecord(t *Target, start window.Time, schema *arrow.Schema, write func(arrow.Record) error) *tileRecord {
	columns := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	keys := len(t.Keys)
	return &tileRecord{
		write: write, start: start, interval: t.View.Interval(), step: stepRows(t.Layout),
		columns: columns, keys: columns.Fields()[:keys],
		starts: columns.Field(keys).(*array.TimestampBuilder), states: columns.Fields()[keys+1:],
	}
}

// reserve makes room for rows to come when the record is empty.
func (r *tileRecord) reserve(rows int) {
	if r.starts.Len() == 0 {
		r.columns.Reserve(min(rows, recordRows, recordBytes/8/len(r.columns.Fields())))
	}
}

// addKey adds an encoded key.
func (r *tileRecord) addKey(key []byte, fields []feature.Field) error {
	return record.AppendKeyColumns(r.keys, fields, key)
}

// addStart adds the start of a tile.
func (r *tileRecord) addStart(tile int32) {
	r.starts.Append(arrow.Timestamp(r.start.Add(time.Duration(tile) * r.interval)))
}

// addStates ends a step, of as many tiles as there are groups.
func (r *tileRecord) addStates(states *aggregate.States, groups []int32) error {
	states.AppendColumns(groups, r.states)
	if r.starts.Len() < recordRows && r.bytes() < recordBytes {
		return nil
	}
	return r.flush()
}

// bytes is about what the record takes.
func (r *tileRecord) bytes() (total int) {
	for _, column := range r.columns.Fields() {
		total += builderBytes(column)
	}
	return total
}

func builderBytes(b array.Builder) int {
	switch b := b.(type) {
	case *array.StringBuilder:
		return 8*b.Len() + b.DataLen()
	case *array.BinaryBuilder:
		return 8*b.Len() + b.DataLen()
	case *array.ListBuilder:
		return 8*b.Len() + builderBytes(b.ValueBuilder())
	}
	return 8 * b.Len()
}

// flush ends the record, unless it is empty.
func (r *tileRecord) flush() error {
	if r.starts.Len() == 0 {
		return nil
	}
	rec := r.columns.NewRecord()
	defer rec.Release()
	return r.write(rec)
}

// appendRows appends rows of a column of keys.
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
