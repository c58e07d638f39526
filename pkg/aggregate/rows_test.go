package aggregate_test

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// row is one input row. Its values are by column, as in an oracle.Event; one that
// is missing is null.
type row struct {
	group  int32
	at     window.Time
	values map[string]any
}

// rowsOf returns rows of group 0 with one value each.
func rowsOf[T any](column string, values ...T) []row {
	rows := make([]row, len(values))
	for i, v := range values {
		rows[i].values = map[string]any{column: v}
	}
	return rows
}

func floatRows(values ...float64) []row { return rowsOf("f", values...) }
func intRows(values ...int64) []row     { return rowsOf("i", values...) }

func groupsOf(rows []row) []int32 {
	groups := make([]int32, len(rows))
	for i, r := range rows {
		groups[i] = r.group
	}
	return groups
}

func timesOf(rows []row) []arrow.Timestamp {
	times := make([]arrow.Timestamp, len(rows))
	for i, r := range rows {
		times[i] = arrow.Timestamp(r.at)
	}
	return times
}

// arrays builds the inputs of l.
func arrays(l *aggregate.Layout, rows []row) []arrow.Array {
	var out []arrow.Array
	for _, input := range l.Inputs() {
		b := array.NewBuilder(memory.DefaultAllocator, arrowType(input.Type))
		for _, r := range rows {
			appendValue(b, r.values[input.Name])
		}
		out = append(out, b.NewArray())
	}
	return out
}

func arrowType(t feature.Type) arrow.DataType {
	if t.IsArray() {
		return arrow.ListOf(arrowType(t.Element()))
	}
	return map[feature.Type]arrow.DataType{
		feature.Bool:      arrow.FixedWidthTypes.Boolean,
		feature.Int32:     arrow.PrimitiveTypes.Int32,
		feature.Int64:     arrow.PrimitiveTypes.Int64,
		feature.Float32:   arrow.PrimitiveTypes.Float32,
		feature.Float64:   arrow.PrimitiveTypes.Float64,
		feature.String:    arrow.BinaryTypes.String,
		feature.Timestamp: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
	}[t]
}

func appendValue(builder array.Builder, v any) {
	if v == nil {
		builder.AppendNull()
		return
	}
	switch b := builder.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float32Builder:
		b.Append(v.(float32))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.ListBuilder:
		b.Append(true)
		for _, element := range v.([]any) {
			appendValue(b.ValueBuilder(), element)
		}
	default:
		panic(fmt.Sprintf("no column of %s", builder.Type())) //nolint:forbidigo // a type is missing above
	}
}

// valueOf returns a value of the oracle as a feature.Value.
func valueOf(t feature.Type, v any) feature.Value {
	switch v := v.(type) {
	case nil:
		return feature.Null
	case bool:
		return feature.BoolValue(v)
	case int32:
		return feature.Int32Value(v)
	case int64:
		return feature.Int64Value(v)
	case float32:
		return feature.Float32Value(v)
	case float64:
		return feature.Float64Value(v)
	case string:
		return feature.StringValue(v)
	case []any:
		elements := make([]feature.Value, len(v))
		for i, element := range v {
			elements[i] = valueOf(t.Element(), element)
		}
		return feature.ArrayValue(t.Element(), elements)
	}
	panic(fmt.Sprintf("no value of %T", v)) //nolint:forbidigo // a type is missing above
}

// naive is what the oracle says about rows of one group.
func naive(a feature.Aggregation, rows []row) feature.Value {
	var events []oracle.Event
	for _, r := range rows {
		events = append(events, oracle.Event{Time: int64(r.at), Value: r.values[a.Column]})
	}
	output, err := a.Function.Output(typeOf(a.Column))
	if err != nil {
		panic(err) //nolint:forbidigo // there is no such aggregation
	}
	return valueOf(output, oracle.Finish(functions[a.Function], events))
}

// inOneGroup returns rows as rows of group 0.
func inOneGroup(rows []row) []row {
	out := slices.Clone(rows)
	for i := range out {
		out[i].group = 0
	}
	return out
}

func inGroup(rows []row, group int32) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.group != group })
}
