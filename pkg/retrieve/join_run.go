package retrieve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/record"
)

// join is one call of Join.
type join struct {
	options Options
	spine   spineReader
	time    int // the spine's column of the instants
	parts   []*part
	schema  *arrow.Schema // of the result
	budget  budget
	fn      func(arrow.Record) error

	mutex    sync.Mutex // of what follows, and of OnProgress
	rows     int64      // of the blocks that fn was given
	done     int64      // of the block at hand
	progress Progress
}

func newJoin(o Options, spine Spine, parts []Part, fn func(arrow.Record) error) (*join, error) {
	j := &join{options: o, fn: fn, spine: spineReader{spine, record.ArrowSchema(spine.Schema)}}
	var err error
	if j.time, err = spine.timeColumn(); err != nil {
		return nil, err
	}
	columns, err := Result(spine.Schema, parts)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if len(p.Features) == 0 {
			continue
		}
		prepared, err := preparePart(spine, p)
		if err != nil {
			return nil, err
		}
		j.parts = append(j.parts, prepared)
	}
	j.schema, j.budget = record.ArrowSchema(columns), newBudget(o, j.parts)
	return j, nil
}

func (j *join) run(ctx context.Context) error {
	if len(j.parts) == 0 {
		return j.copy(ctx)
	}
	b := &block{}
	defer b.release()
	sorter := newSpineSorter(ctx, j.options, j.spine.spine.Schema, append(slices.Clone(j.parts[0].spine), j.time))
	defer sorter.runs.Close()
	err := j.spine.each(ctx, func(rec arrow.Record) error {
		if b.rows > 0 && j.budget.full(b.rows, b.bytes) {
			if err := sorter.add(b); err != nil {
				return fmt.Errorf("sort the spine on disk: %w", err)
			}
			b.release()
		}
		kept, err := cloneRecord(rec)
		if err != nil {
			return err
		}
		b.add(kept)
		j.advance(0, sorter.runs.Written())
		return nil
	})
	if err != nil {
		return err
	}
	if sorter.runs.Len() == 0 {
		return j.join(ctx, b)
	}
	if err := sorter.add(b); err != nil {
		return fmt.Errorf("sort the spine on disk: %w", err)
	}
	b.release()
	full := func(rows int, bytes int64) bool { return j.budget.full(rows, bytes) } // which changes
	return sorter.merge(full, func(b *block) error { return j.join(ctx, b) })
}

// copy hands the spine to fn, of which nothing is asked.
func (j *join) copy(ctx context.Context) error {
	return j.spine.each(ctx, func(rec arrow.Record) error {
		return j.join(ctx, &block{records: []arrow.Record{rec}, rows: int(rec.NumRows())})
	})
}

// join hands the rows of a block with their features to fn.
func (j *join) join(ctx context.Context, b *block) error {
	all, err := j.features(ctx, b)
	if errors.Is(err, errBlockFull) {
		j.finish(0)
		j.budget.row = min(2*j.budget.row, j.budget.block) // blocks to come are likely alike
		for _, half := range b.halves() {
			defer half.release()
			if err := j.join(ctx, half); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := j.write(ctx, b, all); err != nil {
		return err
	}
	j.finish(b.rows)
	return nil
}

func (j *join) features(ctx context.Context, b *block) ([]*results, error) {
	all := make([]*results, len(j.parts))
	var room atomic.Int64
	room.Store(j.budget.room(b.rows))
	for i, p := range j.parts {
		all[i] = newResults(b.rows, len(p.Features), &room)
		onRows := func(int) { j.advance(0, 0) }
		if i == len(j.parts)-1 {
			onRows = func(rows int) { j.advance(rows, 0) }
		}
		if err := j.joinPart(ctx, b, p, all[i], onRows); err != nil {
			return nil, fmt.Errorf("features of view %s: %w", p.Target.View.Name, err)
		}
	}
	return all, nil
}

func (j *join) joinPart(ctx context.Context, b *block, p *part, out *results, onRows func(int)) error {
	keys, err := newBlockKeys(b, p.keys, p.spine, j.time)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	var ranges []*keyRange
	for _, entries := range keys.divide(j.options.Threads) {
		r := &keyRange{part: p, keys: keys, entries: entries, results: out, onRows: onRows, fileBytes: j.budget.files}
		ranges = append(ranges, r)
		group.Go(func() error { return r.run(running) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, r := range ranges {
		for _, needed := range r.needs.set() {
			p.needs.add(needed)
		}
	}
	return nil
}

// advance tells that so many more rows of the block have all their features, and how
// many bytes were spilled; zero: as many as before.
func (j *join) advance(rows int, spilled int64) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.done += int64(rows)
	j.progress.Rows = max(j.progress.Rows, j.rows+j.done)
	j.progress.Spilled = max(j.progress.Spilled, spilled)
	if j.options.OnProgress != nil {
		j.options.OnProgress(j.progress)
	}
}

// finish tells that a block has its features, also the rows that have none; zero rows:
// that it has to be begun again.
func (j *join) finish(rows int) {
	j.mutex.Lock()
	j.rows, j.done = j.rows+int64(rows), 0
	j.mutex.Unlock()
	j.advance(0, 0)
}

func (j *join) report() Report {
	report := Report{Rows: j.rows}
	for _, p := range j.parts {
		if missing, some := p.uncovered(); some {
			report.Uncovered = append(report.Uncovered, missing)
		}
	}
	return report
}
