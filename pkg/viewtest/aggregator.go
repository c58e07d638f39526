package viewtest

import (
	"bytes"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// aggregator finishes the aggregations of a view from rows of one entity.
type aggregator struct {
	view   feature.View
	layout *aggregate.Layout
	inputs []int // by input of the layout: its column in rows
	key    int   // the column of the secondary key
}

func newAggregator(view feature.View, columns feature.Schema) (*aggregator, error) {
	layout, err := aggregate.NewLayout(view.Aggregations, view.Schema)
	if err != nil {
		return nil, err
	}
	a := &aggregator{view: view, layout: layout, key: len(view.JoinKeys())}
	for _, input := range layout.Inputs() {
		a.inputs = append(a.inputs, slices.IndexFunc(columns, func(f feature.Field) bool { return f.Name == input.Name }))
	}
	return a, nil
}

// finish returns the value of every aggregation at an edge.
func (a *aggregator) finish(rows []row, edge window.Time) ([]feature.Value, error) {
	out := make([]feature.Value, len(a.view.Aggregations))
	for i, aggregation := range a.view.Aggregations {
		intervals := aggregation.TimeWindow.Intervals(edge, a.view.LifetimeStart())
		values := make([]feature.Value, len(intervals))
		present := false
		for j, interval := range intervals {
			own := within(rows, interval)
			present = present || len(own) > 0
			var err error
			if values[j], err = a.value(i, own); err != nil {
				return nil, err
			}
		}
		switch {
		case !aggregation.TimeWindow.IsSeries():
			out[i] = values[0]
		case present:
			out[i] = feature.ArrayValue(a.layout.OutputType(i), values)
		}
	}
	return out, nil
}

// finishLists does so for each value of the secondary key, and lists those values.
func (a *aggregator) finishLists(rows []row, edge window.Time) ([]feature.Value, error) {
	windows := a.view.TimeWindows()
	out := make([]feature.Value, len(a.view.Aggregations)+len(windows))
	for w, timeWindow := range windows {
		present := within(rows, timeWindow.Intervals(edge, a.view.LifetimeStart())[0])
		keys, err := a.secondaryKeys(present)
		if err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			continue
		}
		out[len(a.view.Aggregations)+w] = feature.ArrayValue(a.keyType(), keys)
		for i, aggregation := range a.view.Aggregations {
			if aggregation.TimeWindow != timeWindow {
				continue
			}
			values := make([]feature.Value, len(keys))
			for k, key := range keys {
				own := slices.DeleteFunc(slices.Clone(present), func(r row) bool { return r.values[a.key] != key })
				if values[k], err = a.value(i, own); err != nil {
					return nil, err
				}
			}
			out[i] = feature.ArrayValue(a.layout.OutputType(i), values)
		}
	}
	return out, nil
}

func (a *aggregator) keyType() feature.Type {
	field, _ := a.view.Schema.Lookup(a.view.AggregationSecondaryKey)
	return field.Type
}

// secondaryKeys returns the distinct values of the secondary key, in order.
func (a *aggregator) secondaryKeys(rows []row) ([]feature.Value, error) {
	var keys []feature.Value
	encoded := map[feature.Value][]byte{}
	for _, r := range rows {
		key := r.values[a.key]
		if encoded[key] != nil {
			continue
		}
		data, err := record.AppendKey(nil, []feature.Field{{Type: a.keyType()}}, []feature.Value{key})
		if err != nil {
			return nil, err
		}
		encoded[key], keys = data, append(keys, key)
	}
	slices.SortFunc(keys, func(x, y feature.Value) int { return bytes.Compare(encoded[x], encoded[y]) })
	return keys, nil
}

// value finishes one aggregation over rows.
func (a *aggregator) value(aggregation int, rows []row) (feature.Value, error) {
	states := a.layout.NewStates()
	states.Grow(1)
	if len(rows) == 0 {
		return states.Finish(0, aggregation), nil
	}
	times := make([]arrow.Timestamp, len(rows))
	for i, r := range rows {
		times[i] = arrow.Timestamp(r.at)
	}
	inputs := make([]arrow.Array, len(a.inputs))
	for i, field := range a.layout.Inputs() {
		builder := array.NewBuilder(memory.DefaultAllocator, record.ArrowType(field.Type))
		defer builder.Release()
		for _, r := range rows {
			if err := record.AppendColumns([]array.Builder{builder}, r.values[a.inputs[i]:a.inputs[i]+1]); err != nil {
				return feature.Null, err
			}
		}
		inputs[i] = builder.NewArray()
		defer inputs[i].Release()
	}
	states.Add(make([]int32, len(rows)), times, inputs)
	return states.Finish(0, aggregation), nil
}

func within(rows []row, interval window.Interval) []row {
	var out []row
	for _, r := range rows {
		if interval.Contains(r.at) {
			out = append(out, r)
		}
	}
	return out
}
