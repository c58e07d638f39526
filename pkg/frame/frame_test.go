package frame_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

var formats = []frame.Format{frame.Parquet, frame.Arrow, frame.JSON, frame.CSV}

// contents is a data frame as values.
type contents struct {
	schema feature.Schema
	rows   [][]feature.Value
}

// read reads a whole file, and checks what Next promises of each record.
func read(data []byte, format frame.Format, o frame.Options) (contents, error) {
	r, err := frame.Open(bytes.NewReader(data), int64(len(data)), format, o)
	if err != nil {
		return contents{}, err
	}
	defer r.Close()
	c := contents{schema: r.Schema()}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		if !rec.Schema().Equal(record.ArrowSchema(c.schema)) || rec.NumRows() == 0 || rec.NumRows() > 64<<10 {
			return c, errors.New("the record is not as promised")
		}
		c.rows = append(c.rows, rowsOf(rec, c.schema)...)
	}
}

func rowsOf(rec arrow.Record, schema feature.Schema) [][]feature.Value {
	rows := make([][]feature.Value, rec.NumRows())
	for i := range rows {
		for j, f := range schema {
			rows[i] = append(rows[i], valueAt(rec.Column(j), f.Type, i))
		}
	}
	return rows
}

func valueAt(column arrow.Array, t feature.Type, row int) feature.Value {
	if column.IsNull(row) {
		return feature.Null
	}
	switch c := column.(type) {
	case *array.Boolean:
		return feature.BoolValue(c.Value(row))
	case *array.Int64:
		return feature.Int64Value(c.Value(row))
	case *array.Int32:
		return feature.Int32Value(c.Value(row))
	case *array.Float64:
		return feature.Float64Value(c.Value(row))
	case *array.Float32:
		return feature.Float32Value(c.Value(row))
	case *array.String:
		return feature.StringValue(c.Value(row))
	case *array.Timestamp:
		return feature.TimestampValue(window.Time(c.Value(row)))
	}
	list := column.(*array.List)
	from, to := list.ValueOffsets(row)
	var elements []feature.Value
	for i := from; i < to; i++ {
		elements = append(elements, valueAt(list.ListValues(), t.Element(), int(i)))
	}
	return feature.ArrayValue(t.Element(), elements)
}

// recordOf builds the record of some rows.
func recordOf(t require.TestingT, c contents) arrow.Record {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(c.schema))
	for _, row := range c.rows {
		require.NoError(t, record.AppendColumns(builder.Fields(), row))
	}
	return builder.NewRecord()
}

// write writes records of a schema.
func write(t require.TestingT, format frame.Format, schema feature.Schema, records ...arrow.Record) []byte {
	var file bytes.Buffer
	w, err := frame.NewWriter(&file, format, schema)
	require.NoError(t, err)
	for _, rec := range records {
		require.NoError(t, w.Write(rec))
	}
	require.NoError(t, w.Close())
	return file.Bytes()
}

func testdata(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}
