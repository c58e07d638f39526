package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// finish ends a run that has nothing more to do: the job, or only this run of it.
func (m *materialization) finish(ctx workflow.Context) (MaterializeResult, error) {
	result := &m.state.Result
	left := m.left()
	switch {
	case ctx.Err() != nil:
		return m.end(ctx, ctx.Err())
	case m.wanted(ctx):
		next := m.in
		next.Continued = &m.state
		return *result, workflow.NewContinueAsNewError(ctx, Materialize, next)
	case result.Failed > 0:
		text := fmt.Sprintf("%d of %d windows failed, the first: %s", result.Failed, result.Windows, result.Failure)
		if left > 0 {
			text = fmt.Sprintf("%s (%d windows were not started)", text, left)
		}
		return m.end(ctx, m.failure(ErrorWindowsFailed, text))
	case result.Behind != "":
		return m.end(ctx, m.failure(ErrorOnlineBehind, "all windows are committed, but the online store does not follow: "+result.Behind))
	}
	return m.end(ctx, nil)
}

func (m *materialization) failure(kind, text string) error {
	return temporal.NewApplicationErrorWithOptions(text, kind, temporal.ApplicationErrorOptions{NonRetryable: true})
}

// end is the only place where a job that the ledger knows ends.
func (m *materialization) end(ctx workflow.Context, err error) (MaterializeResult, error) {
	result := &m.state.Result
	result.Waiting = false
	m.ending = true
	cancelled := ctx.Err() != nil
	if cancelled {
		m.recordChanges(ctx)
		m.hold(ctx)
	} else {
		m.switchStores(ctx)
	}
	switch {
	case cancelled:
		m.record(ctx, activities.JobCancelled, m.summary(), "cancelled by hand")
	case err != nil:
		m.record(ctx, activities.JobError, reason(err), kind(err))
	case result.Skipped != "" && result.Windows > 0: // what it did not do is left to other jobs
		m.record(ctx, activities.JobDrained, result.Skipped, "")
	default:
		m.record(ctx, activities.JobSuccess, m.summary(), "")
	}
	m.describe(ctx)
	switch {
	case cancelled:
		return *result, temporal.NewCanceledError(*result)
	case err != nil:
		return *result, withDetails(err, *result)
	}
	return *result, nil
}

func (m *materialization) summary() string {
	if m.state.Result.Skipped != "" {
		return m.state.Result.Skipped
	}
	r := m.state.Result
	return fmt.Sprintf("%d of %d windows committed", r.Committed+r.Done+r.Superseded, r.Windows)
}

// withDetails has a job's error carry its result.
func withDetails(err error, result MaterializeResult) error {
	return temporal.NewApplicationErrorWithOptions(reason(err), kind(err), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{result},
	})
}

// hold keeps incremental jobs from doing what a person cancelled. The online store
// learns of it, so that serving does not wait for those windows.
func (m *materialization) hold(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	request := activities.HoldRequest{Target: m.state.Plan.Target, Job: m.state.Job, Windows: m.state.Plan.Wanted()}
	control := workflow.WithActivityOptions(ctx, controlOptions("Hold back what was cancelled"))
	if err := workflow.ExecuteActivity(control, materialize.HoldWindows, request).Get(ctx, nil); err != nil {
		m.state.Result.Unrecorded = "hold: " + reason(err)
		return
	}
	if m.state.Plan.Online {
		m.state.Unapplied = true // of the holds
		m.apply(ctx)
	}
}

// switchStores has the job's store serve if it was filling and can serve now. If
// that fails, no window is lost: Reconcile makes up for it.
func (m *materialization) switchStores(ctx workflow.Context) {
	if !m.state.Plan.Filling {
		return
	}
	result := &m.state.Result
	var switched activities.Switched
	control := workflow.WithActivityOptions(ctx, controlOptions("Have the new store serve if it is filled"))
	if err := workflow.ExecuteActivity(control, materialize.SwitchStores, m.state.Plan.Target).Get(ctx, &switched); err != nil {
		result.Lacks = reason(err)
		return
	}
	result.Serves, result.Lacks = switched.Generation, switched.Lacks
}
