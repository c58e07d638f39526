package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/internal/rowsort"
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// BuildRequest asks to make files of an accepted frame.
type BuildRequest struct {
	Ticket
	Attempt string // tells the files of two tries apart: 1 to 100 of [A-Za-z0-9._-]
	Now     window.Time
	// OnProgress may be nil. Each row counts twice: when it is read and when it is written.
	OnProgress func(rows, spilledBytes int64)
}

// Built is a frame whose rows are durable and invisible.
type Built struct {
	Manifest   string      `json:"manifest"` // key in the bucket
	Rows       int64       `json:"rows"`     // that are to be added
	Bytes      int64       `json:"bytes"`
	Duplicates int64       `json:"duplicates,omitempty"` // rows that a later row of the frame replaced
	Forgotten  int64       `json:"forgotten,omitempty"`  // rows that a fence held back
	Dropped    []string    `json:"dropped,omitempty"`    // columns that the table does not have
	Start      window.Time `json:"start,omitzero"`       // of the rows' timestamps, both inclusive
	End        window.Time `json:"end,omitzero"`
}

// Build reads, checks and sorts a frame and makes its files durable. frame.ErrData is
// the fault of the frame, named by row and column; nothing was written then. Repeated
// with its attempt, it returns what that built.
func (e *Engine) Build(ctx context.Context, r BuildRequest) (Built, error) {
	p, err := r.place()
	if err != nil {
		return Built{}, err
	}
	if done, err := e.loadBuild(ctx, p.buildKey(r.Attempt)); !errors.Is(err, bucket.ErrNotFound) {
		return done.Built, err
	}
	target, err := e.accepted(ctx, r.Ticket)
	if err != nil {
		return Built{}, err
	}
	b := &builder{BuildRequest: r, options: e.Options.withDefaults(), target: target}
	if b.table, err = e.Tables.Table(ctx, target, r.Now); err != nil {
		return Built{}, fmt.Errorf("build %s: %w", r.Path, err)
	}
	if e.Fences != nil { // after the ticket's fence: see package forget
		if b.filter, err = e.Fences.Load(ctx, r.Workspace, r.Table, target.Keys); err != nil {
			return Built{}, fmt.Errorf("build %s: %w", r.Path, err)
		}
	}
	file, err := bucket.ReaderAt(ctx, e.Bucket, r.Object)
	if errors.Is(err, bucket.ErrNotFound) {
		return Built{}, fmt.Errorf("%w: %s was removed", ErrNotFound, r.Path)
	}
	if err != nil {
		return Built{}, fmt.Errorf("build %s: %w", r.Path, err)
	}
	built, build, err := b.build(ctx, file, file.Size())
	if err != nil {
		return Built{}, fmt.Errorf("ingest into %s: %w", r.Table, err)
	}
	return e.saveBuild(ctx, p.buildKey(r.Attempt), built, build)
}

// builder makes the files of one frame.
type builder struct {
	BuildRequest
	options Options
	target  *materialize.Target
	table   offline.Table
	filter  *forget.Filter

	runs *spill.Runs
	rows int64 // handled so far, see OnProgress
}

func (b *builder) build(ctx context.Context, file io.ReaderAt, size int64) (Built, offline.Build, error) {
	in, err := openRows(file, size, b.Format, b.target)
	if err != nil {
		return Built{}, offline.Build{}, err
	}
	defer in.close()
	in.filter, in.now, in.latest = b.filter, b.Now, b.Now.Add(b.options.MaxFuture)

	b.runs = spill.New(spill.Options{Dir: b.options.ScratchDir, MaxBytes: b.options.ScratchBytes, Stop: ctx.Err})
	sorter := rowsort.New(rowsort.Spec{Keys: b.target.Keys, Values: b.target.Features, Schema: in.schema, Last: true}, b.options.MemoryBytes, b.runs)
	defer sorter.Close()
	err = in.each(func(rec arrow.Record) error {
		if err := sorter.Add(rec); err != nil {
			return full(err)
		}
		b.report(rec.NumRows())
		return ctx.Err()
	})
	if err != nil {
		return Built{}, offline.Build{}, err
	}
	build, err := b.write(ctx, sorter)
	if err != nil {
		return Built{}, offline.Build{}, err
	}
	built := Built{
		Rows: build.Rows, Bytes: build.Bytes, Duplicates: sorter.Dropped(), Forgotten: in.forgotten, Dropped: in.frame.Dropped(),
	}
	if len(build.Files) > 0 {
		built.Start, built.End = window.MaxTime, window.MinTime
	}
	for _, f := range build.Files {
		built.Start, built.End = min(built.Start, f.MinTime), max(built.End, f.MaxTime)
	}
	return built, build, nil
}

// write makes files of the sorted rows, with the ticket's number beside each.
func (b *builder) write(ctx context.Context, sorter *rowsort.Sorter) (offline.Build, error) {
	writer, err := b.table.NewAppender(ctx, b.Attempt)
	if err != nil {
		return offline.Build{}, err
	}
	sequence := repeated{value: b.Sequence}
	defer sequence.release()
	err = sorter.Write(0, func(rec arrow.Record) error {
		out := sequence.beside(rec, b.table.Spec().Schema)
		defer out.Release()
		if err := writer.Write(out); err != nil {
			return err
		}
		b.report(rec.NumRows())
		return ctx.Err()
	})
	if err == nil {
		var build offline.Build
		if build, err = writer.Close(ctx); err == nil {
			build.Append, build.Fence = b.name(), b.Fence
			return build, nil
		}
	}
	return offline.Build{}, errors.Join(full(err), writer.Abort())
}

func (b *builder) report(rows int64) {
	b.rows += rows
	if b.OnProgress != nil {
		b.OnProgress(b.rows, b.runs.Written())
	}
}

// full says of a frame that does not fit into the scratch space that it is too large.
func full(err error) error {
	if errors.Is(err, spill.ErrFull) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// repeated is a column of one value, as long as needed.
type repeated struct {
	value  int64
	column arrow.Array
}

// beside returns a record with the value as its last column.
func (r *repeated) beside(rec arrow.Record, schema *arrow.Schema) arrow.Record {
	n := rec.NumRows()
	if r.column == nil || int64(r.column.Len()) < n {
		r.release()
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		b.Reserve(int(n))
		for range n {
			b.UnsafeAppend(r.value)
		}
		r.column = b.NewArray()
	}
	part := array.NewSlice(r.column, 0, n)
	defer part.Release()
	return array.NewRecord(schema, append(rec.Columns()[:rec.NumCols():rec.NumCols()], part), n)
}

func (r *repeated) release() {
	if r.column != nil {
		r.column.Release()
		r.column = nil
	}
}
