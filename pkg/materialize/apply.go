package materialize

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// ErrContended is an online store whose status kept changing under an applier.
var ErrContended = errors.New("online status is contended")

const (
	maxApplyTries     = 20
	changesPerRequest = 256
)

// ApplyResult tells what Apply did.
type ApplyResult struct {
	Version int64         // of the log that the online store equals or is ahead of
	Cells   int64         // written, tombstones included
	Status  online.Status // after it
}

// Serve is Apply, and brings online what serving needs of the windows that are
// covered offline, also if no commit was to: a longer time window may have been
// added to tiles that are there already.
func (e *Engine) Serve(ctx context.Context, t *Target, table offline.Table, onProgress func(Progress)) (ApplyResult, error) {
	return e.apply(ctx, t, table, true, onProgress)
}

// Lags reports whether Serve would have something to do.
func (e *Engine) Lags(ctx context.Context, t *Target, now window.Time) (bool, error) {
	status, _, _, err := online.ReadStatus(ctx, e.Online, t.Store())
	if err != nil {
		return false, err
	}
	snapshot, err := e.snapshot(ctx, t, now)
	if err != nil {
		return false, err
	}
	held, err := e.Holds(ctx, t)
	return !t.settled(status, snapshot, held, true), err
}

// settled reports whether a status says all that a snapshot and the holds do and,
// with fill, all that serving needs.
func (t *Target) settled(status online.Status, snapshot offline.Snapshot, held window.Set, fill bool) bool {
	fill = fill || t.View.Ingested
	return status.Next == nil && status.Applied == snapshot.Version && slices.Equal(status.Held, held) &&
		(!fill || len(t.unserved(t.Covered(snapshot), status.Covered)) == 0)
}

// Apply brings the view's online store to the head of its offline log. If the log no
// longer tells what happened since, the store is filled anew. Progress counts cells, and
// keys that were erased. It returns offline.ErrHistoryGone when the log ends before the
// version that the store follows, and ErrContended after 20 lost races.
func (e *Engine) Apply(ctx context.Context, t *Target, table offline.Table, onProgress func(Progress)) (ApplyResult, error) {
	return e.apply(ctx, t, table, false, onProgress)
}

func (e *Engine) apply(ctx context.Context, t *Target, table offline.Table, fill bool, onProgress func(Progress)) (ApplyResult, error) {
	var result ApplyResult
	for range maxApplyTries {
		done, err := e.applyOnce(ctx, t, table, fill, onProgress, &result)
		if err != nil {
			return result, fmt.Errorf("apply %s: %w", t.Store(), err)
		}
		if done {
			return result, nil
		}
	}
	return result, fmt.Errorf("apply %s: %w: lost %d times", t.Store(), ErrContended, maxApplyTries)
}

// applyOnce reports false when another applier's status came first.
func (e *Engine) applyOnce(ctx context.Context, t *Target, table offline.Table, fill bool, onProgress func(Progress), result *ApplyResult) (done bool, err error) {
	status, version, ok, err := online.ReadStatus(ctx, e.Online, t.Store())
	if err != nil {
		return false, err
	}
	if !ok {
		// The status is there before the first cell: should the store be emptied
		// midway, the status that speaks of the lost cells cannot be written. The
		// epoch is new, so that cells of a lost status are not among its own.
		_, err := online.WriteStatus(ctx, e.Online, t.Store(), online.Status{Epoch: rand.Text()}, 0)
		return false, err
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	held, err := e.Holds(ctx, t)
	if err != nil {
		return false, err
	}
	result.Version, result.Status = status.Applied, status
	switch {
	case t.settled(status, snapshot, held, fill):
		return true, nil
	case follows(status) > snapshot.Version: // the snapshot is the newer of the two
		return false, fmt.Errorf("%w: the online store follows version %d, the log ends at %d", offline.ErrHistoryGone, follows(status), snapshot.Version)
	}
	guard := *e
	guard.Online = guarded{e.Online, t.Store(), version}
	s := &step{
		engine: &guard, target: t, table: table, snapshot: snapshot, held: held, status: status, fill: fill,
		onProgress: onProgress, result: result,
	}
	if status.Next != nil {
		s.status, s.anew = takeOver(status, realNow()), true
	}
	err = s.run(ctx)
	if errors.Is(err, errSuperseded) {
		return false, nil
	}
	if errors.Is(err, offline.ErrHistoryGone) {
		return false, e.beginAnew(ctx, t, status, version, snapshot)
	}
	if err != nil {
		return false, fmt.Errorf("version %d: %w", snapshot.Version, err)
	}
	next := s.next()
	won, err := online.WriteStatus(ctx, e.Online, t.Store(), next, version)
	if won {
		result.Version, result.Status = next.Applied, next
	}
	return won && !s.anew, err // what serving needs by now may be more than was begun with
}

// step is one pass over the log, from the status's version to the snapshot's.
type step struct {
	engine     *Engine
	target     *Target
	table      offline.Table
	snapshot   offline.Snapshot
	held       window.Set
	status     online.Status
	fill       bool // with what serving needs
	anew       bool // what the status covers is not in its cells yet
	onProgress func(Progress)
	result     *ApplyResult

	covered window.Set        // that the online store holds after the step
	windows []window.Interval // of it, that changed
	touched []offline.File    // added or removed by commits to them
	erased  []erasure         // oldest first
	looked  int64             // keys of them whose cells were looked for
}

// next is the status once every cell of the step is written.
func (s *step) next() online.Status {
	next := online.Status{
		Epoch: s.status.Epoch, Applied: s.snapshot.Version, Covered: s.covered, Held: s.held, Replaced: s.status.Replaced,
	}
	if edge, ok := s.target.Watermark(next.Settled()); ok {
		next.Watermark = &edge
	}
	return next
}

func (s *step) run(ctx context.Context) error {
	if err := s.readChanges(ctx); err != nil {
		return err
	}
	switch {
	case s.anew:
		s.add(s.covered)
	case s.fill:
		missing := s.target.unserved(s.target.Covered(s.snapshot), s.covered)
		s.covered = s.covered.Union(missing)
		s.add(missing)
	}
	if err := s.erase(ctx); err != nil {
		return err
	}
	if s.target.View.Aggregated() {
		return s.applyBlocks(ctx)
	}
	return newRowStep(s).run(ctx)
}

// wrote counts cells that were written.
func (s *step) wrote(cells int) {
	s.result.Cells += int64(cells)
	if s.onProgress != nil {
		s.onProgress(Progress{Rows: s.result.Cells + s.looked})
	}
}

// readChanges collects the windows to follow, the files that changed in them, and the
// keys that were erased.
func (s *step) readChanges(ctx context.Context) error {
	if s.covered = s.status.Covered; s.target.View.Ingested {
		s.covered = allTime()
	}
	for after := s.status.Applied; after < s.snapshot.Version; after += changesPerRequest {
		changes, err := s.table.Changes(ctx, after, min(after+changesPerRequest, s.snapshot.Version))
		if err != nil {
			return err
		}
		for _, change := range changes {
			if err := s.follow(ctx, change); err != nil {
				return fmt.Errorf("follow version %d: %w", change.Version, err)
			}
		}
	}
	return nil
}

// follow notes what a version changed. One that removed files of a feature table, and
// erased nothing, has put the same rows into others.
func (s *step) follow(ctx context.Context, change offline.Change) error {
	if change.Erased != nil {
		return s.followErasure(ctx, change)
	}
	if s.target.View.Ingested {
		if len(change.Removed) == 0 {
			s.touched = append(s.touched, change.Added...)
		}
		return nil
	}
	if followed := s.followed(change); len(followed) > 0 {
		s.covered = s.covered.Union(window.NewSet(followed...))
		s.windows = append(s.windows, followed...)
		s.touch(change)
	}
	return nil
}

func (s *step) touch(change offline.Change) {
	s.touched = append(s.touched, change.Added...)
	s.touched = append(s.touched, change.Removed...)
}

// add has the step bring windows that are not in the cells, whatever commits did.
func (s *step) add(windows window.Set) {
	s.windows = append(s.windows, windows...)
	for _, f := range s.snapshot.Files {
		if windows.Overlaps(timesOf(f)) {
			s.touched = append(s.touched, f)
		}
	}
}

// unserved returns the part of what is covered offline that serving needs and
// that is not covered online.
func (t *Target) unserved(offline, online window.Set) window.Set {
	if len(offline) == 0 {
		return nil
	}
	if t.View.Ingested { // or none of the rows that are to expire would be there for a longer ttl
		return offline.Subtract(online)
	}
	end := offline[len(offline)-1].End
	return offline.Intersect(window.NewSet(window.Interval{Start: t.onlineStart(end), End: end})).Subtract(online)
}

func (s *step) followed(change offline.Change) []window.Interval {
	if change.Online {
		return change.Windows
	}
	var out []window.Interval
	for _, w := range change.Windows {
		if s.covered.Overlaps(w) {
			out = append(out, w)
		}
	}
	return out
}
