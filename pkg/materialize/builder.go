package materialize

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// recordRows is how many rows a record holds that goes to the offline writer.
const recordRows = 64 << 10

// builder folds the rows of one window into tiles. Each key is hashed once a
// row; its tiles are found in a dense table, since a window has few of them,
// and only keys are sorted at the end.
type builder struct {
	target    *Target
	window    window.Interval
	maxGroups int

	keys   map[string]int32 // encoded key -> ordinal
	names  []string         // ordinal -> encoded key
	tiles  int              // tiles in the window
	groups []int32          // ordinal*tiles + tile -> group, or -1
	states *aggregate.States

	rowGroups []int32 // scratch: group of each row of a record
	key       []byte  // scratch
}

func newBuilder(t *Target, w window.Interval, maxGroups int) *builder {
	return &builder{
		target: t, window: w, maxGroups: maxGroups,
		keys: map[string]int32{}, tiles: w.Count(t.View.Interval()), states: t.Layout.NewStates(),
	}
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
	b.rowGroups = slices.Grow(b.rowGroups[:0], int(rec.NumRows()))[:rec.NumRows()]
	for row, at := range times.TimestampValues() {
		b.key = encoder.Append(b.key[:0], row)
		if len(b.key) > record.MaxKeyBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are allowed", record.ErrKey, len(b.key), record.MaxKeyBytes)
		}
		tile := (int64(at) - int64(b.window.Start)) / interval
		b.rowGroups[row] = b.group(int(tile))
	}
	if b.states.Len() > b.maxGroups {
		return fmt.Errorf("%w: more than %d pairs of key and tile", ErrTooLarge, b.maxGroups)
	}
	b.states.Add(b.rowGroups, columns[len(fields)+1:])
	return nil
}

// group returns the group of b.key in a tile, and makes it when it is new.
func (b *builder) group(tile int) int32 {
	ordinal, ok := b.keys[string(b.key)]
	if !ok {
		ordinal = int32(len(b.names))
		name := string(b.key)
		b.keys[name] = ordinal
		b.names = append(b.names, name)
		for range b.tiles {
			b.groups = append(b.groups, -1)
		}
	}
	slot := &b.groups[int(ordinal)*b.tiles+tile]
	if *slot < 0 {
		*slot = int32(b.states.Len())
		b.states.Grow(b.states.Len() + 1)
	}
	return *slot
}

// write hands the tiles to write, sorted by key and tile start.
func (b *builder) write(schema *arrow.Schema, write func(arrow.Record) error) error {
	fields := b.target.View.JoinKeys()
	order := make([]int32, len(b.names))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int { return strings.Compare(b.names[x], b.names[y]) })

	out := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer out.Release()
	starts := out.Field(len(fields)).(*array.TimestampBuilder)
	var groups []int32
	flush := func() error {
		if len(groups) == 0 {
			return nil
		}
		b.states.AppendColumns(groups, out.Fields()[len(fields)+1:])
		groups = groups[:0]
		rec := out.NewRecord()
		defer rec.Release()
		return write(rec)
	}
	for _, ordinal := range order {
		for tile := range b.tiles {
			group := b.groups[int(ordinal)*b.tiles+tile]
			if group < 0 {
				continue
			}
			if err := record.AppendKeyColumns(out.Fields()[:len(fields)], fields, []byte(b.names[ordinal])); err != nil {
				return err
			}
			starts.Append(arrow.Timestamp(b.window.Start + window.Time(int64(tile)*b.target.View.Interval().Microseconds())))
			if groups = append(groups, group); len(groups) == recordRows {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}
