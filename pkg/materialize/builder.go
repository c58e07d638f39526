package materialize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// recordRows is how many rows a record holds that goes to the offline writer.
const recordRows = 64 << 10

// builder folds the rows of one window into tiles. A key's bytes are hashed once
// a row; only keys are sorted by their bytes, at the end.
type builder struct {
	target    *Target
	window    window.Interval
	maxGroups int

	keys   map[string]int32 // encoded key -> ordinal
	names  []string         // ordinal -> encoded key
	groups *groupTable      // (ordinal, tile) -> group
	states *aggregate.States

	rowGroups []int32 // scratch: group of each row of a record
	key       []byte  // scratch
}

func newBuilder(t *Target, w window.Interval, maxGroups int) *builder {
	return &builder{
		target: t, window: w, maxGroups: maxGroups,
		keys: map[string]int32{}, groups: newGroupTable(w.Count(t.View.Interval())), states: t.Layout.NewStates(),
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
	b.rowGroups = b.rowGroups[:0]
	for row, t := range times.TimestampValues() {
		at := window.Time(t)
		if !b.window.Contains(at) {
			return fmt.Errorf("row %d at %v lies outside window %v", row, at, b.window)
		}
		b.key = encoder.Append(b.key[:0], row)
		if len(b.key) > record.MaxKeyBytes {
			return fmt.Errorf("%w: %d bytes, at most %d are allowed", record.ErrKey, len(b.key), record.MaxKeyBytes)
		}
		b.rowGroups = append(b.rowGroups, b.groups.find(b.ordinal(), int32(int64(at-b.window.Start)/interval)))
	}
	if len(b.groups.pairs) > b.maxGroups {
		return fmt.Errorf("%w: more than %d pairs of key and tile", ErrTooLarge, b.maxGroups)
	}
	b.states.Grow(len(b.groups.pairs))
	b.states.Add(b.rowGroups, columns[len(fields)+1:])
	return nil
}

// ordinal returns the number of b.key.
func (b *builder) ordinal() int32 {
	ordinal, ok := b.keys[string(b.key)]
	if !ok {
		ordinal = int32(len(b.names))
		name := string(b.key)
		b.keys[name] = ordinal
		b.names = append(b.names, name)
	}
	return ordinal
}

// order returns the groups by key and tile.
func (b *builder) order() []int32 {
	ordinals := count(len(b.names))
	slices.SortFunc(ordinals, func(x, y int32) int { return strings.Compare(b.names[x], b.names[y]) })
	rank := make([]int32, len(ordinals))
	for i, ordinal := range ordinals {
		rank[ordinal] = int32(i)
	}
	groups := count(len(b.groups.pairs))
	slices.SortFunc(groups, func(x, y int32) int {
		p, q := b.groups.pairs[x], b.groups.pairs[y]
		return cmp.Or(cmp.Compare(rank[p.key], rank[q.key]), cmp.Compare(p.tile, q.tile))
	})
	return groups
}

// count returns 0 to n-1.
func count(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// write hands the tiles to write, sorted by key and tile start.
func (b *builder) write(schema *arrow.Schema, write func(arrow.Record) error) error {
	fields := b.target.View.JoinKeys()
	out := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer out.Release()
	starts := out.Field(len(fields)).(*array.TimestampBuilder)
	for groups := range slices.Chunk(b.order(), recordRows) {
		for _, group := range groups {
			p := b.groups.pairs[group]
			if err := record.AppendKeyColumns(out.Fields()[:len(fields)], fields, []byte(b.names[p.key])); err != nil {
				return err
			}
			starts.Append(arrow.Timestamp(b.window.Start.Add(time.Duration(p.tile) * b.target.View.Interval())))
		}
		b.states.AppendColumns(groups, out.Fields()[len(fields)+1:])
		rec := out.NewRecord()
		err := write(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
