package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/window"
)

// Types of jobs in the ledger and in searches: materialization, ingests, deletion
// of keys and maintenance.
const (
	JobTypeBatch       = string(ledger.Batch)
	JobTypeIngest      = string(ledger.Ingest)
	JobTypeDeletion    = string(ledger.Deletion)
	JobTypeMaintenance = string(ledger.Maintenance)
)

// The states that a job goes through.
const (
	JobScheduled       = ledger.Scheduled
	JobPending         = ledger.Pending
	JobRunning         = ledger.Running
	JobSuccess         = ledger.Success
	JobError           = ledger.Error
	JobDrained         = ledger.Drained
	JobCancelRequested = ledger.CancelRequested
	JobCancelled       = ledger.Cancelled
)

// JobState is where a job stands.
type JobState = ledger.State

// JobRecord is a state of a job, as the workflow tells it.
type JobRecord = ledger.Record

// Job names the ledger's job that an activity works for. Without an id there is
// none, and nothing is recorded.
type Job struct {
	ID        string      `json:"id,omitempty"`
	Type      string      `json:"type,omitempty"` // empty: BATCH
	CreatedAt window.Time `json:"created_at,omitzero"`
	RunID     string      `json:"run_id,omitempty"` // of its first run
	Number    int         `json:"number,omitempty"` // of the state that it is in
}

func (j Job) of(t Target, workflowID string) ledger.Job {
	return ledger.Job{
		Workspace: t.Workspace, View: t.View, ID: j.ID, Type: ledger.Type(cmp.Or(j.Type, JobTypeBatch)),
		CreatedAt: j.CreatedAt, WorkflowID: workflowID, RunID: j.RunID,
	}
}

const (
	// recordTries and recordTimeout bound what is spent on the record of one attempt:
	// the ledger decides nothing, so work does not wait for it.
	recordTries   = 3
	recordTimeout = 10 * time.Second
)

// RecordRequest holds the states of a job that are to be recorded, in order.
type RecordRequest struct {
	Target
	Job     Job         `json:"job"`
	Records []JobRecord `json:"records"`
}

// RecordJob appends to the ledger. A number that another attempt recorded with the
// same state is left as it is.
func (m *Materialize) RecordJob(ctx context.Context, r RecordRequest) error {
	job := r.Job.of(r.Target, activity.GetInfo(ctx).WorkflowExecution.ID)
	for _, record := range r.Records {
		record.EnvVersion = version()
		err := m.Engine.Ledger.Append(ctx, job, record)
		if errors.Is(err, ledger.ErrConflict) && m.recorded(ctx, job, record) {
			continue
		}
		if err != nil {
			return translate(fmt.Errorf("record %s: %w", record.State, err))
		}
	}
	return nil
}

// recorded reports whether the ledger has the record in other words: those of a
// worker of another version.
func (m *Materialize) recorded(ctx context.Context, job ledger.Job, r JobRecord) bool {
	history, err := m.Engine.Ledger.Get(ctx, job.Workspace, job.View, job.ID)
	return err == nil && r.Number <= len(history.States) && history.States[r.Number-1].State == r.State
}

// version is that of the worker's program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return info.Main.Version
}

// recordFailure records an attempt that did not succeed.
func (m *Materialize) recordFailure(ctx context.Context, t Target, job Job, w window.Interval, failure error) {
	if failure != nil {
		m.recordAttempt(ctx, t, job, w, failure)
	}
}

// recordAttempt records how this attempt of an activity ended. It returns why it
// could not.
func (m *Materialize) recordAttempt(ctx context.Context, t Target, job Job, w window.Interval, failure error) (unrecorded string) {
	return recordAttempt(ctx, m.Engine.Ledger, t, job, w, failure)
}

func recordAttempt(ctx context.Context, l *ledger.Ledger, t Target, job Job, w window.Interval, failure error) (unrecorded string) {
	if job.ID == "" {
		return ""
	}
	info := activity.GetInfo(ctx)
	record := JobRecord{
		Entry: ledger.Entry{Number: job.Number, State: ledger.Success, Window: w, Attempt: int(info.Attempt)},
		At:    window.FromTime(time.Now()), Generation: t.Generation, EnvVersion: version(),
	}
	if failure != nil {
		record.State = ledger.Error
		record.Message, record.Reason = tell(failure)
		if ctx.Err() != nil {
			record.State = ledger.Cancelled
		}
	}
	// It is recorded also when the job is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var err error
	for range recordTries {
		err = l.AppendAttempt(ctx, job.of(t, info.WorkflowExecution.ID), record)
		if err == nil || errors.Is(err, ledger.ErrConflict) {
			return "" // after a retry by hand, an attempt may have the name of an earlier one
		}
	}
	activity.GetLogger(ctx).Warn("an attempt is missing in the ledger", "job", job.ID, "error", err)
	return err.Error()
}

// tell returns the text and the type of an attempt's error.
func tell(err error) (message, kind string) {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message(), application.Type()
	}
	return err.Error(), ""
}
