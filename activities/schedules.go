package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

// Schedules keeps Temporal's schedules equal to the definitions.
type Schedules struct {
	Registry *registry.Registry
	Client   client.ScheduleClient
	// Action is what the schedule of a view starts.
	Action func(workspace, view string) *client.ScheduleWorkflowAction
}

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

// ScheduleID names the schedule of a view.
func ScheduleID(workspace, view string) string { return schedulePrefix(workspace) + view }

func schedulePrefix(workspace string) string { return "tilery/" + workspace + "/" }

// maxJitter spreads the views that share an hour.
const maxJitter = 5 * time.Minute

// scheduleSpec has a view's job start when a window's data is complete.
func scheduleSpec(v feature.View) client.ScheduleSpec {
	every := v.Schedule()
	return client.ScheduleSpec{
		Intervals: []client.ScheduleIntervalSpec{{Every: every, Offset: v.DataDelay() % every}},
		Jitter:    min(every/20, maxJitter),
	}
}

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
	for _, definition := range g.BatchFeatureViews {
		if !definition.Offline || !kind.Live {
			continue
		}
		view, err := g.View(definition.Name)
		if err != nil {
			return out, err
		}
		wanted[ScheduleID(workspace, view.Name)] = true
		if err := s.ensure(ctx, workspace, view, &out); err != nil {
			return out, fmt.Errorf("schedule of %s: %w", view.Name, err)
		}
	}
	out.Schedules = len(wanted)
	err = s.deleteOthers(ctx, workspace, wanted, &out)
	return out, err
}

// notePaused tells a pause by the definition from a person's, which stays.
const notePaused = "Paused by the definition: batch_trigger is MANUAL"

// scheduleState is how the view's schedule stands after a pass, which it changes
// only by the definition.
func scheduleState(view feature.View, before client.ScheduleState) client.ScheduleState {
	manual := view.BatchTrigger == feature.Manual
	state := before
	switch {
	case manual && !before.Paused:
		state.Paused, state.Note = true, notePaused
	case !manual && before.Paused && before.Note == notePaused:
		state.Paused, state.Note = false, scheduleNote(view)
	}
	return state
}

func scheduleNote(view feature.View) string {
	return fmt.Sprintf("Windows of %s of %s", feature.Duration(view.Schedule()), view.Name)
}

// ensure makes the view's schedule be there with the right times.
func (s *Schedules) ensure(ctx context.Context, workspace string, view feature.View, out *Reconciled) error {
	spec := scheduleSpec(view)
	handle := s.Client.GetHandle(ctx, ScheduleID(workspace, view.Name))
	described, err := handle.Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return s.create(ctx, workspace, view, out)
	case err != nil:
		return err
	case sameTimes(*described.Schedule.Spec, spec) && *described.Schedule.State == scheduleState(view, *described.Schedule.State):
		return nil
	}
	out.Updated++
	return handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			state := scheduleState(view, *schedule.State)
			schedule.Spec, schedule.State = &spec, &state
			schedule.Action = s.Action(workspace, view.Name)
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
}

func (s *Schedules) create(ctx context.Context, workspace string, view feature.View, out *Reconciled) error {
	state := scheduleState(view, client.ScheduleState{Note: scheduleNote(view)})
	_, err := s.Client.Create(ctx, client.ScheduleOptions{
		ID: ScheduleID(workspace, view.Name), Spec: scheduleSpec(view), Action: s.Action(workspace, view.Name),
		// A run fills whatever is missing, so one that waits is enough for all that were due.
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, CatchupWindow: view.Schedule(),
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
