package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of an appender.
const (
	maxOpenFiles  = 256       // one for each partition that rows came for lately
	appendedBytes = 256 << 20 // a file ends before the next key then
	maxBuiltFiles = 10_000    // of one build: a version must hold their names
)

// appender implements offline.Writer for rows that belong to no window. It holds rows
// of all partitions, and encodes them by whole row groups, so that what it holds does
// not grow with the partitions.
type appender struct {
	table   *table
	ctx     context.Context // Write has no place for one
	attempt string
	files   map[string]*appendedFile // open, by partition
	orders  map[string]*rowOrder     // of all partitions
	held    int64                    // bytes of rows that were not encoded yet
	writes  int64
	done    []offline.File
	err     error // of an earlier call; ends the build
}

// appendedFile is the open file of a partition.
type appendedFile struct {
	*assembly
	held  []arrow.Record // not encoded yet
	more  int64          // rows of them
	bytes int64          // of them, as Arrow holds them
	used  int64          // when, in writes
}

// NewAppender implements offline.Table. Rows need to be sorted within each partition
// only. Files are uploaded as they end, so ctx must last until Close.
func (t *table) NewAppender(ctx context.Context, attempt string) (offline.Writer, error) {
	err := ctx.Err()
	switch {
	case err != nil:
		return nil, err
	case t.spec.Sequence == "":
		err = errors.New("its rows belong to windows")
	case !attemptForm.MatchString(attempt):
		err = fmt.Errorf("attempt %q is not 1 to 100 of [A-Za-z0-9._-]", attempt)
	}
	if err != nil {
		return nil, fmt.Errorf("append to %q: %w", t.spec.Path, err)
	}
	return &appender{table: t, ctx: ctx, attempt: attempt, files: map[string]*appendedFile{}, orders: map[string]*rowOrder{}}, nil
}

// Write implements offline.Writer. After an error the build cannot be closed.
func (a *appender) Write(rec arrow.Record) error {
	if a.err == nil {
		a.err = a.write(rec)
	}
	if a.err != nil {
		return fmt.Errorf("append to %q: %w", a.table.spec.Path, a.err)
	}
	return nil
}

func (a *appender) write(rec arrow.Record) error {
	if err := checkColumns(a.table.spec, rec); err != nil {
		return err
	}
	times, err := timesOf(rec, len(a.table.spec.Keys))
	if err != nil {
		return err
	}
	for _, part := range apart(a.table.spec.Partition, times) {
		picked, err := record.TakeRecord(rec, part.rows)
		if err != nil {
			return err
		}
		err = a.writePart(part.partition, picked)
		picked.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// partRows are the rows of a record in one partition.
type partRows struct {
	partition string
	rows      []int32
}

// apart divides rows by partition, in the order in which they come.
func apart(by window.Partition, times []arrow.Timestamp) (parts []partRows) {
	var open window.Interval
	at := 0
	index := map[window.Time]int{} // of parts, by the partition's start
	for row, t := range times {
		if !open.Contains(window.Time(t)) {
			open = by.Interval(window.Time(t))
			i, known := index[open.Start]
			if at = i; !known {
				at = len(parts)
				index[open.Start] = at
				parts = append(parts, partRows{partition: by.Name(open.Start)})
			}
		}
		parts[at].rows = append(parts[at].rows, int32(row))
	}
	return parts
}

// writePart takes rows of one partition, in memory that is nobody else's.
func (a *appender) writePart(partition string, rec arrow.Record) error {
	order := a.orders[partition]
	if order == nil {
		order = &rowOrder{window: window.Interval{Start: window.MinTime, End: window.MaxTime}, keys: a.table.spec.Keys, once: true}
		a.orders[partition] = order
	}
	if err := a.endFull(partition, rec); err != nil {
		return err
	}
	if _, err := order.check(rec); err != nil {
		return err
	}
	f, err := a.open(partition)
	if err != nil {
		return err
	}
	a.hold(f, rec)
	if f.more >= a.table.opts.RowGroupRows {
		if err := a.encode(f, a.table.opts.RowGroupRows); err != nil {
			return err
		}
	}
	for a.held >= maxRowGroupBytes {
		largest := slices.MaxFunc(slices.Collect(maps.Values(a.files)), func(x, y *appendedFile) int { return int(x.bytes - y.bytes) })
		if err := a.encode(largest, 1); err != nil {
			return err
		}
	}
	return nil
}

// hold has a file hold further rows.
func (a *appender) hold(f *appendedFile, rec arrow.Record) {
	rec.Retain()
	size := recordBytes(rec)
	f.held = append(f.held, rec)
	f.more, f.bytes, a.held = f.more+rec.NumRows(), f.bytes+size, a.held+size
}

// endFull ends the file of a partition that has grown large, if rec begins with a key
// that it does not hold.
func (a *appender) endFull(partition string, rec arrow.Record) error {
	f := a.files[partition]
	if f == nil || f.size < appendedBytes {
		return nil
	}
	keys := a.table.spec.Keys
	encoder, err := record.NewKeyEncoder(keys, rec.Columns()[:len(keys)])
	if err != nil || bytes.Equal(encoder.Append(nil, 0), a.orders[partition].key) {
		return err
	}
	return a.finish(partition)
}

// open returns the open file of a partition. When too many are open, it ends the one
// that was not written to for longest.
func (a *appender) open(partition string) (*appendedFile, error) {
	a.writes++
	if f := a.files[partition]; f != nil {
		f.used = a.writes
		return f, nil
	}
	if len(a.files) == maxOpenFiles {
		oldest := ""
		for name, f := range a.files {
			if oldest == "" || f.used < a.files[oldest].used {
				oldest = name
			}
		}
		if err := a.finish(oldest); err != nil {
			return nil, err
		}
	}
	to, err := newAssembly(a.table.spec, a.table.opts, partition)
	if err != nil {
		return nil, err
	}
	a.files[partition] = &appendedFile{assembly: to, used: a.writes}
	return a.files[partition], nil
}

// encode adds the rows that a file holds to it, but for those at the end that make a row
// group of fewer rows than wanted.
func (a *appender) encode(f *appendedFile, wanted int64) error {
	if len(f.held) == 0 {
		return nil
	}
	rows, err := concatenate(a.table.spec.Schema, f.held)
	if err != nil {
		return err
	}
	defer rows.Release()
	a.drop(f)
	for from := int64(0); from < rows.NumRows(); {
		part := rows.NewSlice(from, min(from+a.table.opts.RowGroupRows, rows.NumRows()))
		from += part.NumRows()
		if part.NumRows() < wanted {
			a.hold(f, part)
		} else if err := f.encode(part); err != nil {
			part.Release()
			return err
		}
		part.Release()
	}
	return nil
}

func (f *appendedFile) encode(rec arrow.Record) error {
	g, err := encodeGroup(f.spec, f.opts, rec)
	if err != nil {
		return err
	}
	return f.add(g)
}

// drop gives up the rows that a file holds.
func (a *appender) drop(f *appendedFile) {
	for _, rec := range f.held {
		rec.Release()
	}
	a.held -= f.bytes
	f.held, f.more, f.bytes = nil, 0, 0
}

// finish uploads the open file of a partition.
func (a *appender) finish(partition string) error {
	if len(a.done) == maxBuiltFiles {
		return fmt.Errorf("more than %d files", maxBuiltFiles)
	}
	to := a.files[partition]
	if err := a.encode(to, 1); err != nil {
		return err
	}
	f, err := to.finish(a.ctx, a.table.bucket, a.attempt)
	if err != nil {
		return err
	}
	a.done = append(a.done, f)
	delete(a.files, partition)
	return to.discard()
}

// Close implements offline.Writer.
func (a *appender) Close(ctx context.Context) (offline.Build, error) {
	a.ctx = ctx
	for _, partition := range slices.Sorted(maps.Keys(a.files)) {
		if a.err == nil {
			a.err = a.finish(partition)
		}
	}
	if a.err != nil {
		err := fmt.Errorf("close append to %q: %w", a.table.spec.Path, a.err)
		return offline.Build{}, errors.Join(err, a.Abort())
	}
	build := offline.Build{Files: a.done}
	for _, f := range a.done {
		build.Rows += f.Rows
		build.Bytes += f.Size
	}
	return build, a.Abort()
}

// Abort implements offline.Writer. Files that were uploaded are left to the vacuum.
func (a *appender) Abort() error {
	if a.err == nil {
		a.err = errWriterClosed
	}
	var errs []error
	for _, f := range a.files {
		a.drop(f)
		errs = append(errs, f.discard())
	}
	clear(a.files)
	return errors.Join(errs...)
}
