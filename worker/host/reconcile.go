package host

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/workflows"
)

// reconcile has Temporal follow the newest generation of a workspace. A failure
// is not the caller's: the definitions are applied, and the workspace's own
// timer, or the next start of a worker, makes up for a lost signal.
func (h *Host) reconcile(ctx context.Context, workspace string) {
	if err := h.signalReconcile(ctx, workspace); err != nil {
		h.logger.Warn("schedules follow later", "workspace", workspace, "error", err)
	}
}

func (h *Host) signalReconcile(ctx context.Context, workspace string) error {
	id := workflows.ReconcileID(workspace)
	_, err := h.temporal.SignalWithStartWorkflow(ctx, id, workflows.SignalReconcile, nil,
		client.StartWorkflowOptions{TaskQueue: workflows.TaskQueueControl, StaticSummary: "Schedules of workspace " + workspace},
		workflows.Reconcile, activities.ReconcileRequest{Workspace: workspace})
	if err != nil {
		return fmt.Errorf("signal %s: %w", id, err)
	}
	return nil
}

// reconcileAll does so for every workspace: an apply may have died half-way, and
// Temporal's database may be a new one.
func (h *Host) reconcileAll(ctx context.Context, r *registry.Registry) error {
	workspaces, err := r.Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, workspace := range workspaces {
		if err := h.signalReconcile(ctx, workspace); err != nil {
			return err
		}
	}
	return nil
}

// startRetrieval starts the job that makes a staged dataset, and returns its workflow's id.
func (h *Host) startRetrieval(ctx context.Context, staged dataset.Staged) (string, error) {
	id := workflows.RetrieveID(staged.Workspace, staged.Name, staged.ID)
	_, err := h.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.TaskQueueControl,
		StaticSummary: fmt.Sprintf("Dataset %s of workspace %s", staged.Name, staged.Workspace),
	}, workflows.RetrieveFeatures, workflows.RetrieveInput{Staged: staged})
	if err != nil {
		return "", fmt.Errorf("start %s: %w", id, err)
	}
	return id, nil
}

// incrementalAction is what a view's schedule starts.
func incrementalAction(workspace, view string) *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: workflows.IncrementalID(workspace, view), Workflow: workflows.MaterializeIncremental, TaskQueue: workflows.TaskQueueControl,
		Args:          []any{workflows.IncrementalInput{Workspace: workspace, View: view}},
		StaticSummary: fmt.Sprintf("New windows of %s of workspace %s", view, workspace),
	}
}

// maintenanceAction is what a view's schedule of maintenance starts.
func maintenanceAction(workspace, view string) *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: workflows.MaintainID(workspace, view), Workflow: workflows.Maintain, TaskQueue: workflows.TaskQueueControl,
		Args:          []any{workflows.MaintainInput{Workspace: workspace, View: view}},
		StaticSummary: fmt.Sprintf("Maintenance of %s of workspace %s", view, workspace),
	}
}
