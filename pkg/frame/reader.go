package frame

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// Options bound what is read, and tell what is known of it. Zero values mean the defaults.
type Options struct {
	// Known are columns whose types are given: where the file has one of that name, it
	// is read as that type or not at all. They may be missing from the file.
	Known feature.Schema
	// OnlyKnown leaves out the other columns, whatever they hold; Dropped names them.
	OnlyKnown bool
	// MaxColumns bounds the file's columns; default 2000.
	MaxColumns int
	// MaxTextBytes bounds what a String or an array takes, about; default 1 MiB.
	MaxTextBytes int
	// MaxBytes bounds the values of all records together; default 64 GiB. A small file
	// may hold many.
	MaxBytes int64
	// MemoryBytes bounds what Arrow's readers hold for a record, beside the record
	// itself, and so the row groups and record batches that can be read; default 1 GiB.
	MemoryBytes int64
}

// reads reports whether a column is read.
func (o Options) reads(name string) bool {
	_, known := o.Known.Lookup(name)
	return known || !o.OnlyKnown
}

func (o Options) withDefaults() Options {
	o.MaxColumns = cmp.Or(o.MaxColumns, 2000)
	o.MaxTextBytes = cmp.Or(o.MaxTextBytes, 1<<20)
	o.MaxBytes = cmp.Or(o.MaxBytes, 64<<30)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, 1<<30)
	return o
}

// Records end at maxRows rows, or after the row that takes them past maxBytes.
const (
	maxRows  = 64 << 10
	maxBytes = 32 << 20
)

// Reader reads a data frame. It belongs to one goroutine.
type Reader struct {
	source  *source
	decoder decoder
	batch   *batch
	record  arrow.Record
	left    int64 // bytes of values that may still come
	limit   int64
	err     error // of an earlier Next
}

// decoder reads one format.
type decoder interface {
	schema() feature.Schema
	// dropped returns the columns that OnlyKnown leaves out, in the order of the file.
	dropped() []string
	// fill appends rows to a batch, which is empty, until it is full or the file ends.
	fill(b *batch) error
	close()
}

// Open reads the schema of a data frame of size bytes, and for CSV and JSON with
// columns that are not known the whole file once. The file must not change until
// the Reader is closed. ErrData: the file is no such data frame.
func Open(file io.ReaderAt, size int64, format Format, o Options) (*Reader, error) {
	o = o.withDefaults()
	s := &source{file: file, size: size}
	r := &Reader{source: s, left: o.MaxBytes, limit: o.MaxBytes}
	err := guard(func() (err error) {
		switch format {
		case Parquet:
			r.decoder, err = openParquet(s, o)
		case Arrow:
			r.decoder, err = openArrow(s, o)
		case CSV:
			r.decoder, err = openCSV(s, o)
		case JSON:
			r.decoder, err = openJSON(s, o)
		default:
			_, err = ParseFormat(string(format))
		}
		return err
	})
	if err != nil {
		return nil, s.judge(err)
	}
	r.batch = newBatch(r.decoder.schema())
	return r, nil
}

// Schema returns the columns in the order of the file.
func (r *Reader) Schema() feature.Schema { return slices.Clone(r.decoder.schema()) }

// Dropped returns the columns that were left out by OnlyKnown, in the order of the file.
func (r *Reader) Dropped() []string { return slices.Clone(r.decoder.dropped()) }

// Next returns the next rows, as a record of record.ArrowSchema(Schema()); io.EOF after
// the last. It has at most 64 Ki rows and about 32 MiB, and is valid until the next
// call. ErrData: a row cannot be read; there are no further ones then.
func (r *Reader) Next() (arrow.Record, error) {
	r.release()
	if r.err != nil {
		return nil, r.err
	}
	if err := guard(r.next); err != nil {
		r.err = r.source.judge(err)
	} else if r.record == nil {
		r.err = io.EOF
	}
	return r.record, r.err
}

func (r *Reader) next() error {
	if err := r.decoder.fill(r.batch); err != nil || r.batch.rows == 0 {
		return err
	}
	if r.left -= r.batch.bytes; r.left < 0 {
		return fmt.Errorf("the values take more than %d bytes", r.limit)
	}
	r.record = r.batch.take()
	return nil
}

// Close frees what the Reader holds.
func (r *Reader) Close() error {
	r.release()
	r.decoder.close()
	r.err = errors.New("the reader is closed")
	return nil
}

func (r *Reader) release() {
	if r.record != nil {
		r.record.Release()
		r.record = nil
	}
}

// batch gathers the rows of a record.
type batch struct {
	builder *array.RecordBuilder
	rows    int
	bytes   int64 // of the values, about
}

func newBatch(s feature.Schema) *batch {
	return &batch{builder: array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(s))}
}

func (b *batch) full() bool { return b.rows >= maxRows || b.bytes >= maxBytes }

func (b *batch) take() arrow.Record {
	rec := b.builder.NewRecord()
	b.rows, b.bytes = 0, 0
	return rec
}
