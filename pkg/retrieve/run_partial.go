package retrieve

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// Columns of a run's tiles, named as Tecton's.
const (
	tileStartTime = "tile_start_time"
	tileEndTime   = "tile_end_time"
)

// readable are the partial states of a target that people can read, each with its
// column of tiles.
func readable(t *materialize.Target) (states []feature.Partial, columns []arrow.Field) {
	stored := t.Layout.Fields()
	for _, p := range t.Layout.Partials() {
		if p.Kind == feature.PartialHLL || p.Kind == feature.PartialDDSketch {
			continue
		}
		name := p.Columns()[0] // a second one is the rest of a sum, or times
		for _, field := range stored {
			if field.Name == name {
				states, columns = append(states, p), append(columns, field)
			}
		}
	}
	return states, columns
}

func partialSchema(t *materialize.Target) (feature.Schema, error) {
	schema := append(feature.Schema{}, t.Keys...)
	schema = append(schema, feature.Field{Name: tileStartTime, Type: feature.Timestamp}, feature.Field{Name: tileEndTime, Type: feature.Timestamp})
	states, columns := readable(t)
	for i, p := range states {
		of, err := typeOf(columns[i].Type)
		if err != nil {
			return nil, fmt.Errorf("column %s of tiles: %w", columns[i].Name, err)
		}
		name := p.Column + "_" + stateName(p) + "_" + t.View.AggregationInterval.String()
		schema = append(schema, feature.Field{Name: name, Type: of})
	}
	return schema, nil
}

// stateName is how the names of features call the state, as far as they do.
func stateName(p feature.Partial) string {
	name := string(p.Kind)
	if p.Kind == feature.PartialSumOfSquares {
		name = "sum_of_squares"
	}
	if p.N > 0 {
		name += "_" + strconv.Itoa(p.N)
	}
	return name
}

// typeOf is the inverse of record.ArrowType.
func typeOf(t arrow.DataType) (feature.Type, error) {
	if list, ok := t.(*arrow.ListType); ok {
		element, err := typeOf(list.Elem())
		return feature.ArrayOf(element), err
	}
	for _, of := range []feature.Type{
		feature.Bool, feature.Int32, feature.Int64, feature.Float32, feature.Float64, feature.String, feature.Timestamp,
	} {
		if arrow.TypeEqual(record.ArrowType(of), t) {
			return of, nil
		}
	}
	return feature.InvalidType, fmt.Errorf("%s is the type of no feature", t)
}

// partial hands tiles, which are a record of the offline table's columns, to fn as a
// record of the run's.
func (r *Run) partial(tiles arrow.Record, fn func(arrow.Record) error) error {
	keys := len(r.target.Keys)
	starts, ok := tiles.Column(keys).(*array.Timestamp)
	if !ok {
		return fmt.Errorf("column %s has type %s, want a timestamp", tiles.ColumnName(keys), tiles.Column(keys).DataType())
	}
	interval := r.target.View.Interval()
	ends := timesOf(starts, func(start window.Time) window.Time { return start.Add(interval) })
	defer ends.Release()
	columns := append([]arrow.Array{}, tiles.Columns()[:keys+1]...)
	columns = append(columns, ends)
	_, fields := readable(r.target)
	for _, field := range fields {
		columns = append(columns, tiles.Column(tiles.Schema().FieldIndices(field.Name)[0]))
	}
	rec := array.NewRecord(record.ArrowSchema(r.Schema), columns, tiles.NumRows())
	defer rec.Release()
	return fn(rec)
}
