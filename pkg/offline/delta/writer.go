package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// maxRowGroupBytes bounds the rows, as Arrow holds them, that a writer keeps in
// memory over all its files; a row group ends before it has RowGroupRows then.
const maxRowGroupBytes = 64 << 20

var attemptForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

var errWriterClosed = errors.New("writer is closed")

// writer implements offline.Writer: a file for each partition that has rows.
type writer struct {
	table   *table
	window  window.Interval
	readAt  window.Time
	attempt string

	partitions []window.Interval // that the window touches, in order
	files      []*fileWriter     // nil: no rows yet
	order      rowOrder
	err        error // of an earlier call; ends the build
}

func newWriter(t *table, w window.Interval, readAt window.Time, attempt string) (*writer, error) {
	if err := checkWindow(t.spec, w); err != nil {
		return nil, err
	}
	if err := checkReadAt(readAt); err != nil {
		return nil, err
	}
	if !attemptForm.MatchString(attempt) {
		return nil, fmt.Errorf("attempt %q is not 1 to 100 of [A-Za-z0-9._-]", attempt)
	}
	out := &writer{table: t, window: w, readAt: readAt, attempt: attempt, order: rowOrder{window: w, keys: t.spec.Keys}}
	for at := w.Start; at < w.End; {
		p := t.spec.Partition.Interval(at)
		out.partitions = append(out.partitions, p)
		at = p.End
	}
	out.files = make([]*fileWriter, len(out.partitions))
	return out, nil
}

// checkReadAt refuses what is no time of a clock, zero above all.
func checkReadAt(at window.Time) error {
	if at <= 0 || at > window.MaxTime {
		return fmt.Errorf("read_at %d is not a time after 1970, in microseconds", int64(at))
	}
	return nil
}

// Write implements offline.Writer. After an error the build cannot be closed.
func (w *writer) Write(rec arrow.Record) error {
	if w.err == nil {
		w.err = w.write(rec)
	}
	if w.err != nil {
		return fmt.Errorf("write window %v of %q: %w", w.window, w.table.spec.Path, w.err)
	}
	return nil
}

func (w *writer) write(rec arrow.Record) error {
	if err := checkColumns(w.table.spec, rec); err != nil {
		return err
	}
	times, err := w.order.check(rec)
	if err != nil || len(times) == 0 {
		return err
	}
	if len(w.partitions) == 1 {
		return w.writeTo(0, rec)
	}
	return w.writeApart(rec, times)
}

// checkColumns refuses a record that the table has no place for.
func checkColumns(spec offline.Spec, rec arrow.Record) error {
	if !rec.Schema().Equal(spec.Schema) {
		return fmt.Errorf("record has another schema than the table: %s", rec.Schema())
	}
	for i, field := range rec.Schema().Fields() {
		if (!field.Nullable || field.Name == spec.Sequence) && rec.Column(i).NullN() > 0 {
			return fmt.Errorf("column %s holds a null", field.Name)
		}
	}
	return nil
}

// writeApart divides the rows of rec by partition.
func (w *writer) writeApart(rec arrow.Record, times []arrow.Timestamp) error {
	rows := make([][]int32, len(w.partitions))
	for row, t := range times {
		i, _ := slices.BinarySearchFunc(w.partitions, window.Time(t), func(p window.Interval, t window.Time) int {
			if p.End <= t {
				return -1
			}
			return 0
		})
		rows[i] = append(rows[i], int32(row))
	}
	for i, picked := range rows {
		if len(picked) == 0 {
			continue
		}
		part, err := record.TakeRecord(rec, picked)
		if err != nil {
			return err
		}
		err = w.writeTo(i, part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeTo(i int, rec arrow.Record) (err error) {
	if w.files[i] == nil {
		name := w.table.spec.Partition.Name(w.partitions[i].Start)
		share := int64(maxRowGroupBytes / len(w.partitions))
		if w.files[i], err = newFileWriter(w.table.spec, w.table.opts, name, share); err != nil {
			return err
		}
	}
	return w.files[i].write(rec)
}

// Close implements offline.Writer.
func (w *writer) Close(ctx context.Context) (offline.Build, error) {
	build, err := w.close(ctx)
	if err != nil {
		err = fmt.Errorf("close window %v of %q: %w", w.window, w.table.spec.Path, err)
		return offline.Build{}, errors.Join(err, w.Abort())
	}
	return build, w.Abort()
}

func (w *writer) close(ctx context.Context) (offline.Build, error) {
	if w.err != nil {
		return offline.Build{}, w.err
	}
	build := offline.Build{Window: w.window, ReadAt: w.readAt}
	for _, file := range w.files {
		if file == nil {
			continue
		}
		f, err := file.finish(ctx, w.table.bucket, w.attempt)
		if err != nil {
			return offline.Build{}, err
		}
		build.Files = append(build.Files, f)
		build.Rows += f.Rows
		build.Bytes += f.Size
	}
	return build, nil
}

// Abort implements offline.Writer. Files that were uploaded are left to the
// vacuum: no version names them.
func (w *writer) Abort() error {
	if w.err == nil {
		w.err = errWriterClosed
	}
	var errs []error
	for i, file := range w.files {
		if file != nil {
			errs = append(errs, file.discard())
			w.files[i] = nil
		}
	}
	return errors.Join(errs...)
}

// timesOf returns the times of rec's rows.
func timesOf(rec arrow.Record, column int) ([]arrow.Timestamp, error) {
	times := rec.Column(column).(*array.Timestamp) // as checkSpec made sure
	if times.NullN() > 0 {
		return nil, errors.New("a row has no time")
	}
	return times.TimestampValues(), nil
}

// rowOrder checks that rows come sorted by key and time, and lie in a window.
type rowOrder struct {
	window window.Interval
	keys   []feature.Field
	once   bool   // no two rows may have the same key and time
	key    []byte // of the row before
	time   window.Time
	next   []byte
}

// check returns the times of rec's rows.
func (o *rowOrder) check(rec arrow.Record) ([]arrow.Timestamp, error) {
	encoder, err := record.NewKeyEncoder(o.keys, rec.Columns()[:len(o.keys)])
	if err != nil {
		return nil, err
	}
	times, err := timesOf(rec, len(o.keys))
	if err != nil {
		return nil, err
	}
	for row, t := range times {
		at := window.Time(t)
		if !o.window.Contains(at) {
			return nil, fmt.Errorf("row %d at %v lies outside the window", row, at)
		}
		o.next = encoder.Append(o.next[:0], row)
		if len(o.next) > record.MaxKeyBytes {
			return nil, fmt.Errorf("row %d: %w: %d bytes, at most %d are allowed", row, record.ErrKey, len(o.next), record.MaxKeyBytes)
		}
		switch order := bytes.Compare(o.key, o.next); {
		case order > 0:
			return nil, fmt.Errorf("row %d at %v comes before the row before it by key", row, at)
		case order == 0 && at < o.time:
			return nil, fmt.Errorf("row %d at %v comes before the row before it by time", row, at)
		case order == 0 && at == o.time && o.once:
			return nil, fmt.Errorf("row %d at %v has the key and the time of the row before it", row, at)
		}
		o.key, o.next, o.time = o.next, o.key, at
	}
	return times, nil
}
