package workflows

import (
	"cmp"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// ledgerJob keeps the ledger's history of one job.
type ledgerJob struct {
	target  activities.Target
	job     activities.Job         // without an id there is none, and nothing is recorded
	unsaved []activities.JobRecord // states that the ledger lacks
}

// newLedgerJob returns a job of a type that no state is recorded of. Its id is that of
// the first run, unless one is given.
func newLedgerJob(ctx workflow.Context, target activities.Target, kind, id string) ledgerJob {
	info := workflow.GetInfo(ctx)
	run := cmp.Or(info.FirstRunID, info.WorkflowExecution.RunID)
	return ledgerJob{target: target, job: activities.Job{
		ID: cmp.Or(id, jobID(run, false)), Type: kind, CreatedAt: window.FromTime(info.WorkflowStartTime), RunID: run,
	}}
}

// record appends the job's next state to the ledger, also when the job is cancelled.
// Its number and its time are filled in. The ledger decides nothing, so a job goes on
// without it: what could not be recorded is tried again with the next state, and
// unrecorded says why.
func (l *ledgerJob) record(ctx workflow.Context, state activities.JobState, record activities.JobRecord) (unrecorded string) {
	if l.job.ID == "" {
		return ""
	}
	l.job.Number++
	record.Number, record.State, record.At = l.job.Number, state, window.FromTime(workflow.Now(ctx))
	l.unsaved = append(l.unsaved, record)

	ctx, _ = workflow.NewDisconnectedContext(ctx)
	request := activities.RecordRequest{Target: l.target, Job: l.job, Records: l.unsaved}
	control := workflow.WithActivityOptions(ctx, controlOptions("Record "+string(state)))
	if err := workflow.ExecuteActivity(control, materialize.RecordJob, request).Get(ctx, nil); err != nil {
		return reason(err)
	}
	l.unsaved = nil
	return ""
}
