package delta

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tilery/tilery/pkg/offline"
)

// restore makes s, a state of no table, the one that a checkpoint holds. Only bytes
// that encode made come to be decoded: on others the Parquet library may panic in a
// goroutine of its own, or not end. After an error, which is ErrCorrupt or
// ErrMismatch, s is useless.
func (s *state) restore(ctx context.Context, l *layout, number int64, data []byte) error {
	if err := checkSeal(data); err != nil {
		return err
	}
	err := guard(func() error {
		f, err := file.NewParquetReader(bytes.NewReader(data))
		if err != nil {
			return err
		}
		return s.restoreFile(ctx, l, number, f)
	})
	if err == nil || errors.Is(err, offline.ErrMismatch) || errors.Is(err, offline.ErrCorrupt) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", offline.ErrCorrupt, err)
}

func (s *state) restoreFile(ctx context.Context, l *layout, number int64, f *file.Reader) error {
	var info checkpointInfo
	text := f.MetaData().KeyValueMetadata().FindValue(checkpointSetting)
	if text == nil {
		return fmt.Errorf("setting %s is missing", checkpointSetting)
	}
	if err := json.Unmarshal([]byte(*text), &info); err != nil {
		return fmt.Errorf("setting %s: %w", checkpointSetting, err)
	}
	if info.Version != number {
		return fmt.Errorf("checkpoint of version %d stands for version %d", info.Version, number)
	}
	reader, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: checkpointBatch}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	schema, err := reader.Schema()
	if err != nil {
		return err
	}
	if err := sameColumns(schema, checkpointSchema); err != nil {
		return fmt.Errorf("%w: %w", offline.ErrMismatch, err)
	}
	records, err := reader.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return err
	}
	defer records.Release()
	for records.Next() {
		if err := s.restoreRows(l, number, records.Record()); err != nil {
			return err
		}
	}
	if err := records.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.clock, s.commits = info.Clock, info.Commits
	s.exhume()
	return nil
}

// restoreRows takes rows in the order in which encode writes them: the table comes first.
func (s *state) restoreRows(l *layout, number int64, rec arrow.Record) error {
	var actions [removeColumn + 1]action
	for i := range actions {
		actions[i].fields = rec.Column(i).(*array.Struct)
	}
	for row := range int(rec.NumRows()) {
		for i := range actions {
			actions[i].row = row
		}
		var err error
		switch {
		case actions[protocolColumn].there():
			a := actions[protocolColumn]
			err = s.applyProtocol(protocol{MinReaderVersion: a.integer(0), MinWriterVersion: a.integer(1)})
		case actions[metaDataColumn].there():
			err = s.applyMetaData(l, actions[metaDataColumn].metaData())
			s.number = number
		case actions[txnColumn].there():
			a := actions[txnColumn]
			_, _, err = s.applyTxn(transaction{AppID: a.text(0), Version: a.long(1), LastUpdated: a.long(2)})
		case actions[addColumn].there():
			_, err = s.applyAdd(actions[addColumn].add())
		case actions[removeColumn].there():
			a := actions[removeColumn]
			s.tombstones[a.text(0)] = removeFile{DeletionTimestamp: a.long(1)}.time()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// action is a row of one column of a checkpoint. Its fields are asked for by their
// place in checkpointSchema; null is the zero value.
type action struct {
	fields *array.Struct
	row    int
}

func (a action) there() bool { return a.fields.IsValid(a.row) }

func (a action) text(i int) string {
	column := a.fields.Field(i).(*array.String)
	if column.IsNull(a.row) {
		return ""
	}
	return string([]byte(column.Value(a.row))) // not Arrow's memory
}

func (a action) long(i int) int64 {
	column := a.fields.Field(i).(*array.Int64)
	if column.IsNull(a.row) {
		return 0
	}
	return column.Value(a.row)
}

func (a action) integer(i int) int {
	column := a.fields.Field(i).(*array.Int32)
	if column.IsNull(a.row) {
		return 0
	}
	return int(column.Value(a.row))
}

func (a action) texts(i int) (out []string) {
	column := a.fields.Field(i).(*array.List)
	values := column.ListValues().(*array.String)
	from, to := column.ValueOffsets(a.row)
	for n := from; n < to; n++ {
		out = append(out, string([]byte(values.Value(int(n)))))
	}
	return out
}

func (a action) textMap(i int) map[string]string {
	column := a.fields.Field(i).(*array.Map)
	keys, values := column.Keys().(*array.String), column.Items().(*array.String)
	from, to := column.ValueOffsets(a.row)
	out := make(map[string]string, to-from)
	for n := int(from); n < int(to); n++ {
		out[string([]byte(keys.Value(n)))] = string([]byte(values.Value(n)))
	}
	return out
}

func (a action) metaData() metaData {
	format := action{a.fields.Field(3).(*array.Struct), a.row}
	return metaData{
		ID: a.text(0), Name: a.text(1), Description: a.text(2),
		Format:       tableFormat{Provider: format.text(0), Options: format.textMap(1)},
		SchemaString: a.text(4), PartitionColumns: a.texts(5), Configuration: a.textMap(6), CreatedTime: a.long(7),
	}
}

func (a action) add() addFile {
	return addFile{
		Path: a.text(0), PartitionValues: a.textMap(1), Size: a.long(2), ModificationTime: a.long(3), Stats: a.text(5), Tags: a.textMap(6),
	}
}
