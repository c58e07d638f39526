package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of one job that its input does not change.
const (
	callsPerRun     = 500  // then the job continues as new: about 4,000 events
	maxFailures     = 10   // calls that failed; then no further window is started
	maxReasonBytes  = 1000 // of a failure's text
	maxFurtherBytes = 200  // of the text of each failure after the first
)

// run starts windows as long as it may and commits what is built, until nothing
// is left to do or to wait for.
func (m *materialization) run(ctx workflow.Context) (MaterializeResult, error) {
	for {
		m.recordChanges(ctx)
		for m.building < m.in.Parallelism && m.mayStart(ctx) {
			m.build(ctx)
		}
		if m.mayCommit(ctx) {
			m.commit(ctx)
		}
		if m.building == 0 && !m.committing && !m.waiting(ctx) {
			if !m.wanted(ctx) {
				disconnected, _ := workflow.NewDisconnectedContext(ctx)
				m.apply(disconnected)
			}
			return m.finish(ctx)
		}
		m.wakeToCommit(ctx)
		m.wakeToStart(ctx)
		m.describe(ctx)
		m.selector.Select(ctx)
	}
}

// mayStart reports whether another call may be started in this run.
func (m *materialization) mayStart(ctx workflow.Context) bool {
	full := m.started >= callsPerRun || m.started > 0 && workflow.GetInfo(ctx).GetContinueAsNewSuggested()
	return m.wanted(ctx) && !m.state.Result.Paused && !full && !m.throttled(ctx)
}

// wanted reports whether windows are left that the job should still do.
func (m *materialization) wanted(ctx workflow.Context) bool {
	return m.left() > 0 && ctx.Err() == nil && !m.stopped && len(m.state.Result.Failures) < maxFailures
}

// left is how many windows were not started.
func (m *materialization) left() int {
	left := m.state.Result.Windows - m.state.Next
	for _, again := range m.state.Again {
		left += m.count(again)
	}
	return left
}

func (m *materialization) count(i window.Interval) int {
	return i.Count(time.Duration(m.state.Plan.Schedule))
}

// throttled reports whether the rate has the next window wait.
func (m *materialization) throttled(ctx workflow.Context) bool {
	return m.in.Rate > 0 && m.wanted(ctx) && workflow.Now(ctx).Before(m.notBefore)
}

// waiting reports whether the job has nothing to do until it is resumed, or until
// its rate lets it go on.
func (m *materialization) waiting(ctx workflow.Context) bool {
	return m.state.Result.Paused && m.wanted(ctx) || m.throttled(ctx)
}

// wakeToStart has the loop run again when the rate lets the next window start.
func (m *materialization) wakeToStart(ctx workflow.Context) {
	if m.pacing || m.state.Result.Paused || !m.throttled(ctx) {
		return
	}
	m.pacing = true
	wait := m.notBefore.Sub(workflow.Now(ctx))
	timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "Keep to the rate"})
	m.selector.AddFuture(timer, func(workflow.Future) { m.pacing = false })
}

// next takes the windows of the next call.
func (m *materialization) next() window.Interval {
	if n := len(m.state.Again); n > 0 {
		chunk := m.state.Again[n-1]
		m.state.Again = m.state.Again[:n-1]
		return chunk
	}
	chunk := m.state.Plan.Chunk(m.state.Next, m.state.PerBuild)
	m.state.Next += m.count(chunk)
	return chunk
}

func (m *materialization) build(ctx workflow.Context) {
	chunk := m.next()
	windows := m.count(chunk)
	m.started++
	m.building++
	if m.in.Rate > 0 {
		m.notBefore = workflow.Now(ctx).Add(time.Duration(windows) * time.Minute / time.Duration(m.in.Rate))
	}
	options := batchOptions("Build "+spell(chunk, windows), time.Duration(m.in.HeartbeatTimeout))
	request := activities.BuildRequest{
		Target: m.state.Plan.Target, Job: m.state.Job, Range: chunk, OneRun: m.state.Plan.OneRun && windows > 1,
	}
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.BuildWindows, request)
	m.selector.AddFuture(future, func(f workflow.Future) {
		m.building--
		var built activities.Built
		err := f.Get(ctx, &built)
		switch {
		case err == nil:
			m.built = append(m.built, builtWindows{built, workflow.Now(ctx)})
			m.state.Result.Built += built.Windows
			m.state.Result.Rows += built.Rows
			m.state.Result.Bytes += built.Bytes
			if built.Unrecorded != "" {
				m.state.Result.Unrecorded = built.Unrecorded
			}
		case temporal.IsCanceledError(err) && ctx.Err() != nil: // dropped with the job, not failed
		case windows > 1 && divisible(err):
			m.halve(chunk, windows, kind(err) == activities.ErrorTooLarge)
		default:
			m.fail(spell(chunk, windows)+": "+reason(err), chunk)
		}
	})
}

// divisible reports whether some windows of a call can be at fault, and others not.
func divisible(err error) bool {
	return slices.Contains([]string{activities.ErrorTooLarge, activities.ErrorSQL, activities.ErrorSource}, kind(err))
}

// halve has windows built in two calls that could not be built in one. If they
// were too large, later calls take no more than that either.
func (m *materialization) halve(chunk window.Interval, windows int, tooLarge bool) {
	half := windows / 2
	middle := chunk.Start.Add(time.Duration(half) * time.Duration(m.state.Plan.Schedule))
	if tooLarge {
		m.state.PerBuild = max(1, min(m.state.PerBuild, half))
	}
	m.state.Again = append(m.state.Again,
		window.Interval{Start: middle, End: chunk.End}, window.Interval{Start: chunk.Start, End: middle})
}

func (m *materialization) fail(failure string, chunks ...window.Interval) {
	result := &m.state.Result
	if result.Failed == 0 {
		result.Failure = failure
	} else {
		failure = cut(failure, maxFurtherBytes)
	}
	for _, chunk := range window.NewSet(chunks...) {
		result.Failures = append(result.Failures, FailedWindows{chunk, failure})
		result.Failed += m.count(chunk)
	}
}

// spell names windows for people.
func spell(chunk window.Interval, windows int) string {
	if windows == 1 {
		return fmt.Sprintf("window %v", chunk.Start)
	}
	return fmt.Sprintf("%d windows from %v", windows, chunk.Start)
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
	return cut(text, maxReasonBytes)
}

// kind is the type of an activity's error, empty if it has none.
func kind(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Type()
	}
	return ""
}

func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes], "") + "…"
}
