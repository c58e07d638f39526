package retrieve

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// How many rows of the spine are joined at a time, about: a batch ends with the key
// that reaches it. Files that cannot all stay open are opened for each batch, so that
// there should be few of them.
const (
	batchRows     = 4 << 10
	longBatchRows = 64 << 10
)

// keyRange joins one view with a range of a block's keys. It belongs to one goroutine.
type keyRange struct {
	part    *part
	keys    *blockKeys
	entries []entry // unsorted at first
	results *results
	onRows  func(rows int)

	fileBytes int64 // that open files may take
	stay      bool  // files stay open from batch to batch
	batchRows int

	needs   needs
	joiner  joiner
	cursors []*cursor

	batch keyBatch
	list  keyList
}

func (r *keyRange) run(ctx context.Context) (err error) {
	if len(r.entries) == 0 {
		return nil
	}
	r.keys.sort(r.entries)
	if r.joiner, err = r.part.newJoiner(); err != nil {
		return err
	}
	r.open()
	defer func() {
		for _, c := range r.cursors {
			err = errors.Join(err, c.close())
		}
	}()
	for from := 0; from < len(r.entries); {
		to := r.fill(from)
		if err := r.join(ctx, r.entries[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// open makes a cursor for each file that can matter, latest first.
func (r *keyRange) open() {
	for _, e := range r.entries {
		r.needs.add(r.joiner.needs(e.time))
	}
	needed := r.needs.set()
	var files []offline.File
	for _, f := range r.part.files {
		if needed.Overlaps(window.Interval{Start: f.MinTime, End: f.MaxTime + 1}) {
			files = append(files, f)
		}
	}
	columns := r.part.columns(r.joiner.columns())
	rows, stay := openFiles(r.fileBytes, len(files), len(columns))
	if r.stay, r.batchRows = stay, batchRows; !stay {
		r.batchRows = longBatchRows
	}
	for _, f := range files {
		r.cursors = append(r.cursors, &cursor{
			table: r.part.Table, file: f, keys: r.part.keys, rest: r.part.rest,
			columns: offline.Selection{Columns: columns, Rows: rows}, onRead: func() { r.onRows(0) },
		})
	}
}

// fill makes a batch of the entries from one on, and returns the first that is not of it.
func (r *keyRange) fill(from int) (to int) {
	r.batch.firsts, r.batch.times = r.batch.firsts[:0], r.batch.times[:0]
	r.list.reset()
	for to = from; to < len(r.entries); to++ {
		e := r.entries[to]
		if to == from || r.keys.compareKeys(r.entries[to-1], e) != 0 {
			if to-from >= r.batchRows {
				break
			}
			r.batch.firsts = append(r.batch.firsts, int32(to-from))
			r.list.add(r.keys.key(e.row))
		}
		r.batch.times = append(r.batch.times, e.time)
	}
	r.batch.firsts = append(r.batch.firsts, int32(to-from))
	return to
}

func (r *keyRange) join(ctx context.Context, entries []entry) error {
	r.joiner.begin(&r.batch)
	for _, c := range r.cursors {
		if err := c.walk(ctx, &r.list, r.joiner.add); err != nil {
			return err
		}
		if r.stay {
			continue
		}
		if err := c.close(); err != nil {
			return err
		}
	}
	features, err := r.joiner.end()
	if err != nil {
		return err
	}
	if err := r.results.add(entries, features); err != nil {
		return err
	}
	r.onRows(len(entries))
	return ctx.Err()
}
