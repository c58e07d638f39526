package materialize

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrRange is a job that the view cannot carry out: its range, or its stores.
	ErrRange = errors.New("bad job")
	// ErrOverlap is a range with windows that are covered, without overwrite.
	ErrOverlap = errors.New("range was materialized already")
)

// PlanRequest is what a job asks for; nil means the view's own.
type PlanRequest struct {
	Start, End      *window.Time
	Online, Offline *bool
	Overwrite       bool
}

// Plan is what a job does.
type Plan struct {
	Range  window.Interval // aligned to the batch schedule
	Online bool            // the online store follows
}

// Plan checks a job once, at its start. Without Start and End it is everything
// that the view wants and whose data is complete at now.
func (e *Engine) Plan(ctx context.Context, t *Target, r PlanRequest, now window.Time) (Plan, error) {
	p := Plan{
		Range:  window.Interval{Start: t.View.MaterializationStart(), End: t.View.MaterializationEnd(now)},
		Online: t.View.Online,
	}
	if r.Start != nil {
		p.Range.Start = *r.Start
	}
	if r.End != nil {
		p.Range.End = *r.End
	}
	if err := checkRange(t, p.Range, now); err != nil {
		return Plan{}, err
	}
	switch {
	case !t.View.Offline:
		return Plan{}, fmt.Errorf("%w: view %s has offline: false, so there is no store to materialize to", ErrRange, t.View.Name)
	case r.Offline != nil && !*r.Offline:
		return Plan{}, fmt.Errorf("%w: offline cannot be false: the offline store is the source of the online store", ErrRange)
	case r.Online != nil && *r.Online && !t.View.Online:
		return Plan{}, fmt.Errorf("%w: view %s has online: false", ErrRange, t.View.Name)
	case r.Online != nil:
		p.Online = *r.Online
	}
	if r.Overwrite {
		return p, nil
	}
	table, err := e.Table(ctx, t, now)
	if err != nil {
		return Plan{}, err
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return Plan{}, err
	}
	if covered := snapshot.Covered.Intersect(window.NewSet(p.Range)); len(covered) > 0 {
		return Plan{}, fmt.Errorf("%w: %v of %v; ask for overwrite to do it again", ErrOverlap, covered, p.Range)
	}
	return p, nil
}

// checkRange returns ErrRange unless the range is aligned to the batch schedule
// and lies between the view's start and the time up to which data is complete.
func checkRange(t *Target, r window.Interval, now window.Time) error {
	schedule := t.View.Schedule()
	switch end := t.View.MaterializationEnd(now); {
	case r.Empty():
		return fmt.Errorf("%w: range %v: the end is not after the start", ErrRange, r)
	case !r.Aligned(schedule):
		nearest := window.Interval{Start: r.Start.Floor(schedule), End: r.End.Ceil(schedule)}
		return fmt.Errorf("%w: range %v: both ends must be multiples of the batch schedule %v, for instance %v", ErrRange, r, schedule, nearest)
	case r.Start < t.View.MaterializationStart():
		return fmt.Errorf("%w: range %v: the view starts at %v", ErrRange, r, t.View.MaterializationStart())
	case r.End > end:
		return fmt.Errorf("%w: range %v: data is complete up to %v (now is %v)", ErrRange, r, end, now)
	}
	return nil
}
