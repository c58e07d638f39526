package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

const (
	// reconcileInterval heals what a lost signal or a failed run left undone.
	reconcileInterval = 5 * time.Minute
	reconcilesPerRun  = 200 // then the workflow continues as new: about 2,500 events
)

// Reconcile keeps the schedules of a workspace equal to its newest generation:
// once when it starts, at each SignalReconcile, and every five minutes. One runs
// for each workspace (ReconcileID), so two never work against each other. A pass
// that fails is logged in history and the next one makes up for it.
func Reconcile(ctx workflow.Context, in activities.ReconcileRequest) error {
	signals := workflow.GetSignalChannel(ctx, SignalReconcile)
	for range reconcilesPerRun {
		for signals.ReceiveAsync(nil) { // one pass answers all
		}
		options := controlOptions("Reconcile schedules")
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), schedules.ReconcileSchedules, in).Get(ctx, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			workflow.GetLogger(ctx).Error("reconcile", "workspace", in.Workspace, "error", err)
		}
		signals.ReceiveWithTimeout(ctx, reconcileInterval, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return workflow.NewContinueAsNewError(ctx, Reconcile, in)
}

// ReconcileID is the workflow id of a workspace's reconciliation.
func ReconcileID(workspace string) string { return "reconcile/" + workspace }
