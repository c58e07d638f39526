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
		ID: jobID(run, m.state.Plan.Filling), CreatedAt: window.FromTime(info.WorkflowStartTime), RunID: run,
	}
	m.state.Result.Job = m.state.Job.ID
}

// jobID is the id of a run less its dashes. An incremental run has a job on each of
// two stores: that on the store that is filling has an f where the id of a run
// tells its version, which is never f.
func jobID(run string, filling bool) string {
	id := strings.ReplaceAll(run, "-", "")
	if filling {
		id = id[:versionDigit] + "f" + id[versionDigit+1:]
	}
	return id
}

// versionDigit is where a UUID tells its version.
const versionDigit = 12

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
