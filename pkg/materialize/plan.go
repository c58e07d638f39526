package materialize

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
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
	// OnlineFrom is where the windows begin that the online store follows: what
	// serving needs, unless the job asks for the online store by name.
	OnlineFrom window.Time
}

// maxIntervalsShown bounds the text of ErrOverlap.
const maxIntervalsShown = 5

// Plan checks a job once, at its start. Without Start and End it is everything
// that the view wants and whose data is complete at now.
func (e *Engine) Plan(ctx context.Context, t *Target, r PlanRequest, now window.Time) (Plan, error) {
	if err := checkStores(t, r); err != nil {
		return Plan{}, err
	}
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
	if r.Online != nil {
		p.Online = *r.Online
	}
	if err := checkRange(t, p.Range, now); err != nil {
		return Plan{}, err
	}
	switch {
	case r.Online != nil && *r.Online:
		p.OnlineFrom = p.Range.Start
	case p.Online:
		p.OnlineFrom = t.OnlineStart(now)
	}
	if r.Overwrite {
		return p, nil
	}
	snapshot, err := e.snapshot(ctx, t, now)
	if err != nil {
		return Plan{}, err
	}
	if covered := snapshot.Covered.Intersect(window.NewSet(p.Range)); len(covered) > 0 {
		more := ""
		if len(covered) > maxIntervalsShown {
			more = fmt.Sprintf(" and %d more", len(covered)-maxIntervalsShown)
			covered = covered[:maxIntervalsShown]
		}
		return Plan{}, fmt.Errorf("%w: %v%s of %v; ask for overwrite to do it again", ErrOverlap, covered, more, p.Range)
	}
	return p, nil
}

// checkStores returns ErrRange for a job whose stores the view does not have, and for a
// feature table, which no job fills.
func checkStores(t *Target, r PlanRequest) error {
	switch {
	case t.View.Ingested:
		return fmt.Errorf("%w: %s is a feature table: ingest a data frame", ErrRange, t.View.Name)
	case !t.View.Offline:
		return fmt.Errorf("%w: view %s has offline: false, so there is no store to materialize to", ErrRange, t.View.Name)
	case r.Offline != nil && !*r.Offline:
		return fmt.Errorf("%w: offline cannot be false: the offline store is the source of the online store", ErrRange)
	case r.Online != nil && *r.Online && !t.View.Online:
		return fmt.Errorf("%w: view %s has online: false", ErrRange, t.View.Name)
	}
	return nil
}

// checkRange returns ErrRange unless the range is aligned to the batch schedule
// and lies between the view's start and the time up to which data is complete.
func checkRange(t *Target, r window.Interval, now window.Time) error {
	start, end := t.View.MaterializationStart(), t.View.CompleteEnd(now)
	schedule := t.View.Schedule()
	switch {
	case end <= start:
		return fmt.Errorf("%w: no window is complete yet: the view starts at %v, data is complete up to %v (now is %v)", ErrRange, start, end, now)
	case r.Empty():
		return fmt.Errorf("%w: range %v: the end is not after the start", ErrRange, r)
	case !r.Aligned(schedule):
		nearest := window.Interval{Start: max(r.Start.Floor(schedule), start), End: min(r.End.Ceil(schedule), end)}
		if nearest.Empty() {
			nearest = window.Interval{Start: start, End: end}
		}
		return fmt.Errorf("%w: range %v: both ends must be multiples of the batch schedule %v, for instance %v", ErrRange, r, feature.Duration(schedule), nearest)
	case r.Start < start:
		return fmt.Errorf("%w: range %v: the view starts at %v", ErrRange, r, start)
	case r.End > end:
		return fmt.Errorf("%w: range %v: data is complete up to %v (now is %v)", ErrRange, r, end, now)
	}
	return nil
}

// Live returns ErrRange for a workspace where nothing materializes.
func (e *Engine) Live(ctx context.Context, workspace string) error {
	w, err := e.Registry.Workspace(ctx, workspace)
	if err != nil {
		return err
	}
	if !w.Live {
		return fmt.Errorf("%w: %s is a development workspace, where nothing is materialized; prod is live, as is one created with tilery workspace create --live",
			ErrRange, workspace)
	}
	return nil
}
