package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// errNoData is a view whose store is not ready to be read.
var errNoData = errors.New("no materialized data in the online store")

// Vector is the features of one entity at the view's leading edge.
type Vector struct {
	Values        []feature.Value // in the order of the view's features
	Present       []bool          // the window holds rows; a value may be null all the same
	EffectiveTime window.Time
	StoreTime     time.Duration
	StoreBytes    int64
}

// view is a feature view prepared for reading. It is immutable.
type view struct {
	target   *materialize.Target
	features []servedFeature // by name
	longest  time.Duration
}

type servedFeature struct {
	name        string
	aggregation int
	window      time.Duration
	function    feature.Function
	output      feature.Type
}

func newView(target *materialize.Target) *view {
	v := &view{target: target, longest: target.View.LongestWindow()}
	for i, name := range target.View.FeatureNames() {
		a := target.View.Aggregations[i]
		v.features = append(v.features, servedFeature{name, i, time.Duration(a.TimeWindow), a.Function, target.Layout.OutputType(i)})
	}
	slices.SortFunc(v.features, func(a, b servedFeature) int { return cmp.Compare(a.name, b.name) })
	return v
}

// read returns the vector of an encoded entity.
func (v *view) read(ctx context.Context, store online.Store, entity []byte) (Vector, error) {
	started := time.Now()
	status, _, ok, err := online.ReadStatus(ctx, store, v.target.Store())
	if err != nil {
		return Vector{}, err
	}
	if !ok || status.Watermark == nil {
		return Vector{}, errNoData
	}
	edge := *status.Watermark
	span := window.Interval{Start: edge.Add(-v.longest), End: edge}
	blocks := v.target.Blocks(span)
	answers, err := store.Read(ctx, []online.Read{{
		Store: v.target.CellStore(status.Epoch), Entity: entity,
		Blocks: []online.Blocks{{From: blocks.Start, To: blocks.End}},
	}})
	if err != nil {
		return Vector{}, fmt.Errorf("read %s: %w", v.target.Store(), err)
	}
	out := Vector{EffectiveTime: edge.Add(v.target.View.DataDelay()), StoreTime: time.Since(started)}
	states := v.target.Layout.NewStates()
	states.Grow(len(v.features))
	for _, item := range answers[0] {
		out.StoreBytes += int64(len(item.Cell.Value))
		if err := v.fold(states, item, edge); err != nil {
			return Vector{}, err
		}
	}
	for i, f := range v.features {
		out.Values = append(out.Values, states.Finish(i, f.aggregation))
		out.Present = append(out.Present, states.Present(i))
	}
	return out, nil
}

// fold merges the tiles of one cell into every feature whose window holds them.
func (v *view) fold(states *aggregate.States, item online.Item, edge window.Time) error {
	if item.Key.Kind != online.KindTile || item.Cell.Tombstone {
		return nil
	}
	interval := v.target.View.Interval()
	for tile, err := range online.Tiles(item.Cell.Value) {
		if err != nil {
			return err
		}
		start := item.Key.Block.Add(time.Duration(tile.Index) * interval)
		for i, f := range v.features {
			if start >= edge || start < edge.Add(-f.window) {
				continue
			}
			rest, err := states.MergeEncoded(i, tile.State)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("%d bytes too many", len(rest))
			}
			if err != nil {
				return fmt.Errorf("%w: tile %v: %w", online.ErrDamaged, start, err)
			}
		}
	}
	return nil
}
