package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of one job.
const (
	defaultParallelism   = 4
	maxParallelism       = 64
	defaultCommitWindows = 16
	maxCommitWindows     = 256
	commitInterval       = 15 * time.Minute // a built window waits no longer for its group
	windowsPerRun        = 500              // then the job continues as new: about 4,000 events
	maxFailedWindows     = 10               // then no further window is started
)

// MaterializeInput is the JSON that starts a backfill. Only workspace and view
// are required: without a range everything that the view wants and whose data
// is complete is materialized, to the stores that the view has.
type MaterializeInput struct {
	Workspace string       `json:"workspace"`
	View      string       `json:"view"`
	StartTime *window.Time `json:"start_time,omitempty"` // RFC 3339, a multiple of batch_schedule
	EndTime   *window.Time `json:"end_time,omitempty"`
	Online    *bool        `json:"online,omitempty"`
	Offline   *bool        `json:"offline,omitempty"`
	Overwrite bool         `json:"overwrite,omitempty"` // build windows again that are covered

	Parallelism   int `json:"parallelism,omitempty"`    // windows at a time: 4, at most 64
	CommitWindows int `json:"commit_windows,omitempty"` // windows a commit: 16, at most 256
	// HeartbeatTimeout is how soon a window of a dead worker starts again: 30s.
	HeartbeatTimeout feature.Duration `json:"heartbeat_timeout,omitempty"`

	// Continued is set by the workflow itself when it continues as new.
	Continued *MaterializeState `json:"continued,omitempty"`
}

// MaterializeState is what a job knows between its runs.
type MaterializeState struct {
	Plan   activities.Plan   `json:"plan"`
	Next   int               `json:"next"` // windows before it are finished
	Result MaterializeResult `json:"result"`
}

// MaterializeResult sums up a job. While it runs, it is its progress.
type MaterializeResult struct {
	Workspace  string           `json:"workspace"`
	View       string           `json:"view"`
	Range      *window.Interval `json:"range,omitempty"`
	Windows    int              `json:"windows"`    // in the range
	Built      int              `json:"built"`      // durable, visible or not
	Committed  int              `json:"committed"`  // visible
	Done       int              `json:"done"`       // were covered already
	Superseded int              `json:"superseded"` // a later reading of the source is in place
	Failed     int              `json:"failed"`
	Rows       int64            `json:"rows"`    // tiles built
	Bytes      int64            `json:"bytes"`   // of Parquet
	Version    int64            `json:"version"` // of the offline table
	Cells      int64            `json:"cells"`   // written online
	Watermark  *window.Time     `json:"watermark,omitempty"`
}

// Materialize fills a range of a view's stores window by window. It fails when
// a window cannot be built, after all that could be built is committed; on
// cancellation it commits what is built and drops the rest.
func Materialize(ctx workflow.Context, in MaterializeInput) (MaterializeResult, error) {
	m, err := newMaterialization(ctx, in)
	if err != nil {
		return MaterializeResult{}, err
	}
	return m.run(ctx)
}

type materialization struct {
	in      MaterializeInput
	state   MaterializeState
	windows []window.Interval

	started    int                // windows started in this run
	building   int                // activities under way
	built      []activities.Built // not yet committed
	oldest     time.Time          // when the first of built was finished
	committing bool
	failures   []error
	cancelled  bool
	selector   workflow.Selector
}

func newMaterialization(ctx workflow.Context, in MaterializeInput) (*materialization, error) {
	m := &materialization{in: in, selector: workflow.NewSelector(ctx)}
	m.state.Result = MaterializeResult{Workspace: in.Workspace, View: in.View}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (MaterializeResult, error) { return m.state.Result, nil })
	if err != nil {
		return nil, err
	}
	if err := m.applyDefaults(); err != nil {
		return nil, err
	}
	err = workflow.UpsertTypedSearchAttributes(ctx,
		SearchWorkspace.ValueSet(in.Workspace), SearchFeatureView.ValueSet(in.View), SearchJobType.ValueSet(JobTypeBatch))
	if err != nil {
		return nil, err
	}
	if in.Continued != nil {
		m.state = *in.Continued
	} else if err := m.plan(ctx); err != nil {
		return nil, err
	}
	m.windows = m.state.Plan.Range.Split(time.Duration(m.state.Plan.Schedule))
	return m, nil
}

func (m *materialization) applyDefaults() error {
	bad := func(format string, args ...any) error {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), activities.ErrorInput, nil)
	}
	in := &m.in
	switch {
	case in.Workspace == "" || in.View == "":
		return bad(`input needs at least {"workspace": "…", "view": "…"}`)
	case in.Parallelism < 0 || in.Parallelism > maxParallelism:
		return bad("parallelism is %d, want 1 to %d", in.Parallelism, maxParallelism)
	case in.CommitWindows < 0 || in.CommitWindows > maxCommitWindows:
		return bad("commit_windows is %d, want 1 to %d", in.CommitWindows, maxCommitWindows)
	case in.HeartbeatTimeout < 0 || in.HeartbeatTimeout > 0 && time.Duration(in.HeartbeatTimeout) < 3*time.Second:
		return bad("heartbeat_timeout is %s, want at least 3s", in.HeartbeatTimeout)
	}
	if in.Parallelism == 0 {
		in.Parallelism = defaultParallelism
	}
	if in.CommitWindows == 0 {
		in.CommitWindows = defaultCommitWindows
	}
	if in.HeartbeatTimeout == 0 {
		in.HeartbeatTimeout = feature.Duration(defaultHeartbeatTimeout)
	}
	return nil
}

func (m *materialization) plan(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, controlOptions("Plan"))
	request := activities.PlanRequest{
		Target:    activities.Target{Workspace: m.in.Workspace, View: m.in.View},
		StartTime: m.in.StartTime, EndTime: m.in.EndTime,
		Online: m.in.Online, Offline: m.in.Offline, Overwrite: m.in.Overwrite,
	}
	plan := &m.state.Plan
	if err := workflow.ExecuteActivity(ctx, materialize.PlanMaterialize, request).Get(ctx, plan); err != nil {
		return err
	}
	m.state.Result.Range = &plan.Range
	m.state.Result.Windows = plan.Range.Count(time.Duration(plan.Schedule))
	return nil
}

// run starts windows as long as it may and commits what is built, until nothing
// is left to do or wait for.
func (m *materialization) run(ctx workflow.Context) (MaterializeResult, error) {
	for m.mayStart(ctx) || m.building > 0 || m.committing || len(m.built) > 0 {
		for m.mayStart(ctx) && m.building < m.in.Parallelism {
			m.build(ctx)
		}
		if m.mayCommit(ctx) {
			m.commit(ctx)
		}
		if m.building > 0 || m.committing {
			m.selector.Select(ctx)
		}
		m.cancelled = m.cancelled || ctx.Err() != nil
	}
	return m.finish(ctx)
}

// mayStart reports whether another window may be started in this run.
func (m *materialization) mayStart(ctx workflow.Context) bool {
	return m.state.Next < len(m.windows) && !m.cancelled && ctx.Err() == nil &&
		len(m.failures) < maxFailedWindows && m.started < windowsPerRun &&
		!workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

func (m *materialization) build(ctx workflow.Context) {
	w := m.windows[m.state.Next]
	m.state.Next++
	m.started++
	m.building++
	options := batchOptions("Build "+w.Start.String(), time.Duration(m.in.HeartbeatTimeout))
	request := activities.BuildRequest{Target: m.state.Plan.Target, Window: w}
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.BuildWindow, request)
	m.selector.AddFuture(future, func(f workflow.Future) {
		m.building--
		var built activities.Built
		if err := f.Get(ctx, &built); err != nil {
			m.fail(err)
			return
		}
		if len(m.built) == 0 {
			m.oldest = workflow.Now(ctx)
			m.selector.AddFuture(workflow.NewTimer(ctx, commitInterval), func(workflow.Future) {}) // wakes the loop
		}
		m.built = append(m.built, built)
		m.state.Result.Built++
		m.state.Result.Rows += built.Rows
		m.state.Result.Bytes += built.Bytes
	})
}

func (m *materialization) fail(err error) {
	if temporal.IsCanceledError(err) {
		m.cancelled = true
		return
	}
	m.state.Result.Failed++
	m.failures = append(m.failures, err)
}

// mayCommit reports whether the built windows are to be committed now: a whole
// group, one that waited long, or the last ones.
func (m *materialization) mayCommit(ctx workflow.Context) bool {
	if m.committing || len(m.built) == 0 {
		return false
	}
	last := m.building == 0 && !m.mayStart(ctx)
	return last || len(m.built) >= m.in.CommitWindows || workflow.Now(ctx).Sub(m.oldest) >= commitInterval
}

// commit makes built windows visible and lets the online store follow. What is
// durable is committed also when the job was cancelled meanwhile.
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
	future, result := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) { result.SetError(m.commitAndApply(ctx, request)) })
	m.selector.AddFuture(future, func(f workflow.Future) {
		m.committing = false
		if err := f.Get(ctx, nil); err != nil {
			m.fail(err)
		}
	})
}

func (m *materialization) commitAndApply(ctx workflow.Context, request activities.CommitRequest) error {
	total := &m.state.Result
	heartbeat := time.Duration(m.in.HeartbeatTimeout)
	options := batchOptions(fmt.Sprintf("Commit %d windows", len(request.Manifests)), heartbeat)
	var commit activities.Commit
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.CommitWindows, request).Get(ctx, &commit)
	if err != nil {
		return err
	}
	total.Version = max(total.Version, commit.Version)
	total.Committed += commit.Committed
	total.Done += commit.Done
	total.Superseded += commit.Superseded
	if !m.state.Plan.Online {
		return nil
	}
	options = batchOptions(fmt.Sprintf("Apply version %d online", commit.Version), heartbeat)
	var applied activities.Applied
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.ApplyOnline, request.Target).Get(ctx, &applied)
	if err != nil {
		return err
	}
	total.Cells += applied.Cells
	total.Watermark = applied.Watermark
	return nil
}

// finish is the only place where a run ends.
func (m *materialization) finish(ctx workflow.Context) (MaterializeResult, error) {
	switch {
	case m.cancelled:
		return m.state.Result, temporal.NewCanceledError(m.state.Result)
	case len(m.failures) > 0:
		return m.state.Result, temporal.NewApplicationErrorWithOptions(
			fmt.Sprintf("%d of %d windows failed, the first with: %v", len(m.failures), len(m.windows), rootCause(m.failures[0])),
			"WindowsFailed", temporal.ApplicationErrorOptions{NonRetryable: true, Cause: m.failures[0]})
	case m.state.Next < len(m.windows):
		next := m.in
		next.Continued = &m.state
		return m.state.Result, workflow.NewContinueAsNewError(ctx, Materialize, next)
	}
	return m.state.Result, nil
}

// rootCause returns the message that a person can act on.
func rootCause(err error) error {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return errors.New(application.Message())
	}
	return err
}
