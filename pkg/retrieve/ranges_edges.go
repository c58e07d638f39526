package retrieve

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// windowRange makes a spine of the edges at which features of a key may change, and
// joins it: for each tile those at which it enters a window or leaves it. Tiles are
// sorted by key first, so that of a key only the edges are held.
type windowRange struct {
	join    *join
	walk    tableWalk
	request RangeRequest
	offsets []window.Time // from the edge to where a window begins or ends, each once
	first   window.Time   // edge, of which each key has a row
	last    window.Time   // edge

	builder *array.RecordBuilder // of the spine
	block   *block

	key    []byte // at hand; empty: none
	newest window.Time
	edges  []window.Time // of it, not sorted
	limit  int           // of edges, from which on they are made distinct
}

// manyEdges of a key are made distinct before there are more.
const manyEdges = 16 << 10

// windowsInRange hands the keys, the instant from which on they hold, and the features
// to fn, in their order.
func windowsInRange(ctx context.Context, o Options, part Part, r RangeRequest, fn func(arrow.Record) error) (Report, error) {
	o.MemoryBytes /= 2 // for the sorting, and as much for the join
	view := part.Target.View
	spine := Spine{Schema: append(spineKeys(part), feature.Field{Name: ValidFromColumn, Type: feature.Timestamp}), Time: ValidFromColumn}
	j, err := newJoin(o, spine, []Part{part}, fn)
	if err != nil {
		return Report{}, err
	}
	w := &windowRange{
		join: j, request: r, block: &block{}, builder: array.NewRecordBuilder(memory.DefaultAllocator, j.spine.schema), limit: manyEdges,
		first: view.CompleteEnd(r.Range.Start), last: view.CompleteEnd(r.Range.End - 1),
	}
	defer w.builder.Release()
	defer func() { w.block.release() }()
	if err := w.prepare(ctx, part); err != nil {
		return Report{}, err
	}
	if err := w.run(ctx); err != nil {
		return Report{}, fmt.Errorf("features of view %s in a range: %w", view.Name, err)
	}
	return j.report(), nil
}

func (w *windowRange) prepare(ctx context.Context, part Part) error {
	p := w.join.parts[0]
	joiner, err := p.newJoiner()
	if err != nil {
		return err
	}
	own := joiner.(*windows)
	for _, t := range own.windows {
		w.offsets = append(w.offsets, t.offsets()...)
	}
	slices.Sort(w.offsets)
	w.offsets = slices.Compact(w.offsets)
	w.walk = tableWalk{
		part: p, onRead: func() { w.join.advance(0, 0) },
		within: window.Interval{Start: min(w.first.Add(-own.reach), own.lifetimeStart), End: w.last},
	}
	p.needRange(w.walk.within)
	if w.request.Entities != nil {
		w.walk.entities, err = entityKeys(ctx, w.join.options, part, *w.request.Entities)
	}
	return err
}

// offsets returns where its windows begin and end, from the edge. The lifetime only ends.
func (t *timeWindow) offsets() (out []window.Time) {
	if t.Lifetime {
		return []window.Time{0}
	}
	for k := range window.Time(t.steps) {
		out = append(out, t.start+k*t.step, t.start+k*t.step+t.size)
	}
	return out
}

func (w *windowRange) run(ctx context.Context) error {
	schema := w.join.spine.spine.Schema
	sorter := rowSorter{
		options: w.join.options, schema: schema, columns: append(slices.Clone(w.walk.part.spine), len(schema)-1),
		full:    func(rows int, bytes int64) bool { return 2*bytes+int64(rows)*rowBytes >= w.join.options.MemoryBytes/2 },
		spilled: func(bytes int64) { w.join.advance(0, bytes) },
	}
	err := sorter.sort(ctx, func(add func(arrow.Record) error) error { return w.eachTile(ctx, add) }, func(b *block) error {
		for _, rec := range b.records {
			if err := w.takeTiles(ctx, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.endKey(ctx); err != nil {
		return err
	}
	return w.flush(ctx)
}

// eachTile hands keys and starts of tiles to add.
func (w *windowRange) eachTile(ctx context.Context, add func(arrow.Record) error) error {
	keys := len(w.walk.part.keys)
	return w.walk.each(ctx, func(rec arrow.Record, rows []int32) error {
		starts := rec.Column(len(w.walk.part.Target.Keys))
		columns, err := record.TakeColumns(append(slices.Clone(rec.Columns()[:keys]), starts), rows)
		if err != nil {
			return err
		}
		return add(array.NewRecord(w.join.spine.schema, columns, int64(len(rows))))
	})
}

// takeTiles goes on with tiles, which are sorted.
func (w *windowRange) takeTiles(ctx context.Context, rec arrow.Record) error {
	keys := len(w.walk.part.keys)
	encoder, err := record.NewKeyEncoder(w.walk.part.keys, rec.Columns()[:keys])
	if err != nil {
		return err
	}
	var key []byte
	for row, start := range rec.Column(keys).(*array.Timestamp).TimestampValues() {
		key = encoder.Append(key[:0], row)
		tile := window.Time(start)
		if !slices.Equal(key, w.key) {
			if err := w.endKey(ctx); err != nil {
				return err
			}
			w.key, w.edges, w.limit = append(w.key[:0], key...), append(w.edges[:0], w.first), manyEdges
		} else if tile == w.newest { // of another secondary key
			continue
		}
		w.newest = tile
		w.addEdges(tile)
	}
	return nil
}

// addEdges adds the edges at which a tile enters or leaves a window: the first ones of
// which the window's beginning, or its end, is after the tile's start.
func (w *windowRange) addEdges(tile window.Time) {
	schedule := w.walk.part.Target.View.Schedule()
	for _, offset := range w.offsets {
		edge := (tile - offset).Floor(schedule).Add(schedule)
		if edge > w.first && edge <= w.last {
			w.edges = append(w.edges, edge)
		}
	}
	if len(w.edges) > w.limit {
		w.sortEdges()
		w.limit = max(manyEdges, 2*len(w.edges))
	}
}

func (w *windowRange) sortEdges() {
	slices.Sort(w.edges)
	w.edges = slices.Compact(w.edges)
}

// endKey adds the edges of the key at hand to the spine.
func (w *windowRange) endKey(ctx context.Context) error {
	if len(w.key) == 0 || w.request.MaxLookback > 0 && w.newest < w.request.Range.Start.Add(-w.request.MaxLookback) {
		return nil
	}
	w.sortEdges()
	delay := w.walk.part.Target.View.DataDelay()
	fields := w.builder.Fields()
	last := len(fields) - 1
	for _, edge := range w.edges {
		if err := record.AppendKeyColumns(fields[:last], w.walk.part.keys, w.key); err != nil {
			return err
		}
		fields[last].(*array.TimestampBuilder).Append(arrow.Timestamp(edge.Add(delay)))
		if fields[last].Len() < mergedRows {
			continue
		}
		w.block.add(w.builder.NewRecord())
		if w.join.budget.full(w.block.rows, w.block.bytes) {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush joins the rows of the spine that were made.
func (w *windowRange) flush(ctx context.Context) error {
	if rec := w.builder.NewRecord(); rec.NumRows() > 0 {
		w.block.add(rec)
	}
	if w.block.rows == 0 {
		return nil
	}
	err := w.join.join(ctx, w.block)
	w.block.release()
	return err
}
