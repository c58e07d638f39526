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

// A column of a row group is fetched in parts that are about as large as what a record
// holds of it, since who asks for small records has many files open.
const (
	minFetchBytes = 64 << 10
	fetchPerRow   = 16 // bytes
)

// reader implements offline.Scanner. It reads the selected columns of a row group
// at a time, and yields records that end where a row group does.
type reader struct {
	path   string
	source *source
	spec   offline.Spec
	schema *arrow.Schema // of the records
	fields []int         // of the table's schema, by column
	batch  int64         // rows of a record at most
	rows   int64         // of the file, as the log says
	reuse  bool          // a record is gone when the next is read, whoever retained it

	ctx     context.Context // Next has no place for one
	file    *file.Reader
	parquet *pqarrow.FileReader
	columns []columnReader
	ahead   int64 // bytes of a column that are fetched at once at least
	groups  int   // number of row groups
	next    int   // row group that follows the open one
	left    int64 // rows of the open one that were not read yet
	record  arrow.Record
}

func openReader(ctx context.Context, b bucket.Bucket, spec offline.Spec, f offline.File, s offline.Selection) (*reader, error) {
	r := &reader{ctx: ctx, path: f.Path, spec: spec, rows: f.Rows}
	if err := r.choose(s); err != nil {
		return nil, err
	}
	key := spec.Path + "/" + f.Path
	object, err := bucket.ReaderAt(ctx, b, key)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return nil, fmt.Errorf("%w: file is missing: %w", offline.ErrCorrupt, err)
	case err != nil:
		return nil, err
	case object.Size() != f.Size:
		return nil, fmt.Errorf("%w: file has %d bytes, the log says %d", offline.ErrCorrupt, object.Size(), f.Size)
	}
	r.source = &source{RangeReader: object, fetchRange: func(offset, length int64) ([]byte, error) {
		return b.GetRange(ctx, key, offset, length)
	}}
	if err := guard(r.open); err != nil {
		return nil, errors.Join(r.judge(err), r.Close())
	}
	return r, nil
}

// choose takes over what is selected.
func (r *reader) choose(s offline.Selection) error {
	if s.Rows < 0 || s.Rows > maxRecordRows {
		return fmt.Errorf("records of %d rows are asked for, at most %d are possible", s.Rows, maxRecordRows)
	}
	if r.batch = int64(s.Rows); s.Rows == 0 {
		r.batch = maxRecordRows
	}
	r.ahead = max(minFetchBytes, fetchPerRow*r.batch)
	if s.Columns == nil {
		r.schema = r.spec.Schema
		for i := range r.schema.NumFields() {
			r.fields = append(r.fields, i)
		}
		return nil
	}
	chosen := make([]arrow.Field, len(s.Columns))
	for i, name := range s.Columns {
		at := r.spec.Schema.FieldIndices(name)
		if len(at) != 1 {
			return fmt.Errorf("column %q is asked for, the table has none", name)
		}
		r.fields = append(r.fields, at[0])
		chosen[i] = r.spec.Schema.Field(at[0])
	}
	r.schema = arrow.NewSchema(chosen, nil)
	return nil
}

// source remembers an error of the bucket, so that it is not taken for damage.
type source struct {
	*bucket.RangeReader
	fetchRange func(offset, length int64) ([]byte, error)
	err        error

	held   []byte // what hold fetched
	heldAt int64
}

// hold fetches a range at once, for calls of fetch inside of it.
func (s *source) hold(offset, length int64) error {
	s.held = nil
	data, err := s.fetch(offset, length)
	s.held, s.heldAt = data, offset
	return err
}

// fetch is ReadAt into memory that is not written to again. The range lies inside the file.
func (s *source) fetch(offset, length int64) ([]byte, error) {
	if from := offset - s.heldAt; from >= 0 && from+length <= int64(len(s.held)) {
		return s.held[from : from+length], nil
	}
	data, err := s.fetchRange(offset, length)
	if err != nil {
		s.err = err
	}
	return data, err
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

func (r *reader) open() (err error) {
	if r.file, err = file.NewParquetReader(r.source); err != nil {
		return err
	}
	if rows := r.file.NumRows(); rows != r.rows {
		return fmt.Errorf("file has %d rows, the log says %d", rows, r.rows)
	}
	if err := checkGroups(r.file.MetaData(), r.source.Size()); err != nil {
		return err
	}
	if r.parquet, err = pqarrow.NewFileReader(r.file, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator); err != nil {
		return err
	}
	schema, err := r.parquet.Schema()
	if err != nil {
		return err
	}
	if err := sameColumns(schema, r.spec.Schema); err != nil {
		return err
	}
	r.groups = r.file.NumRowGroups()
	for _, field := range r.fields {
		r.columns = append(r.columns, r.newColumn(field))
	}
	return nil
}

// checkGroups keeps a damaged footer from asking for memory beyond the file's size,
// and from losing rows.
func checkGroups(footer *metadata.FileMetaData, size int64) error {
	rows := int64(0)
	for i, group := range footer.RowGroups {
		if group.NumRows < 0 || group.NumRows > footer.NumRows-rows {
			return fmt.Errorf("row group %d has %d rows of %d", i, group.NumRows, footer.NumRows)
		}
		rows += group.NumRows
		for j, chunk := range group.Columns {
			length := chunk.GetMetaData().GetTotalCompressedSize()
			if length < 0 || length > size {
				return fmt.Errorf("column %d of row group %d has %d bytes in a file of %d", j, i, length, size)
			}
		}
	}
	if rows != footer.NumRows {
		return fmt.Errorf("row groups have %d rows of %d", rows, footer.NumRows)
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
	if err := guard(r.read); err != nil {
		return nil, fmt.Errorf("read file %s: %w", r.path, r.judge(err))
	}
	if r.record == nil {
		return nil, io.EOF
	}
	return r.record, nil
}

// read reads the next record; none: at the end.
func (r *reader) read() error {
	for r.left == 0 {
		if r.next == r.groups {
			return nil
		}
		if err := r.enter(); err != nil {
			return fmt.Errorf("row group %d: %w", r.next, err)
		}
	}
	rows := int(min(r.left, r.batch))
	columns := make([]arrow.Array, 0, len(r.columns))
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	for i, from := range r.columns {
		column, err := from.next(rows)
		if err != nil {
			return fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
		columns = append(columns, column)
	}
	r.record = array.NewRecord(r.schema, columns, int64(rows))
	r.left -= int64(rows)
	return nil
}

// enter goes to the next row group.
func (r *reader) enter() error {
	r.leave()
	for i, column := range r.columns {
		if err := column.enter(r.ctx, r.next); err != nil {
			return fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
	}
	r.left = r.file.MetaData().RowGroups[r.next].GetNumRows()
	r.next++
	return nil
}

// leave gives up what is left of the open row group.
func (r *reader) leave() {
	for _, column := range r.columns {
		column.leave()
	}
	r.left = 0
}

// Close implements offline.Reader.
func (r *reader) Close() error {
	r.release()
	r.leave()
	r.columns, r.next = nil, r.groups
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
