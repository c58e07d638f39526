package materialize

import (
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// recordRows is how many rows a record holds that goes to the offline writer.
const recordRows = 64 << 10

// maxTiles bounds the numbers of tiles and groups, which are 32 bits wide; those of a
// record come on top.
const maxTiles = 1 << 30

// maxKeyText bounds the keys' bytes, which 32-bit offsets of a column must reach;
// those of a record come on top.
const maxKeyText = 1 << 30

// builder folds the rows of a range of windows into tiles. A key's bytes are hashed
// once a row; only keys are sorted by their bytes, at the end. When the tiles take
// more than maxBytes they go to disk as a sorted run, which the next ones begin anew.
type builder struct {
	target   *Target
	span     window.Interval
	maxBytes int64
	texts    []int // see keptTexts

	keys   *keyTable
	groups groupTable
	states *aggregate.States

	runs   *spill.Runs
	merged *tileMerge // of runs; nil before the first write, and without runs

	// The keys' values by number: in keyValues, and once rows are written in keyColumns.
	// With runs they are not needed.
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

func newBuilder(t *Target, maxBytes int64, runs *spill.Runs) *builder {
	b, ok := idle.Get().(*builder)
	if !ok || b.maxBytes > maxBytes || !slices.Equal(b.target.Layout.Partials(), t.Layout.Partials()) {
		b = &builder{keys: newKeyTable(), states: t.Layout.NewStates()}
	}
	b.target, b.maxBytes, b.runs, b.texts = t, maxBytes, runs, keptTexts(t.Layout)
	return b
}

// release ends the use of the builder.
func (b *builder) release() {
	b.runs.Close()
	b.keyValues, b.keyColumns, b.runs, b.merged = nil, nil, nil, nil
	idle.Put(b)
}

// reset drops all rows for those of span, and keeps the memory.
func (b *builder) reset(span window.Interval) error {
	tiles := span.Count(b.target.View.Interval())
	if tiles > maxTiles {
		return fmt.Errorf("%w: %v has %d tiles, at most %d can be counted", ErrTooLarge, span, tiles, maxTiles)
	}
	b.span = span
	b.keyValues = array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(b.target.Keys))
	b.keyColumns, b.merged = nil, nil
	b.runs.Close()
	b.empty()
	return nil
}

// empty drops all tiles in memory.
func (b *builder) empty() {
	b.keys.reset()
	b.groups.reset(b.span.Count(b.target.View.Interval()))
	b.states.Reset()
}

// add folds the rows of a record whose columns are the table's keys, the
// timestamp, and the layout's inputs.
func (b *builder) add(rec arrow.Record) error {
	fields := b.target.Keys
	columns := rec.Columns()
	encoder, err := record.NewKeyEncoder(fields, columns[:len(fields)])
	if err != nil {
		return err
	}
	times, ok := columns[len(fields)].(*array.Timestamp)
	if !ok {
		return fmt.Errorf("column %s has type %s, want a timestamp", b.target.View.TimestampField, columns[len(fields)].DataType())
	}
	inputs := columns[len(fields)+1:]
	for _, i := range b.texts {
		if err := checkTexts(rec.ColumnName(len(fields)+1+i), inputs[i]); err != nil {
			return err
		}
	}
	b.rowGroups, b.newRows = b.rowGroups[:0], b.newRows[:0]
	for values, from := times.TimestampValues(), 0; from < len(values); from += batchRows {
		if err := b.find(encoder, values, from, min(from+batchRows, len(values))); err != nil {
			return err
		}
	}
	if b.runs.Len() == 0 {
		for i, values := range b.keyValues.Fields() {
			if err := appendRows(values, columns[i], b.newRows); err != nil {
				return err
			}
		}
	}
	b.states.Grow(b.groups.len())
	b.states.Add(b.rowGroups, times.TimestampValues(), inputs)
	if b.bytes() > b.maxBytes || b.groups.len() > maxTiles || len(b.keys.text) > maxKeyText {
		return b.spill()
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

// bytes is a function of the rows alone, not of earlier builds.
func (b *builder) bytes() int64 { return b.keys.bytes() + b.groups.bytes() + b.states.Bytes() }

// write hands the tiles of a window to write, sorted by key and tile start. How they
// are cut into records depends on them alone.
func (b *builder) write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error {
	out := newTileRecord(b.target, b.span.Start, schema, write)
	defer out.columns.Release()
	var err error
	if b.runs.Len() > 0 {
		err = b.writeMerged(w, out)
	} else {
		err = b.writeGroups(w, out)
	}
	if err != nil {
		return err
	}
	return out.flush()
}

// writeGroups adds the tiles of a window, all of which are in memory.
func (b *builder) writeGroups(w window.Interval, out *tileRecord) error {
	if b.keyColumns == nil {
		b.sort()
		for _, values := range b.keyValues.Fields() {
			b.keyColumns = append(b.keyColumns, values.NewArray())
		}
	}
	rest := b.order.within(b.tilesOf(w))
	for len(rest) > 0 {
		out.reserve(len(rest))
		groups := rest[:min(out.step, len(rest))]
		b.numbers = b.numbers[:0]
		for _, group := range groups {
			pair := b.groups.pairs[group]
			out.addStart(pair.tile)
			b.numbers = append(b.numbers, pair.key)
		}
		for i, column := range b.keyColumns {
			if err := appendRows(out.keys[i], column, b.numbers); err != nil {
				return err
			}
		}
		if err := out.addStates(b.states, groups); err != nil {
			return err
		}
		rest = rest[len(groups):]
	}
	return nil
}

// tilesOf returns which tiles of the span a window has.
func (b *builder) tilesOf(w window.Interval) (from, to int32) {
	interval := b.target.View.Interval()
	return int32(w.Start.Sub(b.span.Start) / interval), int32(w.End.Sub(b.span.Start) / interval)
}

// sort puts the groups in order, for as long as no row is added.
func (b *builder) sort() {
	b.order.begin(b.groups.pairs, b.span.Count(b.target.View.Interval()), b.keys.sorted())
}
