package frame

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// parquetDecoder reads a row group after the other, some rows at a time.
type parquetDecoder struct {
	converter
	source *source
	budget *budget
	file   *file.Reader
	reader *pqarrow.FileReader
	leaves []int // by column: its leaf in the file

	group   int // that comes next
	columns []*pqarrow.ColumnReader
	left    int64 // rows of the open group
	step    int64 // rows to read at once
}

func openParquet(s *source, o Options) (decoder, error) {
	d := &parquetDecoder{source: s, budget: newBudget(o.MemoryBytes)}
	properties := parquet.NewReaderProperties(d.budget)
	properties.BufferedStreamEnabled = true // else it reads whole column chunks
	properties.BufferSize = 64 << 10
	var err error
	if d.file, err = file.NewParquetReader(s.all(), file.WithReadProps(properties)); err != nil {
		return nil, fmt.Errorf("it is no Parquet: %w", err)
	}
	if err := checkStoredSchema(d.file.MetaData()); err != nil {
		return nil, err
	}
	if d.reader, err = pqarrow.NewFileReader(d.file, pqarrow.ArrowReadProperties{}, d.budget); err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(d.reader.Manifest.Fields))
	for i, f := range d.reader.Manifest.Fields {
		fields[i] = *f.Field
	}
	if d.stored, err = readAs(fields, o); err != nil {
		return nil, err
	}
	for _, place := range d.places {
		leaf := &d.reader.Manifest.Fields[place]
		for len(leaf.Children) > 0 { // lists have one
			leaf = &leaf.Children[0]
		}
		d.leaves = append(d.leaves, leaf.ColIndex)
	}
	d.maxText = int64(o.MaxTextBytes)
	return d, nil
}

func (d *parquetDecoder) fill(b *batch) error {
	for !b.full() {
		if d.done() {
			if more, err := d.read(); err != nil || !more {
				return err
			}
		}
		if err := d.converter.fill(b); err != nil {
			return err
		}
	}
	return nil
}

// read reads the next rows; false: there are none.
func (d *parquetDecoder) read() (more bool, err error) {
	d.release()
	d.budget.renew()
	for d.left == 0 {
		if d.group == d.file.NumRowGroups() || len(d.places) == 0 {
			return false, nil
		}
		if err := d.open(d.group); err != nil {
			return false, fmt.Errorf("row group %d: %w", d.group+1, err)
		}
		d.group++
	}
	rows := min(d.left, d.step)
	columns := make([]arrow.Array, 0, len(d.columns))
	for i, reader := range d.columns {
		column, err := d.column(reader, rows)
		if err != nil {
			return false, fmt.Errorf("row group %d, column %q: %w", d.group, d.types[i].Name, err)
		}
		columns = append(columns, column)
	}
	d.set(columns, int(rows))
	d.left -= rows
	return true, nil
}

func (d *parquetDecoder) column(reader *pqarrow.ColumnReader, rows int64) (arrow.Array, error) {
	chunks, err := reader.NextBatch(rows)
	if err != nil {
		return nil, err
	}
	defer chunks.Release()
	if int64(chunks.Len()) != rows {
		return nil, fmt.Errorf("damaged file: %d rows where there should be %d", chunks.Len(), rows)
	}
	if len(chunks.Chunks()) == 1 {
		column := chunks.Chunk(0)
		column.Retain()
		return column, nil
	}
	return array.Concatenate(chunks.Chunks(), d.budget)
}

// open starts on a row group.
func (d *parquetDecoder) open(group int) error {
	d.closeColumns()
	meta := d.file.MetaData().RowGroup(group)
	d.left = meta.NumRows()
	if d.left < 0 {
		return errors.New("damaged file: it has less than no rows")
	}
	if d.left == 0 {
		return nil
	}
	size := int64(0)
	for i, place := range d.places {
		chunk, err := meta.ColumnChunk(d.leaves[i])
		if err == nil {
			err = checkPages(d.source, chunk, d.budget.limit)
		}
		if err != nil {
			return fmt.Errorf("column %q: %w", d.types[i].Name, err)
		}
		size += chunk.TotalUncompressedSize()
		// Not GetFieldReaders: it opens columns in goroutines of its own, where a panic
		// over a damaged page could not be caught.
		reader, err := d.reader.GetFieldReader(context.Background(), place, map[int]bool{d.leaves[i]: true}, []int{group}) //nolint:forbidigo // it carries a value and cancels nothing
		if err != nil {
			return fmt.Errorf("column %q: %w", d.types[i].Name, err)
		}
		d.columns = append(d.columns, reader)
	}
	d.step = min(max(maxBytes/max(size/d.left, 1), copyStep), maxRows)
	return nil
}

func (d *parquetDecoder) release() {
	for _, column := range d.converter.columns {
		column.Release()
	}
	d.converter.columns = nil
}

func (d *parquetDecoder) closeColumns() {
	for _, reader := range d.columns {
		reader.Release()
	}
	d.columns = nil
}

func (d *parquetDecoder) close() {
	_ = guard(func() error { // after a panic its state may be anything
		d.release()
		d.closeColumns()
		return nil
	})
}
