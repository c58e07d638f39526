package retrievetest

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// Value returns a value of the oracle as one of type t.
func Value(t feature.Type, v any) feature.Value {
	switch v := v.(type) {
	case nil:
		return feature.Null
	case bool:
		return feature.BoolValue(v)
	case int32:
		return feature.Int32Value(v)
	case int64:
		if t == feature.Timestamp {
			return feature.TimestampValue(window.Time(v))
		}
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
			elements[i] = Value(t.Element(), element)
		}
		return feature.ArrayValue(t.Element(), elements)
	}
	panic(fmt.Sprintf("retrievetest: no value of %T", v)) //nolint:forbidigo // the test is wrong
}

// recordOf returns rows as a record of a schema.
func recordOf(t require.TestingT, schema feature.Schema, rows [][]feature.Value) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	defer b.Release()
	for _, row := range rows {
		require.NoError(t, record.AppendColumns(b.Fields(), row))
	}
	return b.NewRecord()
}

// rowsOf returns the rows of a record, which must have the schema.
func rowsOf(t require.TestingT, schema feature.Schema, rec arrow.Record) [][]feature.Value {
	names := make([]string, rec.NumCols())
	for i := range names {
		names[i] = rec.ColumnName(i)
	}
	require.Equal(t, schema.Names(), names)
	encoder, err := record.NewRowEncoder(schema, rec.Columns())
	require.NoError(t, err)
	rows := make([][]feature.Value, rec.NumRows())
	for i := range rows {
		rows[i], err = record.DecodeRow(nil, encoder.Append(nil, i), schema)
		require.NoError(t, err)
	}
	return rows
}
