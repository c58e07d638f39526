package duckdb

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

const (
	batchRows      = 32 << 10
	batchTextBytes = 32 << 20 // of text, or of elements, of one column; a batch is flushed past it
)

// batch gathers chunks into one Arrow record.
type batch struct {
	schema  *arrow.Schema
	builder []builder
	rows    int
}

func newBatch(schema feature.Schema) *batch {
	b := &batch{schema: record.ArrowSchema(schema), builder: make([]builder, len(schema))}
	for i, f := range schema {
		b.builder[i] = newBuilder(f.Type)
	}
	return b
}

// fits reports whether n more rows go into the same record.
func (b *batch) fits(n int) bool {
	if b.rows+n > batchRows {
		return false
	}
	for _, column := range b.builder {
		if column.looseBytes() > batchTextBytes {
			return false
		}
	}
	return true
}

// append copies a chunk, whose vectors FetchChunk has flattened.
func (b *batch) append(chunk bindings.DataChunk) error {
	n := int(bindings.DataChunkGetSize(chunk))
	for i, column := range b.builder {
		v := flatVector(bindings.DataChunkGetVector(chunk, bindings.IdxT(i)), n)
		if err := column.append(v); err != nil {
			return fmt.Errorf("column %q: %w", b.schema.Field(i).Name, err)
		}
	}
	b.rows += n
	return nil
}

// flush hands the rows to fn, if there are any, and starts over.
func (b *batch) flush(fn func(arrow.Record) error) error {
	if b.rows == 0 {
		return nil
	}
	columns := make([]arrow.Array, len(b.builder))
	for i, column := range b.builder {
		data := column.finish(b.schema.Field(i).Type)
		columns[i] = array.MakeFromData(data)
		data.Release()
	}
	r := array.NewRecord(b.schema, columns, int64(b.rows))
	for _, c := range columns {
		c.Release()
	}
	b.rows = 0
	defer r.Release()
	return fn(r)
}
