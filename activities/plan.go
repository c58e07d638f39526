package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// PlanRequest asks what a job would do. Absent values mean the view's own.
type PlanRequest struct {
	Target
	StartTime *window.Time `json:"start_time,omitempty"`
	EndTime   *window.Time `json:"end_time,omitempty"`
	Online    *bool        `json:"online,omitempty"`
	Offline   *bool        `json:"offline,omitempty"`
	Overwrite bool         `json:"overwrite,omitempty"`
	// Retry is the ledger's id of a job that has ended; what it left undone is planned.
	Retry string `json:"retry,omitempty"`
	Turn
}

// Plan is what a job does, fixed at its start.
type Plan struct {
	Target
	Fingerprint string `json:"fingerprint"`
	// Filling says that the job's store does not serve yet, Other that another store
	// of the view is filling.
	Filling    bool             `json:"filling,omitempty"`
	Other      bool             `json:"other,omitempty"`
	Range      window.Interval  `json:"range"`    // aligned to Schedule
	Schedule   feature.Duration `json:"schedule"` // length of a window
	Online     bool             `json:"online"`
	OnlineFrom window.Time      `json:"online_from,omitzero"` // the online store follows windows from it on
	Overwrite  bool             `json:"overwrite,omitempty"`
	// PerBuild is how many windows one BuildWindows takes at most, OneRun that one
	// run of the SQL computes them.
	PerBuild int  `json:"per_build,omitempty"`
	OneRun   bool `json:"one_run,omitempty"`
	// Gaps are what an incremental job or a retry fills; Range spans them then.
	Gaps window.Set `json:"gaps,omitempty"`
	// Queued says that too many jobs of the view began earlier and still run.
	Queued bool `json:"queued,omitempty"`
	// Lags says that the online store lacks something of what is there already.
	Lags bool `json:"lags,omitempty"`
	// Skipped says why there is nothing to do.
	Skipped string `json:"skipped,omitempty"`
}

// Wanted are the windows of the job.
func (p Plan) Wanted() window.Set {
	if p.Gaps != nil {
		return p.Gaps
	}
	return window.NewSet(p.Range)
}

// Windows is how many windows the job has.
func (p Plan) Windows() int { return p.Wanted().Count(time.Duration(p.Schedule)) }

// Chunk returns windows to build in one call: from number next on, which is 0 or
// more and less than Windows, at most most of them. They are consecutive and all
// either followed by the online store or not. The earliest come first, but of gaps
// the newest, which serving waits for.
func (p Plan) Chunk(next, most int) window.Interval {
	schedule := time.Duration(p.Schedule)
	length := time.Duration(max(most, 1)) * schedule
	if p.Gaps == nil {
		start := p.Range.Start.Add(time.Duration(next) * schedule)
		chunk := window.Interval{Start: start, End: min(start.Add(length), p.Range.End)}
		if start < p.OnlineFrom {
			chunk.End = min(chunk.End, p.OnlineFrom)
		}
		return chunk
	}
	newest := p.Gaps.Latest(schedule, next+1)[0]
	end := newest.Start.Add(schedule)
	chunk := window.Interval{Start: end.Add(-length), End: end}
	for _, gap := range p.Gaps {
		if gap.Contains(newest.Start) {
			chunk.Start = max(chunk.Start, gap.Start)
		}
	}
	if newest.Start >= p.OnlineFrom {
		chunk.Start = max(chunk.Start, p.OnlineFrom)
	}
	return chunk
}

// Followed reports whether the online store follows a chunk.
func (p Plan) Followed(chunk window.Interval) bool { return p.Online && chunk.Start >= p.OnlineFrom }

// PlanMaterialize resolves and checks a job's input against the newest generation.
// What people hold back of the range is released: a job by hand is asked for.
func (m *Materialize) PlanMaterialize(ctx context.Context, r PlanRequest) (Plan, error) {
	plan, err := m.planMaterialize(ctx, r)
	if errors.Is(err, registry.ErrNotFound) {
		skipped, goneErr := m.gone(ctx, r.Target)
		if goneErr == nil && skipped != "" {
			return skip(r.Target, skipped), nil
		}
		err = errors.Join(err, goneErr)
	}
	return plan, translate(err)
}

func (m *Materialize) planMaterialize(ctx context.Context, r PlanRequest) (Plan, error) {
	stores, err := m.live(ctx, r.Target)
	if err != nil {
		return Plan{}, err
	}
	target, retried, err := m.storeToFill(ctx, stores, r)
	if err != nil {
		return Plan{}, err
	}
	plan := newPlan(stores, target)
	if retried != nil {
		err = m.planRetry(ctx, target, *retried, r, &plan)
	} else {
		err = m.planRange(ctx, target, r, &plan)
	}
	if err != nil || plan.Skipped != "" {
		return plan, err
	}
	if err := m.size(ctx, target, &plan); err != nil {
		return Plan{}, err
	}
	if plan.Queued, err = m.queued(ctx, r.Target, r.Turn); err != nil || plan.Queued {
		return plan, err
	}
	return plan, m.Engine.Release(ctx, target, plan.Wanted())
}

// live returns the stores of the view as of the newest generation, of a workspace
// where jobs run.
func (m *Materialize) live(ctx context.Context, t Target) (materialize.Stores, error) {
	stores, err := m.Engine.Stores(ctx, t.Workspace, t.View)
	if err != nil {
		return stores, err
	}
	return stores, m.Engine.Live(ctx, t.Workspace)
}

// storeToFill returns the store of the newest definition, or that of the job that
// is retried, if it is still in use; then also the job.
func (m *Materialize) storeToFill(ctx context.Context, stores materialize.Stores, r PlanRequest) (*materialize.Target, *ledger.History, error) {
	if r.Retry == "" {
		return stores.Newest(), nil, nil
	}
	job, err := m.Engine.Ledger.Get(ctx, r.Workspace, r.View, r.Retry)
	if errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrInvalid) {
		return nil, nil, fmt.Errorf("%w: retry: %w", materialize.ErrRange, err)
	}
	if err != nil {
		return nil, nil, err
	}
	store := stores.Find(job.Last().Fingerprint)
	if store == nil {
		store = stores.Newest()
	}
	return store, &job, nil
}

func newPlan(stores materialize.Stores, t *materialize.Target) Plan {
	return Plan{
		Target:      Target{t.Workspace, t.View.Name, t.Generation},
		Fingerprint: t.Fingerprint,
		Filling:     t == stores.Filling,
		Other:       stores.Filling != nil && t != stores.Filling,
		Schedule:    feature.Duration(t.View.Schedule()),
	}
}

func skip(t Target, why string) Plan {
	return Plan{Target: t, Schedule: feature.Duration(time.Hour), Skipped: why}
}

func (m *Materialize) planRange(ctx context.Context, t *materialize.Target, r PlanRequest, plan *Plan) error {
	p, err := m.Engine.Plan(ctx, t, materialize.PlanRequest{
		Start: r.StartTime, End: r.EndTime, Online: r.Online, Offline: r.Offline, Overwrite: r.Overwrite,
	}, m.Clock.Now())
	plan.Range, plan.Online, plan.OnlineFrom, plan.Overwrite = p.Range, p.Online, p.OnlineFrom, r.Overwrite
	return err
}

// planRetry plans what an ended job left undone, within the request's range.
// With a start alone that is one window.
func (m *Materialize) planRetry(ctx context.Context, t *materialize.Target, job ledger.History, r PlanRequest, plan *Plan) error {
	last := job.Last()
	if !last.State.Final() {
		return fmt.Errorf("%w: job %s is %s: update it with \"retry\" instead of starting another", materialize.ErrRange, r.Retry, last.State)
	}
	asked := last.Window
	if r.StartTime != nil {
		asked.Start, asked.End = *r.StartTime, r.StartTime.Add(t.View.Schedule())
	}
	if r.EndTime != nil {
		asked.End = *r.EndTime
	}
	if asked.Empty() || !asked.Aligned(t.View.Schedule()) || !last.Window.Covers(asked) {
		return fmt.Errorf("%w: %v are no windows of job %s, which had %v", materialize.ErrRange, asked, r.Retry, last.Window)
	}
	gaps, err := m.Engine.Unfinished(ctx, t, asked, job.CreatedAt, last.Overwrite, m.Clock.Now())
	if err != nil {
		return err
	}
	plan.Online, plan.OnlineFrom, plan.Overwrite = last.Online && t.View.Online, t.OnlineStart(m.Clock.Now()), last.Overwrite
	plan.fill(gaps, fmt.Sprintf("nothing of %v is left to do", asked))
	return nil
}

// fill makes a plan of gaps.
func (p *Plan) fill(gaps window.Set, none string) {
	if len(gaps) == 0 {
		p.Skipped = none
		return
	}
	p.Gaps = gaps
	p.Range = window.Interval{Start: gaps[0].Start, End: gaps[len(gaps)-1].End}
}

// size decides how many windows a call builds: a tenth of those that only the
// offline store gets, or of all if there are none.
func (m *Materialize) size(ctx context.Context, t *materialize.Target, plan *Plan) error {
	windows := plan.Windows()
	if plan.Online {
		before := plan.Wanted().Intersect(window.NewSet(window.Interval{Start: window.MinTime, End: plan.OnlineFrom}))
		if n := before.Count(time.Duration(plan.Schedule)); n > 0 {
			windows = n
		}
	}
	var err error
	plan.PerBuild, plan.OneRun, err = m.Engine.WindowsPerBuild(ctx, t, windows)
	return err
}

// IncrementalRequest asks what an incremental job would do.
type IncrementalRequest struct {
	Target
	MaxWindows int  `json:"max_windows"`
	Filling    bool `json:"filling,omitempty"` // for the store that is filling, else for the one that serves
	Turn
}

// PlanIncremental finds the newest gaps of one of the view's stores. A view or
// workspace that is gone has none: its schedule is about to go as well.
func (m *Materialize) PlanIncremental(ctx context.Context, r IncrementalRequest) (Plan, error) {
	plan, err := m.planIncremental(ctx, r)
	if errors.Is(err, registry.ErrNotFound) {
		return skip(r.Target, err.Error()), nil
	}
	return plan, translate(err)
}

func (m *Materialize) planIncremental(ctx context.Context, r IncrementalRequest) (Plan, error) {
	stores, err := m.live(ctx, r.Target)
	if err != nil {
		return Plan{}, err
	}
	target := stores.Serving
	if r.Filling {
		target = stores.Filling
	}
	if target == nil {
		return skip(r.Target, "no store is filling"), nil
	}
	gaps, err := m.Engine.Gaps(ctx, target, m.Clock.Now(), r.MaxWindows)
	if err != nil {
		return Plan{}, err
	}
	plan := newPlan(stores, target)
	plan.Online, plan.OnlineFrom = target.View.Online, target.OnlineStart(m.Clock.Now())
	if plan.fill(gaps, "nothing is missing"); plan.Skipped != "" {
		if plan.Online {
			plan.Lags, err = m.Engine.Lags(ctx, target, m.Clock.Now())
		}
		return plan, err
	}
	if err := m.size(ctx, target, &plan); err != nil {
		return Plan{}, err
	}
	plan.Queued, err = m.queued(ctx, r.Target, r.Turn)
	return plan, err
}
