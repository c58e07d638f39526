package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

const (
	// reconcileInterval heals what a lost signal or a failed run left undone.
	reconcileInterval = 5 * time.Minute
	reconcilesPerRun  = 200 // then the workflow continues as new: about 5,000 events
)

// Reconcile keeps the schedules of a workspace equal to its newest generation, has
// stores serve that are filled, and closes jobs in the ledger whose workflows are
// gone: once when it starts, at each SignalReconcile, and every five minutes. One
// runs for each workspace (ReconcileID), so two never work against each other. A
// step that fails is logged in history and the next pass makes up for it.
func Reconcile(ctx workflow.Context, in activities.ReconcileRequest) error {
	signals := workflow.GetSignalChannel(ctx, SignalReconcile)
	for range reconcilesPerRun {
		for signals.ReceiveAsync(nil) { // one pass answers all
		}
		reconcile(ctx, "Reconcile schedules", schedules.ReconcileSchedules, in)
		reconcile(ctx, "Have filled stores serve", materialize.ReconcileStores, in)
		reconcile(ctx, "Close lost jobs", materialize.ReconcileJobs, in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		signals.ReceiveWithTimeout(ctx, reconcileInterval, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return workflow.NewContinueAsNewError(ctx, Reconcile, in)
}

func reconcile(ctx workflow.Context, summary string, activity any, in activities.ReconcileRequest) {
	ctx = workflow.WithActivityOptions(ctx, controlOptions(summary))
	err := workflow.ExecuteActivity(ctx, activity, in).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		workflow.GetLogger(ctx).Error(summary, "workspace", in.Workspace, "error", err)
	}
}

// ReconcileID is the workflow id of a workspace's reconciliation.
func ReconcileID(workspace string) string { return "reconcile/" + workspace }
