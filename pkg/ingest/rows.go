package ingest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// readerBytes bounds what is held of a frame beside the rows that are sorted, and so its
// row groups and record batches.
const readerBytes = 128 << 20

// rows reads the rows of a frame as those of a table: its columns in order, all checked.
type rows struct {
	frame    *frame.Reader
	keys     []feature.Field
	features []feature.Field
	schema   *arrow.Schema
	places   []int // of the columns in the frame's records

	filter *forget.Filter
	now    window.Time
	latest window.Time

	passed    int64 // rows of earlier records
	forgotten int64
	key, row  []byte // scratch
}

// openRows opens a frame; frame.ErrData: it lacks a column of the table, or is none.
func openRows(file io.ReaderAt, size int64, format frame.Format, t *materialize.Target) (*rows, error) {
	columns := slices.Clone(feature.Schema(t.Keys))
	columns = append(columns, feature.Field{Name: t.View.TimestampField, Type: feature.Timestamp})
	columns = append(columns, t.Features...)
	reader, err := frame.Open(file, size, format, frame.Options{Known: columns, OnlyKnown: true, MemoryBytes: readerBytes})
	if err != nil {
		return nil, err
	}
	r := &rows{frame: reader, keys: t.Keys, features: t.Features, schema: record.ArrowSchema(columns)}
	has := reader.Schema()
	for _, c := range columns {
		at := slices.IndexFunc(has, func(f feature.Field) bool { return f.Name == c.Name })
		if at < 0 {
			_ = reader.Close() // it was only read
			return nil, lacks(c, append(has.Names(), reader.Dropped()...))
		}
		r.places = append(r.places, at)
	}
	return r, nil
}

func lacks(c feature.Field, has []string) error {
	const most = 20
	switch {
	case len(has) == 0:
		return fmt.Errorf("%w: it has no columns, want %s %s and the others of the table", frame.ErrData, c.Name, c.Type)
	case len(has) > most:
		has = append(has[:most:most], fmt.Sprintf("and %d others", len(has)-most))
	}
	return fmt.Errorf("%w: it has no column %s, which must be %s; it has %s", frame.ErrData, c.Name, c.Type, strings.Join(has, ", "))
}

// next returns the next rows, which may be none; io.EOF after the last. The record must
// be released before the next call.
func (r *rows) next() (arrow.Record, error) {
	rec, err := r.frame.Next()
	if err != nil {
		return nil, err
	}
	columns := make([]arrow.Array, len(r.places))
	for i, place := range r.places {
		columns[i] = rec.Column(place)
	}
	kept, err := r.check(columns, int(rec.NumRows()))
	if err != nil {
		return nil, err
	}
	r.passed += rec.NumRows()
	all := array.NewRecord(r.schema, columns, rec.NumRows())
	if len(kept) == int(rec.NumRows()) {
		return all, nil
	}
	defer all.Release()
	return record.TakeRecord(all, kept)
}

// check judges all rows, and returns those that no fence holds back.
func (r *rows) check(columns []arrow.Array, n int) (kept []int32, err error) {
	keys, err := record.NewKeyEncoder(r.keys, columns[:len(r.keys)])
	if err != nil {
		return nil, err
	}
	values, err := record.NewRowEncoder(r.features, columns[len(r.keys)+1:])
	if err != nil {
		return nil, err
	}
	times, ok := columns[len(r.keys)].(*array.Timestamp)
	if !ok {
		return nil, fmt.Errorf("the column of times is %s", columns[len(r.keys)].DataType())
	}
	kept = make([]int32, 0, n)
	for row := range n {
		if r.key, err = r.checkKey(keys, columns, row); err != nil {
			return nil, err
		}
		if times.IsNull(row) {
			return nil, r.wrong(row, len(r.keys), "it is null, and each row needs its time")
		}
		at := window.Time(times.Value(row))
		if at > r.latest {
			return nil, r.wrong(row, len(r.keys), "%v lies more than %v after now, %v", at, feature.Duration(r.latest.Sub(r.now)), r.now)
		}
		if r.row = values.Append(r.row[:0], row); len(r.row) > record.MaxRowBytes {
			return nil, fmt.Errorf("%w: row %d: its features take %d bytes, at most %d are allowed", frame.ErrData, r.number(row), len(r.row), record.MaxRowBytes)
		}
		if r.filter.Drops(r.key, at) {
			r.forgotten++
		} else {
			kept = append(kept, int32(row))
		}
	}
	return kept, nil
}

func (r *rows) checkKey(keys *record.KeyEncoder, columns []arrow.Array, row int) ([]byte, error) {
	for i := range r.keys {
		if columns[i].IsNull(row) {
			return nil, r.wrong(row, i, "it is null, and a join key may not be")
		}
	}
	key := keys.Append(r.key[:0], row)
	if len(key) > record.MaxKeyBytes {
		return nil, fmt.Errorf("%w: row %d: its join keys take %d bytes, at most %d are allowed", frame.ErrData, r.number(row), len(key), record.MaxKeyBytes)
	}
	return key, nil
}

func (r *rows) number(row int) int64 { return r.passed + int64(row) + 1 }

func (r *rows) wrong(row, column int, format string, args ...any) error {
	return fmt.Errorf("%w: row %d, column %q: %s", frame.ErrData, r.number(row), r.schema.Field(column).Name, fmt.Sprintf(format, args...))
}

// each hands all rows to fn, record by record.
func (r *rows) each(fn func(arrow.Record) error) error {
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = fn(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

func (r *rows) close() { _ = r.frame.Close() } // it was only read
