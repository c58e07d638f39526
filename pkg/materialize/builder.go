package materialize

import (
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// recordRows is how many rows a record holds that goes to the offline writer.
const recordRows = 64 << 10

// maxTiles bounds the numbers of tiles and groups, which are 32 bits wide.
const maxTiles = 1 << 30

// builder folds the rows of a range of windows into tiles. A key's bytes are hashed
// once a row; only keys are sorted by their bytes, at the end.
type builder struct {
	target   *Target
	span     window.Interval
	maxBytes int64

	keys   *keyTable
	order  []int32 // numbers of keys, sorted; nil until rows are written
	groups groupTable
	states *aggregate.States

	// Scratch: the group of each row of a record, a key, and what one record takes.
	rowGroups []int32
	key       []byte
	tiles     []keyTile
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
func (b *builder) release() { idle.Put(b) }

// reset drops all rows for those of span, and keeps the memory.
func (b *builder) reset(span window.Interval) error {
	tiles := span.Count(b.target.View.Interval())
	if tiles > maxTiles {
		return fmt.Errorf("%w: %v has %d tiles, at most %d can be counted", ErrTooLarge, span, tiles, maxTiles)
	}
	b.span, b.order = span, nil
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
	interval := b.target.View.Interval().Microseconds()
	b.rowGroups = b.rowGroups[:0]
	for row, t := range times.TimestampValues() {
		at := window.Time(t)
		if !b.span.Contains(at) {
			return fmt.Errorf("row %d at %v lies outside %v", row, at, b.span)
		}
		b.key = encoder.Append(b.key[:0], row)
		if len(b.key) > record.MaxKeyBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are allowed", record.ErrKey, len(b.key), record.MaxKeyBytes)
		}
		b.rowGroups = append(b.rowGroups, b.groups.find(b.keys.find(b.key), int32(int64(at-b.span.Start)/interval)))
	}
	b.states.Grow(b.groups.numbered)
	b.states.Add(b.rowGroups, columns[len(fields)+1:])
	if size := b.bytes(); size > b.maxBytes || b.groups.numbered > maxTiles {
		return fmt.Errorf("%w: %d tiles of %d keys in %v take %d bytes, at most %d are allowed",
			ErrTooLarge, b.groups.numbered, b.keys.len(), b.span, size, b.maxBytes)
	}
	return nil
}

// bytes is a function of the rows alone, not of earlier builds: whether a window is
// too large must not be chance.
func (b *builder) bytes() int64 { return b.keys.bytes() + b.groups.bytes() + b.states.Bytes() }

// write hands the tiles of a window to write, sorted by key and tile start.
func (b *builder) write(w window.Interval, schema *arrow.Schema, write func(arrow.Record) error) error {
	if b.order == nil {
		b.order = b.keys.sorted()
	}
	out := newTileRecord(b, schema)
	defer out.columns.Release()
	interval := b.target.View.Interval()
	from, to := int32(w.Start.Sub(b.span.Start)/interval), int32(w.End.Sub(b.span.Start)/interval)
	for _, key := range b.order {
		b.tiles = b.groups.appendTiles(b.tiles[:0], key, from, to)
		for tiles := b.tiles; len(tiles) > 0; {
			n := min(len(tiles), recordRows-len(out.groups))
			if err := out.append(key, tiles[:n]); err != nil {
				return err
			}
			tiles = tiles[n:]
			if len(out.groups) == recordRows {
				if err := out.flush(write); err != nil {
					return err
				}
			}
		}
	}
	return out.flush(write)
}
