package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// Bounds of one job that its input does not change.
const (
	commitInterval   = 15 * time.Minute // a built window waits no longer for its group
	windowsPerRun    = 500              // then the job continues as new: about 4,000 events
	maxFailedWindows = 10               // then no further window is started
	maxReasonBytes   = 1000             // of a failure's text
)

// Materialize fills a range of a view's stores window by window. It fails when
// a window cannot be built, after all that could be built is committed; on
// cancellation it commits what is built and drops the rest.
func Materialize(ctx workflow.Context, in MaterializeInput) (MaterializeResult, error) {
	m, err := newMaterialization(ctx, in)
	if err != nil {
		return MaterializeResult{}, err
	}
	if in.Continued == nil {
		request := activities.PlanRequest{
			Target:    activities.Target{Workspace: in.Workspace, View: in.View},
			StartTime: in.StartTime, EndTime: in.EndTime,
			Online: in.Online, Offline: in.Offline, Overwrite: in.Overwrite,
		}
		if err := m.plan(ctx, materialize.PlanMaterialize, request); err != nil {
			return MaterializeResult{}, err
		}
	}
	return m.run(ctx)
}

type materialization struct {
	in       MaterializeInput
	state    MaterializeState
	selector workflow.Selector
	wake     workflow.Channel // takes one message that something changed

	started    int           // windows started in this run
	building   int           // activities under way
	built      []builtWindow // not yet given to a commit, oldest first
	committing bool
	waking     bool // a timer is set
	stopped    bool // a commit failed, so that more windows would be of no use
}

type builtWindow struct {
	activities.Built
	at time.Time // when it was finished
}

func newMaterialization(ctx workflow.Context, in MaterializeInput) (*materialization, error) {
	m := &materialization{in: in, selector: workflow.NewSelector(ctx), wake: workflow.NewBufferedChannel(ctx, 1)}
	m.state.Result = MaterializeResult{Workspace: in.Workspace, View: in.View}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (MaterializeResult, error) { return m.state.Result, nil })
	if err != nil {
		return nil, err
	}
	if err := m.setControls(ctx); err != nil {
		return nil, err
	}
	if err := m.in.check(); err != nil {
		return nil, err
	}
	m.listen(ctx)
	err = workflow.UpsertTypedSearchAttributes(ctx,
		SearchWorkspace.ValueSet(in.Workspace), SearchFeatureView.ValueSet(in.View), SearchJobType.ValueSet(JobTypeBatch))
	if err != nil {
		return nil, err
	}
	if in.Continued != nil {
		m.state = *in.Continued
	}
	return m, nil
}

// plan has an activity say what the job does.
func (m *materialization) plan(ctx workflow.Context, activity, request any) error {
	ctx = workflow.WithActivityOptions(ctx, controlOptions("Plan"))
	plan := &m.state.Plan
	if err := workflow.ExecuteActivity(ctx, activity, request).Get(ctx, plan); err != nil {
		var refusal *temporal.ApplicationError
		if errors.As(err, &refusal) {
			return refusal // so that the job's error has the type that the activity gave it
		}
		return err
	}
	m.state.Result.Windows = plan.Windows()
	m.state.Result.Skipped = plan.Skipped
	if m.state.Result.Windows > 0 {
		m.state.Result.Range = &plan.Range
	}
	return nil
}

// run starts windows as long as it may and commits what is built, until nothing
// is left to do or to wait for.
func (m *materialization) run(ctx workflow.Context) (MaterializeResult, error) {
	for {
		for m.mayStart(ctx) && m.building < m.in.Parallelism {
			m.build(ctx)
		}
		if m.mayCommit(ctx) {
			m.commit(ctx)
		}
		if m.building == 0 && !m.committing && !m.waiting(ctx) {
			return m.finish(ctx)
		}
		m.wakeToCommit(ctx)
		m.selector.Select(ctx)
	}
}

// mayStart reports whether another window may be started in this run.
func (m *materialization) mayStart(ctx workflow.Context) bool {
	full := m.started >= windowsPerRun || m.started > 0 && workflow.GetInfo(ctx).GetContinueAsNewSuggested()
	return m.wanted(ctx) && !m.state.Result.Paused && !full
}

// wanted reports whether windows are left that the job should still do.
func (m *materialization) wanted(ctx workflow.Context) bool {
	left := m.state.Next < m.state.Result.Windows
	return left && ctx.Err() == nil && !m.stopped && m.state.Result.Failed < maxFailedWindows
}

// waiting reports whether the job has nothing to do until it is resumed.
func (m *materialization) waiting(ctx workflow.Context) bool {
	return m.state.Result.Paused && m.wanted(ctx)
}

func (m *materialization) build(ctx workflow.Context) {
	w := m.state.Plan.Window(m.state.Next)
	m.state.Next++
	m.started++
	m.building++
	options := batchOptions("Build "+w.Start.String(), time.Duration(m.in.HeartbeatTimeout))
	request := activities.BuildRequest{Target: m.state.Plan.Target, Range: w}
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.BuildWindows, request)
	m.selector.AddFuture(future, func(f workflow.Future) {
		m.building--
		var built activities.Built
		err := f.Get(ctx, &built)
		switch {
		case err == nil:
			m.built = append(m.built, builtWindow{built, workflow.Now(ctx)})
			m.state.Result.Built++
			m.state.Result.Rows += built.Rows
			m.state.Result.Bytes += built.Bytes
		case temporal.IsCanceledError(err) && ctx.Err() != nil: // dropped with the job, not failed
		default:
			m.fail(1, fmt.Sprintf("window %v: %s", w.Start, reason(err)))
		}
	})
}

func (m *materialization) fail(windows int, failure string) {
	if m.state.Result.Failed == 0 {
		m.state.Result.Failure = failure
	}
	m.state.Result.Failed += windows
}

// mayCommit reports whether built windows are to be committed now: a whole
// group, one that waited long, or the last ones.
func (m *materialization) mayCommit(ctx workflow.Context) bool {
	if m.committing || len(m.built) == 0 {
		return false
	}
	last := m.building == 0 && !m.mayStart(ctx)
	return last || len(m.built) >= m.in.CommitWindows || workflow.Now(ctx).Sub(m.built[0].at) >= commitInterval
}

// wakeToCommit has the loop run again when the oldest built window has waited
// long enough. A cancelled job needs no timer, nor could it set one: its last
// activity wakes it.
func (m *materialization) wakeToCommit(ctx workflow.Context) {
	if m.waking || m.committing || len(m.built) == 0 || ctx.Err() != nil {
		return
	}
	m.waking = true
	wait := commitInterval - workflow.Now(ctx).Sub(m.built[0].at)
	timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "Commit what is built"})
	m.selector.AddFuture(timer, func(workflow.Future) { m.waking = false })
}

// commit makes a group of built windows visible and lets the online store
// follow, also when the job is cancelled meanwhile: they are durable, and
// dropping them would only have them built again.
func (m *materialization) commit(ctx workflow.Context) {
	group := m.built[:min(len(m.built), m.in.CommitWindows)]
	m.built = m.built[len(group):]
	m.committing = true
	request := activities.CommitRequest{
		Target: m.state.Plan.Target, Overwrite: m.in.Overwrite, Online: m.state.Plan.Online,
	}
	for _, b := range group {
		request.Manifests = append(request.Manifests, b.Manifest)
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	future, done := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		m.commitAndApply(ctx, request)
		done.Set(nil, nil)
	})
	m.selector.AddFuture(future, func(workflow.Future) { m.committing = false })
}

func (m *materialization) commitAndApply(ctx workflow.Context, request activities.CommitRequest) {
	result := &m.state.Result
	heartbeat := time.Duration(m.in.HeartbeatTimeout)
	options := batchOptions(fmt.Sprintf("Commit %d windows", len(request.Manifests)), heartbeat)
	var commit activities.Commit
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.CommitWindows, request).Get(ctx, &commit)
	if err != nil {
		m.stopped = true
		m.fail(len(request.Manifests), "commit: "+reason(err))
		return
	}
	result.Version = max(result.Version, commit.Version)
	result.Committed += commit.Committed
	result.Done += commit.Done
	result.Superseded += commit.Superseded
	if !m.state.Plan.Online {
		return
	}
	options = batchOptions(fmt.Sprintf("Apply version %d online", commit.Version), heartbeat)
	var applied activities.Applied
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.ApplyOnline, request.Target).Get(ctx, &applied)
	if err != nil {
		// No window is lost: the next commit's turn, or the next job's, makes up for it.
		result.Behind = reason(err)
		return
	}
	result.Behind = ""
	result.Cells += applied.Cells
	result.Watermark = applied.Watermark
}

// finish is the only place where a run ends.
func (m *materialization) finish(ctx workflow.Context) (MaterializeResult, error) {
	result := m.state.Result
	left := result.Windows - m.state.Next
	switch {
	case ctx.Err() != nil:
		return result, temporal.NewCanceledError(result)
	case left > 0 && !m.stopped && result.Failed < maxFailedWindows:
		next := m.in
		next.Continued = &m.state
		return result, workflow.NewContinueAsNewError(ctx, Materialize, next)
	case result.Failed > 0:
		text := fmt.Sprintf("%d of %d windows failed, the first: %s", result.Failed, result.Windows, result.Failure)
		if left > 0 {
			text = fmt.Sprintf("%s (%d windows were not started)", text, left)
		}
		return result, failure(ErrorWindowsFailed, text, result)
	case result.Behind != "":
		return result, failure(ErrorOnlineBehind, "all windows are committed, but the online store does not follow: "+result.Behind, result)
	}
	return result, nil
}

func failure(kind, text string, result MaterializeResult) error {
	return temporal.NewApplicationErrorWithOptions(text, kind, temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{result},
	})
}

// reason is the text of an activity's error that a person can act on.
func reason(err error) string {
	var activity *temporal.ActivityError
	if errors.As(err, &activity) {
		err = activity.Unwrap()
	}
	text := err.Error()
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		text = application.Message()
	}
	if len(text) > maxReasonBytes {
		text = strings.ToValidUTF8(text[:maxReasonBytes], "") + "…"
	}
	return text
}
