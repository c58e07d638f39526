package materialize

import (
	"context"
	"fmt"

	"github.com/tilery/tilery/pkg/window"
)

// Gaps returns the newest windows, at most limit, that the view wants, whose data
// is complete at now and that are not covered offline. Nothing is remembered of
// earlier runs: a window that failed, or was never tried, is a gap.
func (e *Engine) Gaps(ctx context.Context, t *Target, now window.Time, limit int) (window.Set, error) {
	if err := checkStores(t, PlanRequest{}); err != nil {
		return nil, err
	}
	table, err := e.Table(ctx, t, now)
	if err != nil {
		return nil, err
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("gaps of %s: %w", t.Store(), err)
	}
	wanted := window.NewSet(window.Interval{Start: t.View.MaterializationStart(), End: t.View.MaterializationEnd(now)})
	return wanted.Subtract(snapshot.Covered).Latest(t.View.Schedule(), limit), nil
}
