package frame

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// Writer writes a data frame. It belongs to one goroutine.
type Writer interface {
	// Write appends rows, whose columns have the types of the schema.
	Write(rec arrow.Record) error
	// Close ends the file, and is to be called once. It does not close what is written to.
	Close() error
}

// NewWriter returns a writer of columns to w. Parquet has zstd and instants in
// microseconds, UTC. CSV has a header line, instants as RFC 3339 with microseconds
// and arrays as JSON. JSON has integers as numbers, all 64 bits of them, and NaN and
// infinities as the texts "NaN", "Infinity" and "-Infinity", as CSV has them.
func NewWriter(w io.Writer, format Format, schema feature.Schema) (Writer, error) {
	if len(schema) == 0 {
		return nil, errors.New("write data frame: it has no columns")
	}
	if err := checkNames(schema.Names(), Options{MaxColumns: len(schema)}); err != nil {
		return nil, fmt.Errorf("write data frame: %w", err)
	}
	columns := record.ArrowSchema(schema)
	buffered := bufio.NewWriterSize(w, 256<<10) // also hides that w may be closed
	var inner Writer
	var err error
	switch format {
	case Parquet:
		inner, err = newParquetWriter(buffered, columns)
	case Arrow:
		inner = &arrowWriter{ipc.NewWriter(buffered, ipc.WithSchema(columns))}
	case CSV:
		inner, err = newCSVWriter(buffered, schema)
	case JSON:
		inner = newJSONWriter(buffered, schema)
	default:
		_, err = ParseFormat(string(format))
	}
	if err != nil {
		return nil, fmt.Errorf("write data frame: %w", err)
	}
	return &writer{format: inner, columns: columns, out: buffered}, nil
}

// writer is what all formats have in common.
type writer struct {
	format  Writer
	columns *arrow.Schema
	out     *bufio.Writer
}

func (w *writer) Write(rec arrow.Record) error {
	if int(rec.NumCols()) != w.columns.NumFields() {
		return fmt.Errorf("write data frame: rows have %d columns, want %d", rec.NumCols(), w.columns.NumFields())
	}
	for i, f := range w.columns.Fields() {
		if got := rec.Column(i).DataType(); !arrow.TypeEqual(got, f.Type) {
			return fmt.Errorf("write data frame: column %q is %s, want %s", f.Name, got, f.Type)
		}
	}
	if rec.NumRows() == 0 {
		return nil
	}
	rec = array.NewRecord(w.columns, rec.Columns(), rec.NumRows())
	defer rec.Release()
	if err := guard(func() error { return w.format.Write(rec) }); err != nil {
		return fmt.Errorf("write data frame: %w", err)
	}
	return nil
}

func (w *writer) Close() error {
	err := guard(w.format.Close)
	if err == nil {
		err = w.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("end data frame: %w", err)
	}
	return nil
}

type arrowWriter struct{ *ipc.Writer }

// maxGroupBytes bounds what is held of a row group before it is written.
const maxGroupBytes = 64 << 20

type parquetWriter struct {
	file *pqarrow.FileWriter
	held int64
}

// pageBytes bounds a page. Arrow's writer copies a page's levels whenever a few more
// come, which of pages of its own size takes most of the time.
const pageBytes = 32 << 10

func newParquetWriter(w io.Writer, columns *arrow.Schema) (Writer, error) {
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithMaxRowGroupLength(1 << 20),
		parquet.WithDataPageSize(pageBytes), parquet.WithDictionaryPageSizeLimit(pageBytes),
	}
	// A dictionary of numbers costs more than all the rest of writing them.
	for _, f := range columns.Fields() {
		options = append(options, parquet.WithDictionaryFor(f.Name, f.Type.ID() == arrow.STRING))
	}
	properties := parquet.NewWriterProperties(options...)
	file, err := pqarrow.NewFileWriter(columns, w, properties, pqarrow.DefaultWriterProps())
	return &parquetWriter{file: file}, err
}

func (w *parquetWriter) Write(rec arrow.Record) error {
	if w.held >= maxGroupBytes {
		w.file.NewBufferedRowGroup()
		w.held = 0
	}
	for _, column := range rec.Columns() {
		w.held += columnBytes(column)
	}
	return w.file.WriteBuffered(rec)
}

func (w *parquetWriter) Close() error { return w.file.Close() }

// columnBytes estimates what the rows of a column take. Arrow's own accounting would
// count the whole buffers that a slice points into.
func columnBytes(column arrow.Array) int64 {
	switch c := column.(type) {
	case *array.String:
		return int64(len(c.ValueBytes()))
	case *array.List:
		if c.Len() == 0 {
			return 0
		}
		from, _ := c.ValueOffsets(0)
		_, to := c.ValueOffsets(c.Len() - 1)
		values := array.NewSlice(c.ListValues(), from, to)
		defer values.Release()
		return columnBytes(values)
	}
	return 8 * int64(column.Len())
}
