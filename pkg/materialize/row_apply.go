package materialize

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of what is in memory at once: the keys of two batches with their rows, one
// that is read (in parts, if several ranges of keys are) and one that is written, and the
// files that are walked together, unless more than that hold one window.
const (
	keysPerBatch  = 64 << 10
	bytesPerBatch = 32 << 20
	filesAtOnce   = 64
)

// rowCell is the latest row of a key.
type rowCell struct {
	key   []byte
	value []byte // as the online store holds it; nil: no row
}

// rowStep is a step of a view that stores rows. A key changed when a touched file
// has a row of it in covered time. What it writes, with version H, is always the
// newest row of snapshot H: two appliers of one version write the same, and a cell
// that has the version already needs no look.
//
// While commits only add files, the newest row is the greater of the stored one
// and the added ones: what is stored is the newest row of an earlier snapshot, or
// of a later one, over which nothing is written. That holds for the added rows one
// after the other if later times come first. After a removal the stored row may be
// one that is gone, and the snapshot is asked. Of a key that was erased nothing is
// stored any more, once the step has begun.
type rowStep struct {
	*step
	live  map[string]bool // files of the snapshot, by path
	files []offline.File  // of them those with covered rows, latest first
	adds  bool            // nothing was removed on the way to the snapshot
}

func newRowStep(s *step) *rowStep {
	r := &rowStep{step: s, live: make(map[string]bool, len(s.snapshot.Files)), adds: true}
	for _, f := range s.snapshot.Files {
		r.live[f.Path] = true
		if s.covered.Overlaps(timesOf(f)) {
			r.files = append(r.files, f)
		}
	}
	slices.SortFunc(r.files, latestFirst)
	for _, f := range s.touched {
		r.adds = r.adds && r.live[f.Path]
	}
	return r
}

func timesOf(f offline.File) window.Interval {
	return window.Interval{Start: f.MinTime, End: f.MaxTime + 1}
}

func latestFirst(a, b offline.File) int {
	return cmp.Or(-cmp.Compare(a.MaxTime, b.MaxTime), -cmp.Compare(a.MinTime, b.MinTime), cmp.Compare(a.Path, b.Path))
}

func (s *rowStep) run(ctx context.Context) error {
	touched := map[string]offline.File{}
	for _, f := range s.touched {
		if s.covered.Overlaps(timesOf(f)) {
			touched[f.Path] = f
		}
	}
	for i, files := range groupByTime(touched) {
		if err := s.applyFiles(ctx, files, i == 0); err != nil {
			return fmt.Errorf("rows of %v to %v: %w", files[len(files)-1].MinTime, files[0].MaxTime, err)
		}
	}
	return nil
}

// groupByTime divides files into groups of which none overlaps another in time,
// the latest first.
func groupByTime(files map[string]offline.File) [][]offline.File {
	sorted := make([]offline.File, 0, len(files))
	for _, f := range files {
		sorted = append(sorted, f)
	}
	slices.SortFunc(sorted, latestFirst)
	var groups [][]offline.File
	var start window.Time // of the last group
	for _, f := range sorted {
		n := len(groups)
		if n == 0 || len(groups[n-1]) >= filesAtOnce && f.MaxTime < start {
			groups, start = append(groups, []offline.File{f}), f.MinTime
			continue
		}
		groups[n-1], start = append(groups[n-1], f), min(start, f.MinTime)
	}
	return groups
}

// applyFiles brings the keys of touched files up to date: it reads the next keys while
// those before are written. Of a large number of rows several ranges of keys are read at
// a time. first says that no other files were applied by the step.
func (s *rowStep) applyFiles(ctx context.Context, files []offline.File, first bool) error {
	spans, err := s.split(ctx, files)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	batches := make(chan []rowCell)
	all.Go(func() error {
		defer close(batches)
		readers, ctx := errgroup.WithContext(ctx)
		for _, span := range spans {
			readers.Go(func() error { return s.readKeys(ctx, files, span, len(spans), batches) })
		}
		return readers.Wait()
	})
	all.Go(func() error {
		for cells := range batches {
			if err := s.applyKeys(ctx, cells, first); err != nil {
				return err
			}
		}
		return nil
	})
	return all.Wait()
}

// readKeys hands on the keys of files in a range, which is one of so many.
func (s *rowStep) readKeys(ctx context.Context, files []offline.File, span keySpan, spans int, batches chan<- []rowCell) (err error) {
	m, err := s.merge(ctx, files, span, spans)
	if err != nil {
		return err
	}
	defer func() { err = m.close(err) }()
	for !m.done() {
		cells, err := m.next(s.adds)
		if err != nil {
			return err
		}
		select {
		case batches <- cells:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// applyKeys brings keys of touched files up to date.
func (s *rowStep) applyKeys(ctx context.Context, cells []rowCell, first bool) (err error) {
	if first && s.adds && s.status.Applied == 0 {
		// Nothing was applied before: in general no cell is there, and none needs a look.
		// One that is there is of another applier, or of one that was killed.
		if cells, err = s.write(ctx, cells, online.IfVersion); err != nil {
			return err
		}
	}
	if cells, err = s.outdated(ctx, cells); err != nil {
		return err
	}
	for len(cells) > 0 {
		n := len(cells)
		if !s.adds {
			if n, err = s.search(ctx, cells); err != nil {
				return err
			}
		}
		if _, err := s.write(ctx, cells[:n], online.IfNotNewer); err != nil {
			return err
		}
		cells = cells[n:]
	}
	return nil
}

// outdated returns the cells that the online store does not have yet: those
// without the step's version, and of added rows those greater than the stored one.
func (s *rowStep) outdated(ctx context.Context, cells []rowCell) ([]rowCell, error) {
	out := make([]rowCell, 0, len(cells))
	for part := range slices.Chunk(cells, keysPerWrite) {
		reads := make([]online.Read, len(part))
		for i, c := range part {
			reads[i] = online.Read{Store: s.store(), Entity: c.key, Row: true}
		}
		stored, err := s.engine.Online.Read(ctx, reads)
		if err != nil {
			return nil, err
		}
		for i, c := range part {
			old, err := batchRow(stored[i])
			if err != nil {
				return nil, err
			}
			current := old.Version >= uint64(s.snapshot.Version)
			if current || s.adds && bytes.Compare(c.value, old.Value) <= 0 {
				continue
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// batchRow returns the cell of an entity's latest row that batch wrote. A
// tombstone has no value, an absent one no version either.
func batchRow(items []online.Item) (online.Cell, error) {
	for _, item := range items {
		if item.Key.Kind != online.KindRow || len(item.Key.Writer) > 0 {
			continue
		}
		if item.Cell.Tombstone {
			return online.Cell{Version: item.Cell.Version}, nil
		}
		if _, err := online.DecodeRow(item.Cell.Value); err != nil {
			return online.Cell{}, fmt.Errorf("row of entity %x: %w", item.Key.Entity, err)
		}
		return item.Cell, nil
	}
	return online.Cell{}, nil
}

func (s *rowStep) store() string { return s.target.CellStore(s.status.Epoch) }

// write writes cells, by IfNotNewer or where there is none by IfVersion, and returns those
// that lost.
func (s *rowStep) write(ctx context.Context, cells []rowCell, condition online.Condition) (lost []rowCell, err error) {
	for part := range slices.Chunk(cells, online.MaxWrites) {
		writes := make([]online.Write, len(part))
		for i, c := range part {
			writes[i] = online.Write{
				Key:       online.Key{Store: s.store(), Entity: c.key, Kind: online.KindRow},
				Cell:      online.Cell{Version: uint64(s.snapshot.Version), Tombstone: c.value == nil, Value: c.value},
				Condition: condition,
			}
		}
		done, err := s.engine.Online.Write(ctx, writes)
		if err != nil {
			return nil, err
		}
		before := len(lost)
		for i, c := range part {
			if !done[i] {
				lost = append(lost, c)
			}
		}
		s.wrote(len(part) - (len(lost) - before))
	}
	return lost, nil
}
