package rowsort

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/tilery/tilery/pkg/record"
)

// An entry of a run is a record of rows of one part that follow each other. Its key is
// the sort key of its first row: part, join keys, time. Its value is the number of the
// run and the record, as a stream of Arrow.

const (
	runRecordBytes = 64 << 10
	runBytes       = 4
	signBit        = 1 << 63
)

// appendKey appends the sort key of a row.
func (c *chunk) appendKey(dst []byte, part int32, row int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(part)^1<<31)
	dst = c.keys.Append(dst, row)
	return binary.BigEndian.AppendUint64(dst, uint64(c.times[row])^signBit)
}

func partOf(key []byte) int32 { return int32(binary.BigEndian.Uint32(key) ^ 1<<31) }

// runWriter writes the records of a part to a run.
type runWriter struct {
	spec       Spec
	part       int32
	run        uint32
	add        func(key, value []byte) error
	key, value []byte // scratch
}

func (w *runWriter) write(rec arrow.Record) error {
	c, err := w.spec.newChunk(rec.Columns())
	if err != nil {
		return err
	}
	w.key = c.appendKey(w.key[:0], w.part, 0)
	value := bytes.NewBuffer(binary.BigEndian.AppendUint32(w.value[:0], w.run))
	stream := ipc.NewWriter(value, ipc.WithSchema(w.spec.Schema))
	if err := stream.Write(rec); err != nil {
		return fmt.Errorf("encode %d rows: %w", rec.NumRows(), err)
	}
	if err := stream.Close(); err != nil {
		return fmt.Errorf("encode %d rows: %w", rec.NumRows(), err)
	}
	w.value = value.Bytes()
	return w.add(w.key, w.value)
}

// cursor stands at a row of a record of a run.
type cursor struct {
	chunk *chunk
	index int32 // among the chunks of the output; -1: not yet there
	run   uint32
	part  int32
	row   int
	key   []byte
}

// openCursor reads an entry.
func (s Spec) openCursor(key, value []byte) (*cursor, error) {
	stream, err := ipc.NewReader(bytes.NewReader(value[runBytes:]))
	if err != nil {
		return nil, err
	}
	defer stream.Release()
	rec, err := stream.Read()
	if err != nil {
		return nil, err
	}
	columns := rec.Columns()
	for _, column := range columns {
		column.Retain()
	}
	c := &cursor{index: -1, part: partOf(key), run: binary.BigEndian.Uint32(value), key: bytes.Clone(key)}
	c.chunk, err = s.newChunk(columns)
	return c, err
}

// next moves to the next row, if there is one.
func (c *cursor) next() bool {
	if c.row++; c.row == len(c.chunk.times) {
		return false
	}
	c.key = c.chunk.appendKey(c.key[:0], c.part, c.row)
	return true
}

func (c *cursor) place() record.Place { return record.PlaceOf(c.index, int32(c.row)) }
