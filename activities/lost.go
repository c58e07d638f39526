package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// maxOpenJobs bounds how many of a view's jobs, the newest, are looked at.
const maxOpenJobs = 1000

// LostJobs counts the jobs that a pass closed.
type LostJobs struct {
	Succeeded int `json:"succeeded"` // all that they were to do is done
	Lost      int `json:"lost"`
}

// ReconcileJobs closes the jobs of a workspace that the ledger shows as open and
// whose run is gone: it was terminated, or Temporal lost it.
func (m *Materialize) ReconcileJobs(ctx context.Context, r ReconcileRequest) (LostJobs, error) {
	out, err := m.reconcileJobs(ctx, r.Workspace)
	return out, translate(err)
}

func (m *Materialize) reconcileJobs(ctx context.Context, workspace string) (LostJobs, error) {
	var out LostJobs
	views, err := m.Engine.Ledger.Views(ctx, workspace)
	if err != nil {
		return out, err
	}
	for _, view := range views {
		jobs, err := m.Engine.Ledger.Jobs(ctx, workspace, view, maxOpenJobs)
		if err != nil {
			return out, err
		}
		for _, job := range jobs {
			if job.Type == ledger.Stream || job.State.Final() {
				continue
			}
			if err := m.closeLost(ctx, job, &out); err != nil {
				return out, fmt.Errorf("job %s of %s: %w", job.ID, view, err)
			}
		}
	}
	return out, nil
}

func (m *Materialize) closeLost(ctx context.Context, job ledger.JobStatus, out *LostJobs) error {
	history, err := m.Engine.Ledger.Get(ctx, job.Workspace, job.View, job.ID)
	if err != nil {
		return err
	}
	running, err := m.running(ctx, history.Job)
	if err != nil || running {
		return err
	}
	record := history.Last()
	record.Number++
	record.At = window.FromTime(time.Now())
	done, err := m.done(ctx, history.Job, record)
	if err != nil {
		return err
	}
	record.State, record.Message, record.Reason = ledger.Success, "found done after its workflow was lost", ""
	if !done {
		record.State, record.Message, record.Reason = ledger.Error, "workflow lost", "workflow lost"
	}
	err = m.Engine.Ledger.Append(ctx, history.Job, record)
	switch {
	case errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrTransition):
		return nil // it was closed meanwhile
	case err != nil:
		return err
	case done:
		out.Succeeded++
	default:
		out.Lost++
	}
	return nil
}

// running reports whether the chain of runs that a job began with goes on.
func (m *Materialize) running(ctx context.Context, job ledger.Job) (bool, error) {
	described, err := m.Jobs.DescribeWorkflowExecution(ctx, job.WorkflowID, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe %s: %w", job.WorkflowID, err)
	}
	newest := described.GetWorkflowExecutionInfo()
	return newest.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING &&
		(newest.GetFirstRunId() == job.RunID || newest.GetExecution().GetRunId() == job.RunID), nil
}

// done reports whether nothing of a job is left to do: only of windows it is known, and
// of a deletion by its receipt.
func (m *Materialize) done(ctx context.Context, job ledger.Job, last ledger.Record) (bool, error) {
	if job.Type == ledger.Deletion && m.Deletions != nil {
		_, err := m.Deletions.Receipt(ctx, job.Workspace, job.View, job.ID)
		if errors.Is(err, erase.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	if job.Type != ledger.Batch {
		return false, nil
	}
	stores, err := m.Engine.Stores(ctx, job.Workspace, job.View)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	target := stores.Find(last.Fingerprint)
	if target == nil {
		return false, nil
	}
	left, err := m.Engine.Unfinished(ctx, target, last.Window, job.CreatedAt, last.Overwrite, m.Clock.Now())
	return len(left) == 0, err
}
