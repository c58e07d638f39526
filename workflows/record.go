package workflows

import (
	"cmp"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// open gives the job its name in the ledger, from its first run.
func (m *materialization) open(ctx workflow.Context) {
	job := newLedgerJob(ctx, m.state.Plan.Target, "", "").job
	job.ID = jobID(job.RunID, m.state.Plan.Filling)
	m.state.Job, m.state.Result.Job = job, job.ID
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

// record appends the job's next state to the ledger; the result says what is missing there.
func (m *materialization) record(ctx workflow.Context, state activities.JobState, message, reasonOfIt string) {
	record := activities.JobRecord{
		Message: message, Reason: reasonOfIt,
		Generation: m.state.Plan.Generation, Fingerprint: m.state.Plan.Fingerprint,
		Online: m.state.Plan.Online, Offline: true, Overwrite: m.state.Plan.Overwrite,
	}
	record.Window = m.state.Plan.Range
	l := ledgerJob{m.state.Plan.Target, m.state.Job, m.state.Unsaved}
	m.state.Result.Unrecorded = cmp.Or(l.record(ctx, state, record), m.state.Result.Unrecorded)
	m.state.Job, m.state.Unsaved = l.job, l.unsaved
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
