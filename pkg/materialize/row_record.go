package materialize

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// rowRecord makes records of encoded rows, as rows of the offline table, and hands
// them to write.
type rowRecord struct {
	keys     []feature.Field
	features []feature.Field
	columns  *array.RecordBuilder
	write    func(arrow.Record) error

	rows, bytes int
	values      []feature.Value // scratch
}

// add adds a row whose key has a length.
func (r *rowRecord) add(key int, row []byte) error {
	if r.rows == recordRows || r.bytes >= recordBytes {
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.rows++
	r.bytes += len(row)
	builders := r.columns.Fields()
	if err := record.AppendKeyColumns(builders[:len(r.keys)], r.keys, row[:key]); err != nil {
		return err
	}
	at, encoded := cutTime(row[key:])
	builders[len(r.keys)].(*array.TimestampBuilder).Append(arrow.Timestamp(at))
	var err error
	if r.values, err = record.DecodeRow(r.values[:0], encoded, r.features); err != nil {
		return err
	}
	return record.AppendColumns(builders[len(r.keys)+1:], r.values)
}

// flush ends the record, unless it is empty.
func (r *rowRecord) flush() error {
	if r.rows == 0 {
		return nil
	}
	r.rows, r.bytes = 0, 0
	rec := r.columns.NewRecord()
	defer rec.Release()
	return r.write(rec)
}
