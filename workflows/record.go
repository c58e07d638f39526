package workflows

import (
	"cmp"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// open gives the job its name in the ledger, from its first run.
func (m *materialization) open(ctx workflow.Context) {
	info := workflow.GetInfo(ctx)
	run := cmp.Or(info.FirstRunID, info.WorkflowExecution.RunID)
	m.state.Job = activities.Job{
		ID: strings.ReplaceAll(run, "-", ""), CreatedAt: window.FromTime(info.WorkflowStartTime), RunID: run,
	}
	m.state.Result.Job = m.state.Job.ID
}

// record appends the job's next state to the ledger, also when the job is
// cancelled. The ledger decides nothing, so a job goes on without it: what could
// not be recorded is tried again with the next state, and the result says so.
func (m *materialization) record(ctx workflow.Context, state activities.JobState, message, reasonOfIt string) {
	m.state.Job.Number++
	record := activities.JobRecord{
		At: window.FromTime(workflow.Now(ctx)), Message: message, Reason: reasonOfIt,
		Generation: m.state.Plan.Generation, Fingerprint: m.state.Plan.Fingerprint,
		Online: m.state.Plan.Online, Offline: true, Overwrite: m.state.Plan.Overwrite,
	}
	record.Number, record.State, record.Window = m.state.Job.Number, state, m.state.Plan.Range
	m.state.Unsaved = append(m.state.Unsaved, record)

	ctx, _ = workflow.NewDisconnectedContext(ctx)
	request := activities.RecordRequest{Target: m.state.Plan.Target, Job: m.state.Job, Records: m.state.Unsaved}
	control := workflow.WithActivityOptions(ctx, controlOptions("Record "+string(state)))
	if err := workflow.ExecuteActivity(control, materialize.RecordJob, request).Get(ctx, nil); err != nil {
		m.state.Result.Unrecorded = reason(err)
		return
	}
	m.state.Unsaved = nil
}

// recordChanges records what people did to the job.
func (m *materialization) recordChanges(ctx workflow.Context) {
	if m.retried {
		m.retried = false
		m.record(ctx, activities.JobPending, "failed windows are retried by hand", "")
		m.record(ctx, activities.JobRunning, "", "")
	}
	if ctx.Err() != nil && !m.cancelling {
		m.cancelling = true
		m.record(ctx, activities.JobCancelRequested, "commits what is built", "")
	}
}
