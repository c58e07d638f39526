package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/registry"
)

// Schedules keeps Temporal's schedules equal to the definitions.
type Schedules struct {
	Registry *registry.Registry
	Client   client.ScheduleClient
	// Action is what the schedule of a view starts, Maintenance what its second one does.
	Action      ScheduleAction
	Maintenance ScheduleAction
	// MaintenanceInterval is how often a view is maintained; 0: every day.
	MaintenanceInterval time.Duration
}

// ScheduleAction is what a schedule starts for a view.
type ScheduleAction func(workspace, view string) *client.ScheduleWorkflowAction

// ReconcileRequest names a workspace.
type ReconcileRequest struct {
	Workspace string `json:"workspace"`
}

// Reconciled counts what was changed.
type Reconciled struct {
	Generation int64 `json:"generation"`
	Schedules  int   `json:"schedules"` // that the workspace has now
	Created    int   `json:"created"`
	Updated    int   `json:"updated"`
	Deleted    int   `json:"deleted"`
}

// ScheduleID names the schedule of a view's incremental jobs.
func ScheduleID(workspace, view string) string { return schedulePrefix(workspace) + view }

// MaintenanceScheduleID names the schedule of a view's maintenance.
func MaintenanceScheduleID(workspace, view string) string {
	return ScheduleID(workspace, view) + "/maintain"
}

func schedulePrefix(workspace string) string { return "tilery/" + workspace + "/" }

// ReconcileSchedules creates, changes and deletes schedules until they are what
// the newest generation asks for. A schedule that a person paused stays paused.
// It remembers nothing: what exists is compared with what is wanted.
func (s *Schedules) ReconcileSchedules(ctx context.Context, r ReconcileRequest) (Reconciled, error) {
	out, err := s.reconcile(ctx, r.Workspace)
	return out, translate(err)
}

func (s *Schedules) reconcile(ctx context.Context, workspace string) (Reconciled, error) {
	kind, err := s.Registry.Workspace(ctx, workspace)
	if err != nil {
		return Reconciled{}, err
	}
	g, err := s.Registry.Latest(ctx, workspace)
	if err != nil {
		return Reconciled{}, err
	}
	out := Reconciled{Generation: g.Number}
	wanted := map[string]bool{}
	var names []string
	if kind.Live {
		names = g.ViewNames()
	}
	for _, name := range names {
		view, err := g.View(name)
		if err != nil {
			return out, err
		}
		for _, w := range s.of(workspace, view) {
			wanted[w.id] = true
			if err := s.ensure(ctx, w, &out); err != nil {
				return out, fmt.Errorf("schedule %s: %w", w.id, err)
			}
		}
	}
	out.Schedules = len(wanted)
	err = s.deleteOthers(ctx, workspace, wanted, &out)
	return out, err
}

// ensure makes a schedule be there with the right times.
func (s *Schedules) ensure(ctx context.Context, w wantedSchedule, out *Reconciled) error {
	handle := s.Client.GetHandle(ctx, w.id)
	described, err := handle.Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return s.create(ctx, w, out)
	case err != nil:
		return err
	case sameTimes(*described.Schedule.Spec, w.spec) && *described.Schedule.State == w.state(*described.Schedule.State):
		return nil
	}
	out.Updated++
	return handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			state := w.state(*schedule.State)
			schedule.Spec, schedule.State, schedule.Action = &w.spec, &state, w.action
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
}

func (s *Schedules) create(ctx context.Context, w wantedSchedule, out *Reconciled) error {
	state := w.state(client.ScheduleState{Note: w.note})
	_, err := s.Client.Create(ctx, client.ScheduleOptions{
		ID: w.id, Spec: w.spec, Action: w.action, Overlap: w.overlap, CatchupWindow: w.spec.Intervals[0].Every,
		Paused: state.Paused, Note: state.Note,
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return nil // an earlier attempt made it
	}
	if err == nil {
		out.Created++
	}
	return err
}

func sameTimes(a, b client.ScheduleSpec) bool {
	return a.Jitter == b.Jitter && len(a.Intervals) == 1 && a.Intervals[0] == b.Intervals[0] &&
		len(a.Calendars) == 0 && len(a.CronExpressions) == 0
}

// deleteOthers removes the workspace's schedules that nothing asks for. A listing
// may lag behind; the next reconciliation sees what this one does not.
func (s *Schedules) deleteOthers(ctx context.Context, workspace string, wanted map[string]bool, out *Reconciled) error {
	list, err := s.Client.List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return fmt.Errorf("list schedules: %w", err)
	}
	for list.HasNext() {
		entry, err := list.Next()
		if err != nil {
			return fmt.Errorf("list schedules: %w", err)
		}
		if !strings.HasPrefix(entry.ID, schedulePrefix(workspace)) || wanted[entry.ID] {
			continue
		}
		err = s.Client.GetHandle(ctx, entry.ID).Delete(ctx)
		var gone *serviceerror.NotFound
		if err != nil && !errors.As(err, &gone) {
			return fmt.Errorf("delete schedule %s: %w", entry.ID, err)
		}
		out.Deleted++
	}
	return nil
}
