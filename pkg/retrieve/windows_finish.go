package retrieve

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// finish returns the column of a feature.
func (w *windows) finish(f windowFeature) (arrow.Array, error) {
	builder := array.NewBuilder(memory.DefaultAllocator, record.ArrowType(f.Type))
	defer builder.Release()
	var err error
	if w.secondary == nil && !f.window.IsSeries() {
		err = w.finishEach(builder, f)
	} else {
		err = w.finishLists(builder.(*array.ListBuilder), f)
	}
	if err != nil {
		return nil, err
	}
	return builder.NewArray(), nil
}

func (w *windows) finishEach(builder array.Builder, f windowFeature) error {
	w.groups = w.groups[:0]
	for _, edge := range w.edges.ofRow {
		group := int32(-1)
		if edge >= 0 {
			group = f.window.groups[edge]
		}
		w.groups = append(w.groups, group)
	}
	return w.appendFinished(builder, w.groups, f.aggregation, false)
}

func (w *windows) finishLists(builder *array.ListBuilder, f windowFeature) error {
	builder.Reserve(len(w.edges.ofRow))
	before := int32(-1)
	for _, edge := range w.edges.ofRow {
		list := aggregate.Span{}
		if edge >= 0 {
			list = f.window.lists[edge]
		}
		if list.From == list.To {
			builder.AppendNull()
			continue
		}
		builder.Append(true)
		var err error
		if f.aggregation < 0 {
			err = w.secondary.appendKeys(builder.ValueBuilder(), f.window.ids[list.From:list.To])
		} else {
			err = w.appendFinished(builder.ValueBuilder(), f.window.groups[list.From:list.To], f.aggregation, edge == before)
		}
		if err != nil {
			return err
		}
		before = edge
	}
	return nil
}

// appendFinished appends an aggregation of each group, null for -1. With again they
// are the groups of the call before.
func (w *windows) appendFinished(builder array.Builder, groups []int32, aggregation int, again bool) error {
	if w.states.FinishColumn(builder, groups, aggregation) {
		return nil
	}
	builders := []array.Builder{builder}
	if !again {
		w.values = resized(w.values, len(groups))
		for i, group := range groups {
			switch {
			case group < 0:
				w.values[i] = feature.Null
			case i > 0 && group == groups[i-1]:
				w.values[i] = w.values[i-1]
			default:
				w.values[i] = w.states.Finish(int(group), aggregation)
			}
		}
	}
	for i := range w.values {
		if err := record.AppendColumns(builders, w.values[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}
