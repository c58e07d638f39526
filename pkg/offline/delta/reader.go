package delta

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// maxRecordRows bounds the records that a reader yields.
const maxRecordRows = 64 << 10

// reader implements offline.Reader. It reads a column chunk at a time.
type reader struct {
	path    string
	source  *source
	schema  *arrow.Schema
	file    *file.Reader
	columns []*pqarrow.ColumnReader
	left    int64 // rows not read yet
	batch   int64 // rows of a record at most
	record  arrow.Record
}

func openReader(ctx context.Context, b bucket.Bucket, spec offline.Spec, f offline.File) (*reader, error) {
	object, err := bucket.ReaderAt(ctx, b, spec.Path+"/"+f.Path)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return nil, fmt.Errorf("%w: file is missing: %w", offline.ErrCorrupt, err)
	case err != nil:
		return nil, err
	case object.Size() != f.Size:
		return nil, fmt.Errorf("%w: file has %d bytes, the log says %d", offline.ErrCorrupt, object.Size(), f.Size)
	}
	r := &reader{path: f.Path, source: &source{RangeReader: object}, schema: spec.Schema, left: f.Rows, batch: maxRecordRows}
	if err := guard(func() error { return r.open(ctx) }); err != nil {
		return nil, errors.Join(r.judge(err), r.Close())
	}
	return r, nil
}

// source remembers an error of the bucket, so that it is not taken for damage.
type source struct {
	*bucket.RangeReader
	err error
}

func (s *source) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("file points to byte %d of itself", offset)
	}
	n, err := s.RangeReader.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// judge returns what err of the Parquet library stands for.
func (r *reader) judge(err error) error {
	if r.source.err != nil && !errors.Is(r.source.err, bucket.ErrNotFound) {
		return r.source.err
	}
	return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
}

func (r *reader) open(ctx context.Context) (err error) {
	if r.file, err = file.NewParquetReader(r.source); err != nil {
		return err
	}
	if rows := r.file.NumRows(); rows != r.left {
		return fmt.Errorf("file has %d rows, the log says %d", rows, r.left)
	}
	if err := checkChunks(r.file.MetaData(), r.source.Size()); err != nil {
		return err
	}
	parquet, err := pqarrow.NewFileReader(r.file, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	schema, err := parquet.Schema()
	if err != nil {
		return err
	}
	if err := sameColumns(schema, r.schema); err != nil {
		return err
	}
	// Not GetRecordReader: it opens columns in goroutines of its own, where a
	// panic over a damaged page could not be caught.
	for i := range r.schema.NumFields() {
		column, err := parquet.GetColumn(ctx, i)
		if err != nil {
			return err
		}
		r.columns = append(r.columns, column)
	}
	return nil
}

// checkChunks keeps a damaged footer from asking for memory beyond the file's size.
func checkChunks(footer *metadata.FileMetaData, size int64) error {
	for i, group := range footer.RowGroups {
		for j, chunk := range group.Columns {
			length := chunk.GetMetaData().GetTotalCompressedSize()
			if length < 0 || length > size {
				return fmt.Errorf("column %d of row group %d has %d bytes in a file of %d", j, i, length, size)
			}
		}
	}
	return nil
}

func sameColumns(got, want *arrow.Schema) error {
	if got.NumFields() != want.NumFields() {
		return fmt.Errorf("file has %d columns, the table %d", got.NumFields(), want.NumFields())
	}
	for i, w := range want.Fields() {
		g := got.Field(i)
		if g.Name != w.Name || g.Nullable != w.Nullable || !arrow.TypeEqual(g.Type, w.Type) {
			return fmt.Errorf("column %d of the file is %s, of the table %s", i, g, w)
		}
	}
	return nil
}

// Next implements offline.Reader.
func (r *reader) Next() (arrow.Record, error) {
	r.release()
	if r.left == 0 {
		return nil, io.EOF
	}
	if err := guard(r.next); err != nil {
		return nil, fmt.Errorf("read file %s: %w", r.path, r.judge(err))
	}
	return r.record, nil
}

func (r *reader) next() error {
	rows := min(r.left, r.batch)
	columns := make([]arrow.Array, 0, len(r.columns))
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	for i, from := range r.columns {
		column, err := nextColumn(from, rows)
		if err != nil {
			return fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
		columns = append(columns, column)
		if int64(column.Len()) != rows {
			return fmt.Errorf("column %s has %d rows, want %d", r.schema.Field(i).Name, column.Len(), rows)
		}
	}
	r.record = array.NewRecord(r.schema, columns, rows)
	r.left -= rows
	return nil
}

func nextColumn(from *pqarrow.ColumnReader, rows int64) (arrow.Array, error) {
	chunks, err := from.NextBatch(rows)
	if err != nil {
		return nil, err
	}
	defer chunks.Release()
	if len(chunks.Chunks()) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return array.Concatenate(chunks.Chunks(), memory.DefaultAllocator)
}

// Close implements offline.Reader.
func (r *reader) Close() error {
	r.release()
	for _, column := range r.columns {
		column.Release()
	}
	r.columns, r.left = nil, 0
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

func (r *reader) release() {
	if r.record != nil {
		r.record.Release()
		r.record = nil
	}
}
