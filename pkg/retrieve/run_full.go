package retrieve

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

func fullSchema(t *materialize.Target) (feature.Schema, error) {
	features, err := t.View.Features()
	schema := append(feature.Schema(t.View.JoinKeys()), feature.Field{Name: TimestampColumn, Type: feature.Timestamp})
	return append(schema, features...), err
}

// full hands the features at the ends of a run's tiles to fn.
func (r *Run) full(ctx context.Context, e *materialize.Engine, alone materialize.Alone, fn func(arrow.Record) error) error {
	var tiles runTiles
	defer tiles.release()
	if err := e.Tiles(ctx, r.target, alone, tiles.add); err != nil {
		return err
	}
	ends, err := newTileEnds(r, tiles.records, fn)
	if err != nil {
		return err
	}
	return ends.join(ctx)
}

// runTiles are tiles in memory.
type runTiles struct {
	records     []arrow.Record
	rows, bytes int64
}

func (t *runTiles) add(rec arrow.Record) error {
	t.rows += rec.NumRows()
	for _, column := range rec.Columns() {
		t.bytes += bufferBytes(column.Data())
	}
	if t.rows > maxRunRows || t.bytes > maxRunBytes {
		return fmt.Errorf("%w: it has more than %d tiles or %d bytes of them, take a shorter range", ErrRunTooLarge, maxRunRows, maxRunBytes)
	}
	rec.Retain()
	t.records = append(t.records, rec)
	return nil
}

func (t *runTiles) release() {
	for _, rec := range t.records {
		rec.Release()
	}
}

func bufferBytes(data arrow.ArrayData) (total int64) {
	for _, buffer := range data.Buffers() {
		if buffer != nil {
			total += int64(buffer.Len())
		}
	}
	for _, child := range data.Children() {
		total += bufferBytes(child)
	}
	return total
}

// tileEnds joins tiles with the times at which they end, some entities at a time.
type tileEnds struct {
	run     *Run
	records []arrow.Record // sorted by key and start
	fn      func(arrow.Record) error
	joiner  joiner
	columns []int // of the records that the joiner takes
	starts  int   // the column of times

	batch  keyBatch
	keys   []record.Place // by row of the batch: a tile of its entity
	parts  []tilePart
	entity int // of the batch, in batch.times: its first row
}

// tilePart is the rows of a record that a batch has, and of which of its keys they are.
type tilePart struct {
	record     int
	rows, keys []int32
}

func newTileEnds(r *Run, records []arrow.Record, fn func(arrow.Record) error) (*tileEnds, error) {
	// An edge is any microsecond, whatever the schedule, and data is never late or early.
	exact := *r.target
	exact.View.BatchSchedule = feature.Duration(time.Microsecond)
	exact.View.FeatureStartTime, exact.View.LifetimeStartTime = window.MinTime, window.MinTime
	exact.View.Sources = slices.Clone(exact.View.Sources)
	for i := range exact.View.Sources {
		exact.View.Sources[i].BatchConfig.DataDelay = 0
	}
	features := make([]int, len(exact.View.FeatureNames()))
	for i := range features {
		features[i] = i
	}
	joiner, err := newWindows(&exact, features)
	if err != nil {
		return nil, err
	}
	t := &tileEnds{run: r, records: records, fn: fn, joiner: joiner, starts: len(r.target.Keys)}
	for i := range t.starts + 1 {
		t.columns = append(t.columns, i)
	}
	for _, name := range joiner.columns() {
		field := slices.IndexFunc(r.target.Layout.Fields(), func(f arrow.Field) bool { return f.Name == name })
		t.columns = append(t.columns, t.starts+1+field)
	}
	return t, nil
}

func (t *tileEnds) join(ctx context.Context) error {
	fields := t.run.target.View.JoinKeys()
	interval := t.run.target.View.Interval()
	var key, last []byte
	for n, rec := range t.records {
		encoder, err := record.NewKeyEncoder(fields, rec.Columns()[:len(fields)])
		if err != nil {
			return err
		}
		for row, start := range rec.Column(t.starts).(*array.Timestamp).TimestampValues() {
			key = encoder.Append(key[:0], row)
			if len(last) == 0 || !bytes.Equal(key, last) {
				if err := t.next(ctx); err != nil {
					return err
				}
				last = append(last[:0], key...)
			}
			t.add(n, row, window.Time(start).Add(interval))
		}
	}
	t.endEntity()
	return t.flush(ctx)
}

// next begins with another entity, and another batch if it is time.
func (t *tileEnds) next(ctx context.Context) error {
	t.endEntity()
	if len(t.batch.times) >= batchRows {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	t.batch.firsts = append(t.batch.firsts, int32(len(t.batch.times)))
	return nil
}

// add adds a tile of the entity.
func (t *tileEnds) add(n, row int, end window.Time) {
	if len(t.parts) == 0 || t.parts[len(t.parts)-1].record != n {
		t.parts = append(t.parts, tilePart{record: n})
	}
	part := &t.parts[len(t.parts)-1]
	part.rows = append(part.rows, int32(row))
	part.keys = append(part.keys, int32(len(t.batch.firsts)-1))
	t.batch.times = append(t.batch.times, end)
	t.keys = append(t.keys, record.PlaceOf(int32(n), int32(row)))
}

// endEntity leaves one row for each time: tiles of different secondary keys may end
// together.
func (t *tileEnds) endEntity() {
	own := t.batch.times[t.entity:]
	slices.Sort(own)
	t.batch.times = t.batch.times[:t.entity+len(slices.Compact(own))]
	t.entity = len(t.batch.times)
	t.keys = t.keys[:t.entity]
}

// flush hands the features of the batch to fn.
func (t *tileEnds) flush(ctx context.Context) error {
	if len(t.batch.times) == 0 {
		return nil
	}
	t.batch.firsts = append(t.batch.firsts, int32(len(t.batch.times)))
	t.joiner.begin(&t.batch)
	for _, part := range t.parts {
		if err := t.addPart(part); err != nil {
			return err
		}
	}
	features, err := t.joiner.end()
	if err != nil {
		return err
	}
	if err := t.write(features); err != nil {
		return err
	}
	t.batch.firsts, t.batch.times = t.batch.firsts[:0], t.batch.times[:0]
	t.parts, t.keys, t.entity = t.parts[:0], t.keys[:0], 0
	return ctx.Err()
}

func (t *tileEnds) addPart(part tilePart) error {
	from := t.records[part.record]
	var fields []arrow.Field
	var columns []arrow.Array
	for _, i := range t.columns {
		fields, columns = append(fields, from.Schema().Field(i)), append(columns, from.Column(i))
	}
	rec := array.NewRecord(arrow.NewSchema(fields, nil), columns, from.NumRows())
	defer rec.Release()
	return t.joiner.add(rec, part.rows, part.keys)
}

// write releases the features.
func (t *tileEnds) write(features []arrow.Array) error {
	var columns []arrow.Array
	defer func() {
		for _, column := range append(columns, features...) {
			column.Release()
		}
	}()
	for i := range t.run.target.View.JoinKeys() {
		chunks := make([]arrow.Array, len(t.records))
		for n, rec := range t.records {
			chunks[n] = rec.Column(i)
		}
		column, err := record.TakeChunks(chunks, t.keys)
		if err != nil {
			return err
		}
		columns = append(columns, column)
	}
	columns = append(columns, timeColumn(t.batch.times))
	rec := array.NewRecord(record.ArrowSchema(t.run.Schema), append(slices.Clone(columns), features...), int64(len(t.batch.times)))
	defer rec.Release()
	return t.fn(rec)
}
