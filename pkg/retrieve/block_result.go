package retrieve

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/record"
)

// resultRows bounds the rows of a record of the result.
const resultRows = 64 << 10

// results are the features of a block's rows of one view.
type results struct {
	places []record.Place // by row, in the columns

	mutex   sync.Mutex
	columns [][]arrow.Array // by feature of the part, then by batch
	room    *atomic.Int64   // bytes that the results of all views may still take
}

func newResults(rows, features int, room *atomic.Int64) *results {
	r := &results{places: make([]record.Place, rows), columns: make([][]arrow.Array, features), room: room}
	for i := range r.places {
		r.places[i] = -1
	}
	return r
}

// add takes the features of a batch, whose rows are those of the entries. Batches
// may be added at a time, as no two have a row in common. errBlockFull is returned
// when there is no room, unless the block has one row.
func (r *results) add(entries []entry, features []arrow.Array) error {
	var bytes int64
	for _, column := range features {
		bytes += columnBytes(column)
	}
	if r.room.Add(-bytes) < 0 && len(r.places) > 1 {
		return errBlockFull
	}
	r.mutex.Lock()
	number := int32(len(r.columns[0]))
	for i, column := range features {
		r.columns[i] = append(r.columns[i], column)
	}
	r.mutex.Unlock()
	for i, e := range entries {
		r.places[e.row] = record.PlaceOf(number, int32(i))
	}
	return nil
}

// appendTo appends the features of the rows from..to, in their order.
func (r *results) appendTo(columns []arrow.Array, p *part, from, to int) ([]arrow.Array, error) {
	for i, batches := range r.columns {
		var column arrow.Array
		var err error
		if len(batches) == 0 {
			column = nulls(p.types[i], to-from)
		} else if column, err = record.TakeChunks(batches, r.places[from:to]); err != nil {
			return nil, fmt.Errorf("features of view %s: %w", p.Target.View.Name, err)
		}
		columns = append(columns, column)
	}
	return columns, nil
}

func nulls(t arrow.DataType, rows int) arrow.Array {
	return array.MakeArrayOfNull(memory.DefaultAllocator, t, rows)
}

// write hands the rows of a block with their features to fn. Records of the spine
// may be small, so features are taken for many of them at a time.
func (j *join) write(ctx context.Context, b *block, all []*results) error {
	var features []arrow.Array
	from, to := 0, 0 // the rows that features are of
	first := 0       // of the record
	for _, rec := range b.records {
		for at := 0; at < int(rec.NumRows()); {
			if err := ctx.Err(); err != nil {
				return err
			}
			if first+at == to {
				var err error
				if features, err = j.take(all, to, min(b.rows, to+resultRows)); err != nil {
					return err
				}
				from, to = to, min(b.rows, to+resultRows)
			}
			n := min(int(rec.NumRows())-at, to-first-at)
			if err := j.writeRows(rec.NewSlice(int64(at), int64(at+n)), features, first+at-from); err != nil {
				return err
			}
			at += n
		}
		first += int(rec.NumRows())
	}
	return nil
}

func (j *join) take(all []*results, from, to int) (features []arrow.Array, err error) {
	for i, r := range all {
		if features, err = r.appendTo(features, j.parts[i], from, to); err != nil {
			return nil, err
		}
	}
	return features, nil
}

// writeRows hands rows of the spine to fn with as many features from one on.
func (j *join) writeRows(rows arrow.Record, features []arrow.Array, from int) error {
	defer rows.Release()
	columns := slices.Clone(rows.Columns())
	for _, column := range features {
		part := array.NewSlice(column, int64(from), int64(from)+rows.NumRows())
		defer part.Release()
		columns = append(columns, part)
	}
	rec := array.NewRecord(j.schema, columns, rows.NumRows())
	defer rec.Release()
	return j.fn(rec)
}
