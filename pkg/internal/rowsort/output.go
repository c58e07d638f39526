package rowsort

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/record"
)

// output makes records of places of rows, and hands them to write.
type output struct {
	spec     Spec
	maxRows  int
	maxBytes int
	widest   int // size of a row at most
	write    func(arrow.Record) error

	chunks  []*chunk
	columns [][]arrow.Array // of the chunks; nil: not yet gathered
	places  []record.Place
	bytes   int
}

// setChunks says what places are of.
func (o *output) setChunks(chunks []*chunk) { o.chunks, o.columns = chunks, nil }

// addChunk adds one and returns its index.
func (o *output) addChunk(c *chunk) int32 {
	o.setChunks(append(o.chunks, c))
	return int32(len(o.chunks) - 1)
}

// columnsOf returns the columns of the chunks by their index.
func (o *output) columnsOf() [][]arrow.Array {
	columns := make([][]arrow.Array, o.spec.Schema.NumFields())
	for i := range columns {
		for _, c := range o.chunks {
			columns[i] = append(columns[i], c.columns[i])
		}
	}
	return columns
}

// full reports whether the record is to end before another row.
func (o *output) full() bool { return len(o.places) >= o.maxRows || o.bytes >= o.maxBytes }

// add adds a row. What it counts for is only looked up when that may matter.
func (o *output) add(p record.Place) {
	if o.widest*o.maxRows > o.maxBytes {
		o.bytes += o.chunks[p>>32].size(int(uint32(p)))
	}
	o.places = append(o.places, p)
}

// flush ends the record, unless it is empty.
func (o *output) flush() error {
	if len(o.places) == 0 {
		return nil
	}
	if o.columns == nil {
		o.columns = o.columnsOf()
	}
	columns := make([]arrow.Array, len(o.columns))
	for i, of := range o.columns {
		var err error
		if columns[i], err = record.TakeChunks(of, o.places); err != nil {
			return fmt.Errorf("gather column %s: %w", o.spec.Schema.Field(i).Name, err)
		}
	}
	rec := array.NewRecord(o.spec.Schema, columns, int64(len(o.places)))
	defer rec.Release()
	o.places, o.bytes = o.places[:0], 0
	return o.write(rec)
}
