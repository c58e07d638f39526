package materialize

import (
	"bytes"
	"context"
	"errors"
	"math"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// search finds the newest row of the snapshot for the first n of cells, which are
// in key order and have no values; the rows of the others do not fit into memory
// beside theirs. It reads the latest files first, and asks no file for a key that
// it cannot hold, or whose row is later than the file.
func (s *rowStep) search(ctx context.Context, cells []rowCell) (n int, err error) {
	found := &searchBatch{cells: cells}
	for _, f := range s.files {
		open, finished := found.open(f, s.target.View.JoinKeys()[0])
		if finished {
			break
		}
		if len(open) == 0 {
			continue
		}
		if err := s.searchFile(ctx, f, found, open); err != nil {
			return 0, err
		}
	}
	return len(found.cells), nil
}

func (s *rowStep) searchFile(ctx context.Context, f offline.File, found *searchBatch, open []int) (err error) {
	c, err := s.open(ctx, f, keySpan{from: found.cells[open[0]].key})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.reader.Close()) }()
	var row []byte
	for len(open) > 0 && open[0] < len(found.cells) && !c.done() {
		order := bytes.Compare(c.key, found.cells[open[0]].key)
		if order > 0 {
			open = open[1:]
			continue
		}
		var ok bool
		if row, _, ok, err = c.pass(row[:0], math.MinInt64); err != nil {
			return err
		}
		if ok && order == 0 {
			found.put(open[0], row)
		}
	}
	return nil
}

// searchBatch is what a search found so far.
type searchBatch struct {
	cells []rowCell
	size  int // of the values
}

// open returns which cells a file may hold a newer row of. The search is finished
// when neither this file nor an earlier one can.
func (b *searchBatch) open(f offline.File, first feature.Field) (open []int, finished bool) {
	bounds := f.KeyBounds(first)
	finished = true
	for i, c := range b.cells {
		if c.value != nil && rowTime(c.value) > f.MaxTime {
			continue
		}
		finished = false
		if bounds.MayHold(c.key) {
			open = append(open, i)
		}
	}
	return open, finished
}

// rowTime returns the time of a row that this program encoded.
func rowTime(value []byte) window.Time {
	row, _ := online.DecodeRow(value) // AppendRow's own bytes: no error
	return row.Time
}

// put keeps a row if it is newer. Cells at the end are let go for it if need be.
func (b *searchBatch) put(i int, row []byte) {
	c := &b.cells[i]
	if bytes.Compare(row, c.value) <= 0 {
		return
	}
	b.size += len(row) - len(c.value)
	c.value = append(c.value[:0], row...)
	for last := len(b.cells) - 1; b.size > bytesPerBatch && last > 0; last-- {
		b.size -= len(b.cells[last].value)
		b.cells[last].value = nil
		b.cells = b.cells[:last]
	}
}
