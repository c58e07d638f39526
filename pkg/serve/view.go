package serve

import (
	"context"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// vector is the features of one entity of a view.
type vector struct {
	values  []feature.Value // in the order of the view's features
	present []bool          // a row was found, or rows in the window; a value may be null all the same
	// effective is a spine time at which the offline store gives the same values.
	effective window.Time
}

// view is a feature view prepared for reading. It is immutable.
type view struct {
	target   *materialize.Target
	features int
	tiles    *tiles // nil: the view stores rows
}

func newView(target *materialize.Target) *view {
	v := &view{target: target, features: len(target.View.FeatureNames())}
	if target.View.Aggregated() {
		v.tiles = newTiles(target)
	}
	return v
}

// edge is where a view is read: the time before which its store is complete, and
// which filling of the store says so.
type edge struct {
	at    window.Time
	store string
}

// edge reads the view's status; *noDataError says that it is not ready. That of a
// feature table is now: whatever was ingested is there.
func (v *view) edge(ctx context.Context, store online.Store, now window.Time) (edge, error) {
	status, _, ok, err := online.ReadStatus(ctx, store, v.target.Store())
	if err != nil {
		return edge{}, err
	}
	at, covered := v.target.Watermark(status.Settled())
	if !ok || !covered {
		return edge{}, &noDataError{v.target.View.Name}
	}
	if v.target.View.Ingested {
		at = v.target.View.CompleteEnd(now)
	}
	return edge{at: at, store: v.target.CellStore(status.Epoch)}, nil
}

// ask returns what is read for an encoded entity.
func (v *view) ask(e edge, entity []byte) online.Read {
	read := online.Read{Store: e.store, Entity: entity, Row: v.tiles == nil}
	if v.tiles != nil {
		read.Blocks = v.tiles.blocks(e.at)
	}
	return read
}

// answer computes the vector from the cells that were read.
func (v *view) answer(e edge, items []online.Item) (vector, error) {
	if v.tiles != nil {
		return v.tiles.answer(e.at, items)
	}
	return v.latest(e.at, items)
}

// latest returns the latest row. It is served until the leading edge passes the
// effective time of its expiry, not before: while jobs fail, or are paused, rows
// stay. A row before feature_start_time is none.
//
// A row's effective time says when a join saw it first; no later one of its entity
// is known, so the row is what a join at that time gives. Without a row it is the
// edge, where a join finds none either.
func (v *view) latest(at window.Time, items []online.Item) (vector, error) {
	view := v.target.View
	out := vector{
		values: make([]feature.Value, v.features), present: make([]bool, v.features),
		effective: at.Add(view.DataDelay()),
	}
	cell, ok := rowOf(items)
	if !ok {
		return out, nil
	}
	row, err := online.DecodeRow(cell.Value)
	if err != nil {
		return vector{}, err
	}
	effective := view.Effective(row.Time)
	// The cell may be newer than the status: it was written before the next one.
	out.effective = max(out.effective, effective)
	expires, ok := view.Expires(row.Time)
	if ok && out.effective >= expires || row.Time < view.FeatureStartTime {
		return out, nil
	}
	if out.values, err = record.DecodeRow(out.values[:0], row.Values, v.target.Features); err != nil {
		return vector{}, fmt.Errorf("%w: %w", online.ErrDamaged, err)
	}
	for i := range out.present {
		out.present[i] = true
	}
	out.effective = effective
	return out, nil
}

// rowOf returns the cell of the latest row that batch wrote.
func rowOf(items []online.Item) (online.Cell, bool) {
	for _, item := range items {
		if item.Key.Kind == online.KindRow && len(item.Key.Writer) == 0 {
			return item.Cell, !item.Cell.Tombstone
		}
	}
	return online.Cell{}, false
}
