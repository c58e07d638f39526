package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// commitInterval is how long built windows wait for their group.
const commitInterval = 15 * time.Minute

// group splits what is built into what the next commit takes and the rest: the
// oldest, and others that the online store follows, or not, like it, up to
// CommitWindows or, if one call built more, all of that call.
func (m *materialization) group() (group, rest []builtWindows, windows int) {
	for _, b := range m.built {
		alike := len(group) == 0 || m.state.Plan.Followed(b.Range) == m.state.Plan.Followed(group[0].Range)
		if alike && (len(group) == 0 || windows+b.Windows <= m.in.CommitWindows) {
			group = append(group, b)
			windows += b.Windows
		} else {
			rest = append(rest, b)
		}
	}
	return group, rest, windows
}

// mayCommit reports whether built windows are to be committed now: a whole
// group, one that waited long, or the last ones.
func (m *materialization) mayCommit(ctx workflow.Context) bool {
	if m.committing || len(m.built) == 0 {
		return false
	}
	pacing := m.throttled(ctx) && !m.state.Result.Paused // more come by themselves
	last := m.building == 0 && !m.mayStart(ctx) && !pacing
	return last || m.wholeGroup() || workflow.Now(ctx).Sub(m.built[0].at) >= commitInterval
}

func (m *materialization) wholeGroup() bool {
	alike := 0
	for _, b := range m.built {
		if m.state.Plan.Followed(b.Range) == m.state.Plan.Followed(m.built[0].Range) {
			alike += b.Windows
		}
	}
	return alike >= m.in.CommitWindows
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
	group, rest, windows := m.group()
	m.built = rest
	m.committing = true
	request := activities.CommitRequest{
		Target: m.state.Plan.Target, Job: m.state.Job,
		Overwrite: m.state.Plan.Overwrite, Online: m.state.Plan.Followed(group[0].Range),
	}
	ranges := make([]window.Interval, len(group))
	for i, b := range group {
		request.Manifests = append(request.Manifests, b.Manifest)
		ranges[i] = b.Range
	}
	spanned := window.NewSet(ranges...)
	request.Range = window.Interval{Start: spanned[0].Start, End: spanned[len(spanned)-1].End}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	future, done := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		if m.commitGroup(ctx, request, spanned, windows) {
			m.state.Unapplied = m.state.Plan.Online
			if request.Online || request.Overwrite {
				m.apply(ctx)
			}
		}
		done.Set(nil, nil)
	})
	m.selector.AddFuture(future, func(workflow.Future) { m.committing = false })
}

// commitGroup reports whether the windows are visible. If not, no more are started.
func (m *materialization) commitGroup(ctx workflow.Context, request activities.CommitRequest, ranges window.Set, windows int) bool {
	result := &m.state.Result
	options := batchOptions(fmt.Sprintf("Commit %d windows", windows), time.Duration(m.in.HeartbeatTimeout))
	var commit activities.Commit
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.CommitWindows, request).Get(ctx, &commit)
	if err != nil {
		m.stopped = true
		m.fail("commit: "+reason(err), ranges...)
		return false
	}
	result.Version = max(result.Version, commit.Version)
	result.Committed += commit.Committed
	result.Done += commit.Done
	result.Superseded += commit.Superseded
	return true
}

// apply has the online store follow what the job made visible since the last time,
// at its end at the latest: what serving needs may lie in commits that the store
// passes over. If it fails, no window is lost: the next commit's turn, or the next
// job's, makes up for it.
func (m *materialization) apply(ctx workflow.Context) {
	if !m.state.Unapplied {
		return
	}
	m.state.Unapplied = false
	result := &m.state.Result
	options := batchOptions(fmt.Sprintf("Apply version %d online", result.Version), time.Duration(m.in.HeartbeatTimeout))
	request := activities.ApplyRequest{Target: m.state.Plan.Target, Job: m.state.Job}
	var applied activities.Applied
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), materialize.ApplyOnline, request).Get(ctx, &applied)
	if err != nil {
		result.Behind = reason(err)
		return
	}
	result.Behind = ""
	result.Cells += applied.Cells
	result.Watermark = applied.Watermark
}
