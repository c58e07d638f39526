package delta

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// copyAttempt stands in the names of copies, where files of builds name their attempt.
const copyAttempt = "copy"

// remainder is what is left of a file when windows are taken out of it.
type remainder struct {
	whole bool          // no row lies in the windows: the file can stay
	file  *offline.File // the other rows; nil when there are none
}

// remainder copies the rows of f outside the windows, once per commit unless that
// takes so long that the copy could be vacuumed: a process may have stood still.
func (p *planner) remainder(ctx context.Context, f offline.File, windows window.Set) (remainder, error) {
	key := fmt.Sprint(f.Path, windows)
	if rest, ok := p.copies[key]; ok && (rest.file == nil || p.table.tooOld(*rest.file) == nil) {
		return rest, nil
	}
	rest, err := copyRemainder(ctx, p.table, f, windows)
	if err == nil {
		p.copies[key] = rest
	}
	return rest, err
}

func copyRemainder(ctx context.Context, t *table, f offline.File, windows window.Set) (rest remainder, err error) {
	from, err := openReader(ctx, t.bucket, t.spec, f, offline.Selection{})
	if err != nil {
		return rest, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := newFileWriter(t.spec, t.opts, f.Partition, maxRowGroupBytes)
	if err != nil {
		return rest, err
	}
	defer func() { err = errors.Join(err, to.discard()) }()

	for {
		rec, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return rest, err
		}
		if err := copyOutside(to, rec, len(t.spec.Keys), windows); err != nil {
			return rest, err
		}
	}
	switch to.stats.rows {
	case f.Rows:
		return remainder{whole: true}, nil
	case 0:
		return remainder{}, nil
	}
	copied, err := to.finish(ctx, t.bucket, copyAttempt)
	if err != nil {
		return rest, err
	}
	// The rows were written when f was: a later ingest of equal time still wins.
	copied.Seq = f.Seq
	return remainder{file: &copied}, nil
}

// copyOutside writes the rows of rec whose time lies outside the windows.
func copyOutside(to *fileWriter, rec arrow.Record, timeColumn int, windows window.Set) error {
	times := rec.Column(timeColumn).(*array.Timestamp).TimestampValues()
	keep := make([]int32, 0, len(times))
	for row, t := range times {
		at := window.Time(t)
		if !windows.Covers(window.Interval{Start: at, End: at + 1}) {
			keep = append(keep, int32(row))
		}
	}
	if len(keep) == 0 {
		return nil
	}
	rest, err := pick(rec, keep)
	if err != nil {
		return err
	}
	defer rest.Release()
	return to.write(rest)
}
