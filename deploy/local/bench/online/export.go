package main

import (
	"context"
	"errors"
	"os"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
)

// exportRows is how many rows of a file are in memory.
const exportRows = 64 << 10

// export writes the rows of Tilery's online store, keys and features, to a file of Parquet.
func (o options) export(ctx context.Context, path string) (err error) {
	v, err := o.open(ctx)
	if err != nil {
		return err
	}
	store, err := o.openStore()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	status, _, _, err := online.ReadStatus(ctx, store, v.Target.Store())
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	keys := v.Target.View.JoinKeys()
	schema := append(append(feature.Schema{}, keys...), v.Target.Features...)
	w, err := frame.NewWriter(file, frame.Parquet, schema)
	if err != nil {
		return err
	}
	rows := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	defer rows.Release()
	count := 0
	flush := func() error {
		rec := rows.NewRecord()
		defer rec.Release()
		count = 0
		return w.Write(rec)
	}
	for item, err := range store.Scan(ctx, v.Target.CellStore(status.Epoch)) {
		if err != nil {
			return errors.Join(err, w.Close())
		}
		if err := appendItem(rows, keys, v.Target.Features, item); err != nil {
			return errors.Join(err, w.Close())
		}
		if count++; count == exportRows {
			if err := flush(); err != nil {
				return errors.Join(err, w.Close())
			}
		}
	}
	return errors.Join(flush(), w.Close())
}

// appendItem appends a cell of an entity's newest row.
func appendItem(rows *array.RecordBuilder, keys, features []feature.Field, item online.Item) error {
	if err := record.AppendKeyColumns(rows.Fields()[:len(keys)], keys, item.Key.Entity); err != nil {
		return err
	}
	row, err := online.DecodeRow(item.Cell.Value)
	if err != nil {
		return err
	}
	values, err := record.DecodeRow(nil, row.Values, features)
	if err != nil {
		return err
	}
	return record.AppendColumns(rows.Fields()[len(keys):], values)
}
