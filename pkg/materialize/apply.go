package materialize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// ErrContended is an online store whose status kept changing under an applier.
var ErrContended = errors.New("online status is contended")

// firstEpoch is the epoch of an online store that was never rebuilt.
const firstEpoch = "1"

const (
	maxApplyTries     = 20
	changesPerRequest = 256
)

// ApplyResult tells what Apply did.
type ApplyResult struct {
	Version int64         // of the log that the online store now equals
	Cells   int64         // written, tombstones included
	Status  online.Status // after it
}

// Apply brings the view's online store to the head of its offline log.
func (e *Engine) Apply(ctx context.Context, t *Target, table offline.Table, onProgress func(Progress)) (ApplyResult, error) {
	var result ApplyResult
	for range maxApplyTries {
		status, version, ok, err := online.ReadStatus(ctx, e.Online, t.Store())
		if err != nil {
			return result, err
		}
		if !ok {
			status = online.Status{Epoch: firstEpoch}
		}
		snapshot, err := table.Snapshot(ctx)
		if err != nil {
			return result, err
		}
		result.Version, result.Status = snapshot.Version, status
		if ok && status.Applied >= snapshot.Version {
			result.Version = status.Applied
			return result, nil
		}
		step := &step{engine: e, target: t, table: table, snapshot: snapshot, status: status, onProgress: onProgress}
		if err := step.run(ctx); err != nil {
			return result, fmt.Errorf("apply %s at version %d: %w", t.Store(), snapshot.Version, err)
		}
		result.Cells += step.cells
		won, err := online.WriteStatus(ctx, e.Online, t.Store(), step.next(), version)
		if err != nil {
			return result, err
		}
		if won {
			result.Status = step.next()
			return result, nil
		}
	}
	return result, fmt.Errorf("apply %s: %w: lost %d times", t.Store(), ErrContended, maxApplyTries)
}

// step is one pass over the log, from the status's version to the snapshot's.
type step struct {
	engine     *Engine
	target     *Target
	table      offline.Table
	snapshot   offline.Snapshot
	status     online.Status
	onProgress func(Progress)

	windows []window.Interval // that the online store follows
	touched []offline.File    // added to or removed from them
	cells   int64
}

// next is the status once every cell of the step is written.
func (s *step) next() online.Status {
	next := s.status
	next.Applied = s.snapshot.Version
	next.Covered = s.status.Covered.Union(window.NewSet(s.windows...))
	if edge, ok := next.Covered.Watermark(s.target.View.Schedule(), s.target.View.LongestWindow()); ok {
		next.Watermark = &edge
	}
	return next
}

func (s *step) run(ctx context.Context) error {
	if err := s.readChanges(ctx); err != nil {
		return err
	}
	length := window.BlockLength(s.target.View.Interval())
	blocks := map[window.Time]bool{}
	for _, w := range s.windows {
		for _, block := range s.target.Blocks(w).Split(length) {
			blocks[block.Start] = true
		}
	}
	starts := make([]window.Time, 0, len(blocks))
	for start := range blocks {
		starts = append(starts, start)
	}
	slices.Sort(starts)
	for _, start := range starts {
		if err := s.applyBlock(ctx, window.Interval{Start: start, End: start.Add(length)}); err != nil {
			return fmt.Errorf("block %v: %w", start, err)
		}
	}
	return nil
}

// readChanges collects the windows to follow and the files that changed in them.
func (s *step) readChanges(ctx context.Context) error {
	for after := s.status.Applied; after < s.snapshot.Version; after += changesPerRequest {
		changes, err := s.table.Changes(ctx, after, min(after+changesPerRequest, s.snapshot.Version))
		if err != nil {
			return err
		}
		for _, change := range changes {
			followed := s.followed(change)
			if len(followed) == 0 {
				continue
			}
			s.windows = append(s.windows, followed...)
			s.touched = append(s.touched, change.Added...)
			s.touched = append(s.touched, change.Removed...)
		}
	}
	return nil
}

func (s *step) followed(change offline.Change) []window.Interval {
	if change.Online {
		return change.Windows
	}
	var out []window.Interval
	for _, w := range change.Windows {
		if s.status.Covered.Overlaps(w) {
			out = append(out, w)
		}
	}
	return out
}

func overlapping(files []offline.File, block window.Interval) []offline.File {
	var out []offline.File
	for _, f := range files {
		if f.MinTime < block.End && f.MaxTime >= block.Start {
			out = append(out, f)
		}
	}
	return out
}
