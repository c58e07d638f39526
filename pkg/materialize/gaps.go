package materialize

import (
	"context"
	"fmt"

	"github.com/tilery/tilery/pkg/window"
)

// Gaps returns the newest windows, at most limit, that the view wants, whose data
// is complete at now, that are not covered offline, and that no person holds back.
// Nothing is remembered of earlier runs: a window that failed, or was never tried,
// is a gap.
func (e *Engine) Gaps(ctx context.Context, t *Target, now window.Time, limit int) (window.Set, error) {
	if err := checkStores(t, PlanRequest{}); err != nil {
		return nil, err
	}
	wanted := window.NewSet(window.Interval{Start: t.View.MaterializationStart(), End: t.View.MaterializationEnd(now)})
	missing, err := e.Uncovered(ctx, t, wanted, now)
	if err != nil {
		return nil, err
	}
	held, err := e.Holds(ctx, t)
	if err != nil {
		return nil, err
	}
	return withoutHolds(t, missing, held).Latest(t.View.Schedule(), limit), nil
}

// Uncovered returns what of a set the offline store does not cover.
func (e *Engine) Uncovered(ctx context.Context, t *Target, set window.Set, now window.Time) (window.Set, error) {
	snapshot, err := e.snapshot(ctx, t, now)
	if err != nil {
		return nil, err
	}
	return set.Subtract(snapshot.Covered), nil
}

// Unfinished returns the windows of a range that a job left undone: those that
// are not covered and, if it was to overwrite, those that were last read before it
// began.
func (e *Engine) Unfinished(ctx context.Context, t *Target, r window.Interval, begun window.Time, overwrite bool, now window.Time) (window.Set, error) {
	snapshot, err := e.snapshot(ctx, t, now)
	if err != nil {
		return nil, err
	}
	missing := window.NewSet(r).Subtract(snapshot.Covered)
	if !overwrite {
		return missing, nil
	}
	for start, readAt := range snapshot.ReadAt {
		if readAt < begun && r.Contains(start) {
			missing = append(missing, window.Interval{Start: start, End: start.Add(t.View.Schedule())})
		}
	}
	return window.NewSet(missing...), nil
}

// Holds returns what people hold back of the view.
func (e *Engine) Holds(ctx context.Context, t *Target) (window.Set, error) {
	if e.Ledger == nil {
		return nil, nil
	}
	return e.Ledger.Holds(ctx, t.Workspace, t.View.Name)
}

// Hold keeps incremental jobs from filling what of a set is not covered. Job is the
// ledger's id of the one that a person cancelled. It can be repeated.
func (e *Engine) Hold(ctx context.Context, t *Target, set window.Set, job string, now window.Time) error {
	missing, err := e.Uncovered(ctx, t, set, now)
	if err != nil {
		return err
	}
	for _, i := range missing {
		if err := e.Ledger.PutHold(ctx, t.Workspace, t.View.Name, i, job); err != nil {
			return fmt.Errorf("hold %v of %s: %w", i, t.View.Name, err)
		}
	}
	return nil
}

// Release lifts what is held of a set.
func (e *Engine) Release(ctx context.Context, t *Target, set window.Set) error {
	held, err := e.Holds(ctx, t)
	if err != nil {
		return err
	}
	for _, i := range held.Intersect(set) {
		if err := e.Ledger.DeleteHold(ctx, t.Workspace, t.View.Name, i); err != nil {
			return fmt.Errorf("release %v of %s: %w", i, t.View.Name, err)
		}
	}
	return nil
}

// withoutHolds returns the windows of missing that are not held. A hold may have
// been made under another schedule: a window that it holds in part is not held.
func withoutHolds(t *Target, missing, held window.Set) window.Set {
	return missing.Subtract(held).Widen(t.View.Schedule()).Intersect(missing)
}
