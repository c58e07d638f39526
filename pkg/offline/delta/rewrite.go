package delta

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
)

// rewritersAtOnce bounds the row groups of a file that are rewritten at a time.
const rewritersAtOnce = 4

// rewrite copies the rows of f that the filter keeps into a file that no version names.
// A copy keeps the sequence number of f: its rows were written when f was.
//
// Row groups are independent. One that keeps all rows is copied as it is, without being
// decoded; others are decoded, filtered and encoded, some at a time.
func (t *table) rewrite(ctx context.Context, f offline.File, by rowFilter, attempt string, onRows func(int64)) (rest remainder, err error) {
	to, err := newAssembly(t.spec, t.opts, f.Partition)
	if err != nil {
		return rest, err
	}
	defer func() { err = errors.Join(err, to.discard()) }()
	if err := t.rewriteGroups(ctx, f, by, to, onRows); err != nil {
		return rest, err
	}
	switch to.rows() {
	case f.Rows:
		return remainder{whole: true}, nil
	case 0:
		return remainder{}, nil
	}
	copied, err := to.finish(ctx, t.bucket, attempt)
	if err != nil {
		return rest, err
	}
	copied.Seq = f.Seq
	return remainder{file: &copied}, nil
}

// rewriteGroups appends what is left of each row group to an assembly, in order.
func (t *table) rewriteGroups(ctx context.Context, f offline.File, by rowFilter, to *assembly, onRows func(int64)) error {
	first, err := t.openRewriter(ctx, f, by)
	if err != nil {
		return err
	}
	workers := min(rewritersAtOnce, runtime.GOMAXPROCS(0), first.groups)
	if workers <= 1 {
		return errors.Join(first.each(0, 1, func(g rewritten) error { return to.take(g, onRows) }), first.Close())
	}
	made := make([]chan rewritten, workers) // each worker's groups, in order
	for i := range made {
		made[i] = make(chan rewritten, 1)
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range workers {
		group.Go(func() (err error) {
			defer close(made[i])
			r := first
			if i > 0 {
				if r, err = t.openRewriter(ctx, f, by); err != nil {
					return err
				}
			}
			err = r.each(i, workers, func(g rewritten) error {
				select {
				case made[i] <- g:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			return errors.Join(err, r.Close())
		})
	}
	group.Go(func() error {
		for n := range first.groups {
			g, ok := <-made[n%workers]
			if !ok {
				return nil // its worker failed
			}
			if err := to.take(g, onRows); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// rewritten is what is left of a row group of so many rows; nil: nothing.
type rewritten struct {
	rows int64
	left *rowGroup
}

func (a *assembly) take(g rewritten, onRows func(int64)) error {
	onRows(g.rows)
	if g.left == nil {
		return nil
	}
	return a.add(*g.left)
}

// rewriter rewrites row groups of a file, one at a time.
type rewriter struct {
	*reader
	opts   Options
	filter rowFilter
}

// openRewriter opens a file for one goroutine, which has records of whole row groups.
func (t *table) openRewriter(ctx context.Context, f offline.File, by rowFilter) (*rewriter, error) {
	r, err := openReader(ctx, t.bucket, t.spec, f, offline.Selection{})
	if err != nil {
		return nil, err
	}
	r.reuse = true
	for _, group := range r.file.MetaData().RowGroups {
		r.batch = max(r.batch, group.NumRows)
	}
	return &rewriter{reader: r, opts: t.opts, filter: by}, nil
}

// each rewrites every so many-th row group from one on.
func (r *rewriter) each(from, step int, visit func(rewritten) error) error {
	for n := from; n < r.groups; n += step {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		g := rewritten{rows: r.file.MetaData().RowGroups[n].NumRows}
		err := guard(func() (err error) {
			g.left, err = r.group(n)
			return err
		})
		if err != nil {
			return fmt.Errorf("row group %d: %w", n, r.judge(err))
		}
		if err := visit(g); err != nil {
			return err
		}
	}
	return nil
}

// group returns what is left of a row group; nil: nothing.
func (r *rewriter) group(n int) (*rowGroup, error) {
	rows := int(r.file.MetaData().RowGroups[n].NumRows)
	if rows == 0 {
		return nil, nil
	}
	start, end := groupRange(r.file.MetaData(), n)
	if start < 0 || end < start || end > r.source.Size() {
		return nil, fmt.Errorf("it lies from %d to %d in a file of %d bytes", start, end, r.source.Size())
	}
	if err := r.source.hold(start, end-start); err != nil {
		return nil, err
	}
	if !r.filter.mayDrop(r.groupBounds(n)) {
		return r.whole(n)
	}
	var columns []arrow.Array
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	read := func(upTo int) error {
		for _, from := range r.columns[len(columns):upTo] {
			if err := from.enter(r.ctx, n); err != nil {
				return err
			}
			column, err := from.next(rows)
			if err != nil {
				return err
			}
			columns = append(columns, column)
		}
		return nil
	}
	if err := read(r.filter.columns()); err != nil {
		return nil, err
	}
	spans, err := r.filter.kept(columns, nil)
	switch kept := rowsOf(spans); {
	case err != nil || kept == 0:
		return nil, err
	case kept == rows:
		return r.whole(n)
	}
	if err := read(len(r.columns)); err != nil {
		return nil, err
	}
	rec, err := gatherSpans(r.schema, columns, spans)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	g, err := encodeGroup(r.spec, r.opts, rec)
	return &g, err
}

// whole returns a row group, which the source holds, as it is.
func (r *rewriter) whole(n int) (*rowGroup, error) {
	footer, err := r.file.MetaData().Subset([]int{n})
	if err != nil {
		return nil, err
	}
	return &rowGroup{data: r.source.held, at: r.source.heldAt, footer: footer}, nil
}

// groupBounds returns the bounds of the first keys of a row group.
func (r *reader) groupBounds(n int) offline.KeyBounds {
	stats := r.file.MetaData().RowGroups[n].Columns[0].GetMetaData().GetStatistics()
	first := r.spec.Keys[0]
	if stats == nil {
		return offline.KeyBounds{}
	}
	value := func(known bool, text []byte) feature.Value {
		switch {
		case !known:
			return feature.Null
		case first.Type == feature.String:
			return feature.StringValue(string(text))
		case len(text) == 8:
			return feature.Int64Value(int64(binary.LittleEndian.Uint64(text)))
		}
		return feature.Null
	}
	nulls := !stats.IsSetNullCount() || stats.GetNullCount() > 0
	return offline.NewKeyBounds(first, value(stats.IsSetMinValue(), stats.GetMinValue()), value(stats.IsSetMaxValue(), stats.GetMaxValue()), nulls)
}

// gatherSpans returns the rows of the spans as a record of its own.
func gatherSpans(schema *arrow.Schema, columns []arrow.Array, spans []span) (arrow.Record, error) {
	out := make([]arrow.Array, 0, len(columns))
	defer func() {
		for _, column := range out {
			column.Release()
		}
	}()
	parts := make([]arrow.Array, len(spans))
	for _, column := range columns {
		for i, s := range spans {
			parts[i] = array.NewSlice(column, int64(s.from), int64(s.to))
		}
		whole, err := array.Concatenate(parts, memory.DefaultAllocator)
		for _, part := range parts {
			part.Release()
		}
		if err != nil {
			return nil, err
		}
		out = append(out, whole)
	}
	return array.NewRecord(schema, out, int64(rowsOf(spans))), nil
}
