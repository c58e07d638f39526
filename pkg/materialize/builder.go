package materialize

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// recordRows is how many rows a record holds that goes to the offline writer.
const recordRows = 64 << 10

// maxTiles bounds the numbers of tiles and groups, which are 32 bits wide.
const maxTiles = 1 << 30

// maxKeyText bounds the keys' bytes, which 32-bit offsets of a column must reach.
const maxKeyText = math.MaxInt32

// builder folds the rows of a range of windows into tiles. A key's bytes are hashed
// once a row; only keys are sorted by their bytes, at the end.
type builder struct {
	target   *Target
	span     window.Interval
	maxBytes int64

	keys   *keyTable
	groups groupTable
	states *aggregate.States

	// The keys' values by number: in keyValues, and once rows are written in keyColumns.
	keyValues  *array.RecordBuilder
	keyColumns []arrow.Array
	order      groupOrder

	// Scratch: of some rows the keys, their numbers, and the tiles; of a record those
	// rows whose keys are new, and the groups of all.
	batch     keyBatch
	numbers   []int32
	tiles     []int32
	newRows   []int32
	rowGroups []int32
}

// idle holds builders whose memory is there for the next build. The builds of a job
// are of one view, and to grow its tables anew each time costs about as much as to
// fold the rows. What nobody takes is freed by the garbage collector.
var idle sync.Pool

func newBuilder(t *Target, maxBytes int64) *builder {
	b, ok := idle.Get().(*builder)
	if !ok || b.maxBytes > maxBytes || !slices.Equal(b.target.Layout.Partials(), t.Layout.Partials()) {
		b = &builder{keys: newKeyTable(), states: t.Layout.NewStates()}
	}
	b.target, b.maxBytes = t, maxBytes
	return b
}

// release ends the use of the builder.
func (b *builder) release() {
	b.keyValues, b.keyColumns = nil, nil
	idle.Put(b)
}

// reset drops all rows for those of span, and keeps the memory.
func (b *builder) reset(span window.Interval) error {
	tiles := span.Count(b.target.View.Interval())
	if tiles > maxTiles {
		return fmt.Errorf("%w: %v has %d tiles, at most %d can be counted", ErrTooLarge, span, tiles, maxTiles)
	}
	b.span = span
	b.keyValues = array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(b.target.View.JoinKeys()))
	b.keyColumns = nil
	b.keys.reset()
	b.groups.reset(tiles)
	b.states.Reset()
	return nil
}

// add folds the rows of a record whose columns are the join keys, the
// timestamp, and the layout's inputs.
func (b *builder) add(rec arrow.Record) error {
	fields := b.target.View.JoinKeys()
	columns := rec.Columns()
	encoder, err := record.NewKeyEncoder(fields, columns[:len(fields)])
	if err != nil {
		return err
	}
	times, ok := columns[len(fields)].(*array.Timestamp)
	if !ok {
		return fmt.Errorf("column %s has type %s, want a timestamp", b.target.View.TimestampField, columns[len(fields)].DataType())
	}
	b.rowGroups, b.newRows = b.rowGroups[:0], b.newRows[:0]
	for values, from := times.TimestampValues(), 0; from < len(values); from += batchRows {
		if err := b.find(encoder, values, from, min(from+batchRows, len(values))); err != nil {
			return err
		}
	}
	if size := len(b.keys.text); size > maxKeyText {
		return fmt.Errorf("%w: keys in %v take %d bytes, at most %d are allowed", ErrTooLarge, b.span, size, maxKeyText)
	}
	for i, values := range b.keyValues.Fields() {
		if err := appendRows(values, columns[i], b.newRows); err != nil {
			return err
		}
	}
	b.states.Grow(b.groups.len())
	b.states.Add(b.rowGroups, times.TimestampValues(), columns[len(fields)+1:])
	if size := b.bytes(); size > b.maxBytes || b.groups.len() > maxTiles {
		return fmt.Errorf("%w: %d tiles of %d keys in %v take %d bytes, at most %d are allowed",
			ErrTooLarge, b.groups.len(), b.keys.len(), b.span, size, b.maxBytes)
	}
	return nil
}

// batchRows is how many keys are looked up at once: their bytes stay in the cache.
const batchRows = 1 << 10

// find appends the groups of some rows of a record to rowGroups.
func (b *builder) find(encoder *record.KeyEncoder, times []arrow.Timestamp, from, to int) error {
	b.batch.reset()
	for row := from; row < to; row++ {
		if n := b.batch.add(encoder, row); n > record.MaxKeyBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are allowed", record.ErrKey, n, record.MaxKeyBytes)
		}
	}
	known := b.keys.len()
	b.numbers = b.keys.findAll(b.numbers[:0], &b.batch)
	for i, key := range b.numbers {
		if int(key) == known {
			b.newRows = append(b.newRows, int32(from+i))
			known++
		}
	}
	b.tiles = b.tiles[:0]
	interval := b.target.View.Interval().Microseconds()
	for i, t := range times[from:to] {
		at := window.Time(t)
		if !b.span.Contains(at) {
			return fmt.Errorf("row %d at %v lies outside %v", from+i, at, b.span)
		}
		b.tiles = append(b.tiles, int32(int64(at-b.span.Start)/interval))
	}
	b.rowGroups = b.groups.findAll(b.rowGroups, b.numbers, b.tiles)
	return nil
}

// bytes is a function of the rows alone, not of earlier builds: whether a window is
// too large must not be chance.
func (b *builder) bytes() int64 { return b.keys.bytes() + b.groups.bytes() + b.states.Bytes() }

// write hands the tiles of a window to write, sorted by key and tile start.
func (b *builder) write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error {
	if b.keyColumns == nil {
		b.sort()
	}
	out := newTileRecord(b, schema)
	defer out.columns.Release()
	interval := b.target.View.Interval()
	from, to := int32(w.Start.Sub(b.span.Start)/interval), int32(w.End.Sub(b.span.Start)/interval)
	for groups := range slices.Chunk(b.order.within(from, to), recordRows) {
		rec, err := out.record(groups)
		if err != nil {
			return err
		}
		err = write(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// sort ends the adding of rows: groups are written from here on.
func (b *builder) sort() {
	b.order.begin(b.groups.pairs, b.span.Count(b.target.View.Interval()), b.keys.sorted())
	for _, values := range b.keyValues.Fields() {
		b.keyColumns = append(b.keyColumns, values.NewArray())
	}
}
