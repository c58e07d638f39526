package retrieve

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// rowSorter puts rows in the order of some columns; those that are equal in them stay
// in the order in which they came.
type rowSorter struct {
	options Options
	schema  feature.Schema
	columns []int
	full    func(rows int, bytes int64) bool // of a block
	spilled func(bytes int64)
}

// sort hands the rows that each adds to fn, as sorted blocks that are valid until fn
// returns. Those that fit into one block do not go to disk. Records that are added
// are the sorter's.
func (s *rowSorter) sort(ctx context.Context, each func(add func(arrow.Record) error) error, fn func(*block) error) error {
	b := &block{}
	defer func() { b.release() }()
	disk := newSpineSorter(ctx, s.options, s.schema, s.columns)
	defer disk.runs.Close()
	flush := func() error {
		if err := disk.add(b); err != nil {
			return fmt.Errorf("sort rows on disk: %w", err)
		}
		b.release()
		s.spilled(disk.runs.Written())
		return nil
	}
	err := each(func(rec arrow.Record) error {
		if b.rows > 0 && s.full(b.rows, b.bytes) {
			if err := flush(); err != nil {
				return err
			}
		}
		b.add(rec)
		return nil
	})
	if err != nil || b.rows == 0 {
		return err
	}
	if disk.runs.Len() == 0 {
		sorted, err := sortBlock(disk, b)
		if err != nil {
			return err
		}
		b.release()
		defer sorted.release()
		return fn(sorted)
	}
	if err := flush(); err != nil {
		return err
	}
	return disk.merge(s.full, fn)
}

// sortBlock returns the rows of a block, which has some, in order.
func sortBlock(s *spineSorter, b *block) (*block, error) {
	_, order, err := s.order(b)
	if err != nil {
		return nil, err
	}
	byRow := make([]record.Place, 0, b.rows)
	for i, rec := range b.records {
		for row := range int32(rec.NumRows()) {
			byRow = append(byRow, record.PlaceOf(int32(i), row))
		}
	}
	out := &block{}
	for rows := range slices.Chunk(order, resultRows) {
		places := make([]record.Place, len(rows))
		for i, row := range rows {
			places[i] = byRow[row]
		}
		rec, err := takeRecord(b.records, places)
		if err != nil {
			return nil, err
		}
		out.add(rec)
	}
	return out, nil
}

// takeRecord returns rows of records of one schema, at least one record.
func takeRecord(records []arrow.Record, places []record.Place) (arrow.Record, error) {
	columns := make([]arrow.Array, records[0].NumCols())
	for i := range columns {
		all := make([]arrow.Array, len(records))
		for k, rec := range records {
			all[k] = rec.Column(i)
		}
		var err error
		if columns[i], err = record.TakeChunks(all, places); err != nil {
			return nil, fmt.Errorf("column %q: %w", records[0].ColumnName(i), err)
		}
	}
	return array.NewRecord(records[0].Schema(), columns, int64(len(places))), nil
}
