package retrieve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// tableWalk reads rows of a part's table, of all keys or of some.
type tableWalk struct {
	part     *part
	entities *keyList // nil: all
	within   window.Interval
	columns  []string // beside the table's keys and time
	onRead   func()   // a record was read
}

// each hands the rows that lie within the time to add, file by file, in the order of
// the file, but for those with a null in a join key, which nothing is joined with. The
// record is valid until add returns.
func (w *tableWalk) each(ctx context.Context, add func(rec arrow.Record, rows []int32) error) error {
	if w.entities != nil && w.entities.len() == 0 {
		return nil
	}
	spec := w.part.Table.Spec()
	columns := w.part.columns(w.columns)
	for _, f := range w.part.files {
		if !w.within.Overlaps(window.Interval{Start: f.MinTime, End: f.MaxTime + 1}) {
			continue
		}
		rows := []int32{}
		selected := func(rec arrow.Record, candidates []int32) error {
			rows = rows[:0]
			times := rec.Column(len(spec.Keys)).(*array.Timestamp).TimestampValues()
			for _, row := range candidates {
				if w.within.Contains(window.Time(times[row])) {
					rows = append(rows, row)
				}
			}
			if len(rows) == 0 {
				return nil
			}
			return add(rec, rows)
		}
		var err error
		if w.entities != nil {
			err = w.some(ctx, f, columns, selected)
		} else {
			err = w.all(ctx, f, columns, selected)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// some reads the rows of the entities in a file.
func (w *tableWalk) some(ctx context.Context, f offline.File, columns []string, add func(arrow.Record, []int32) error) error {
	c := &cursor{
		table: w.part.Table, file: f, keys: w.part.keys, rest: w.part.rest,
		columns: offline.Selection{Columns: columns}, onRead: w.onRead,
	}
	err := c.walk(ctx, w.entities, func(rec arrow.Record, rows, _ []int32) error { return add(rec, rows) })
	return errors.Join(err, c.close())
}

// all reads the rows of a file.
func (w *tableWalk) all(ctx context.Context, f offline.File, columns []string, add func(arrow.Record, []int32) error) (err error) {
	scanner, err := w.part.Table.Scan(ctx, f, offline.Selection{Columns: columns})
	if err != nil {
		return fmt.Errorf("scan file %s: %w", f.Path, err)
	}
	defer func() { err = errors.Join(err, scanner.Close()) }()
	var rows []int32
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("scan file %s: %w", f.Path, err)
		}
		w.onRead()
		rows = rows[:0]
		keys := rec.Columns()[:len(w.part.keys)]
		for row := range int32(rec.NumRows()) {
			if !slices.ContainsFunc(keys, func(key arrow.Array) bool { return key.IsNull(int(row)) }) {
				rows = append(rows, row)
			}
		}
		if err := add(rec, rows); err != nil {
			return fmt.Errorf("rows of file %s: %w", f.Path, err)
		}
	}
}

// entityBytes is what an entity takes in memory beside its key, about.
const entityBytes = 64

// entityKeys returns the encoded keys of entities, each once and in order. One with
// a null in a key is none.
func entityKeys(ctx context.Context, o Options, from Part, entities Spine) (*keyList, error) {
	for _, field := range entities.Schema {
		if !slices.Contains(from.Keys, field.Name) {
			return nil, fmt.Errorf("%w: column %q of the entities is no join key of view %s, which are %s",
				ErrSpine, field.Name, from.Target.View.Name, strings.Join(from.Keys, ", "))
		}
	}
	columns, err := entities.keyColumns(from)
	if err != nil {
		return nil, fmt.Errorf("entities: %w", err)
	}
	known := map[string]bool{}
	left := o.MemoryBytes / 4
	var key []byte
	reader := spineReader{entities, record.ArrowSchema(entities.Schema)}
	err = reader.each(ctx, func(rec arrow.Record) error {
		encoder, err := keyEncoder(from.Target.View.JoinKeys(), rec, columns)
		if err != nil {
			return err
		}
		for row := range int(rec.NumRows()) {
			null := slices.ContainsFunc(columns, func(column int) bool { return rec.Column(column).IsNull(row) })
			if key = encoder.Append(key[:0], row); null || len(key) > record.MaxKeyBytes || known[string(key)] {
				continue
			}
			if left -= int64(2*len(key)) + entityBytes; left < 0 {
				return fmt.Errorf("%w: the entities take more than %d bytes of memory: ask for fewer at a time", ErrSpine, o.MemoryBytes/4)
			}
			known[string(key)] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := &keyList{}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		list.add([]byte(key))
	}
	return list, nil
}
