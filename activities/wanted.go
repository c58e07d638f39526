package activities

import (
	"cmp"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/feature"
)

// wantedSchedule is a schedule as the definitions ask for it.
type wantedSchedule struct {
	id, note string
	manual   bool // it is to be paused
	spec     client.ScheduleSpec
	overlap  enumspb.ScheduleOverlapPolicy
	action   *client.ScheduleWorkflowAction
}

// maxJitter spreads the views that share an hour.
const maxJitter = 5 * time.Minute

// of returns the schedules of a view: none if it stores nothing, and of a feature table,
// whose rows come when they are ingested, only that of its maintenance.
func (s *Schedules) of(workspace string, v feature.View) []wantedSchedule {
	switch {
	case !v.Offline:
		return nil
	case v.Ingested:
		return []wantedSchedule{s.maintenance(workspace, v)}
	}
	return []wantedSchedule{s.incremental(workspace, v), s.maintenance(workspace, v)}
}

// incremental has a view's job start when a window's data is complete.
func (s *Schedules) incremental(workspace string, v feature.View) wantedSchedule {
	every := v.Schedule()
	return wantedSchedule{
		id:     ScheduleID(workspace, v.Name),
		note:   fmt.Sprintf("Windows of %s of %s", feature.Duration(every), v.Name),
		manual: v.BatchTrigger == feature.Manual,
		spec: client.ScheduleSpec{
			Intervals: []client.ScheduleIntervalSpec{{Every: every, Offset: v.DataDelay() % every}},
			Jitter:    min(every/20, maxJitter),
		},
		// A run fills whatever is missing, so one that waits is enough for all that were due.
		overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
		action:  s.Action(workspace, v.Name),
	}
}

// maintenance has a view maintained, whatever starts its jobs. Nothing waits for it,
// so it may start an hour late.
func (s *Schedules) maintenance(workspace string, v feature.View) wantedSchedule {
	every := cmp.Or(s.MaintenanceInterval, 24*time.Hour)
	return wantedSchedule{
		id:      MaintenanceScheduleID(workspace, v.Name),
		note:    "Maintenance of " + v.Name,
		spec:    client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}, Jitter: min(every/4, time.Hour)},
		overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		action:  s.Maintenance(workspace, v.Name),
	}
}

// notePaused tells a pause by the definition from a person's, which stays.
const notePaused = "Paused by the definition: batch_trigger is MANUAL"

// state is how the schedule stands after a pass, which changes it only by the definition.
func (w wantedSchedule) state(before client.ScheduleState) client.ScheduleState {
	state := before
	switch {
	case w.manual && !before.Paused:
		state.Paused, state.Note = true, notePaused
	case !w.manual && before.Paused && before.Note == notePaused:
		state.Paused, state.Note = false, w.note
	}
	return state
}
