package activities_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/registry"
)

var errKilled = errors.New("killed")

// scheduler is Temporal's schedules. When kill counts down to zero, the process
// is killed: before the call, or after it if late is set.
type scheduler struct {
	client.ScheduleClient
	schedules map[string]client.Schedule
	kill      int
	late      bool
	changes   int
	interval  time.Duration // of maintenance
}

// call runs a call that changes something.
func (s *scheduler) call(change func() error) error {
	s.kill--
	if s.kill == 0 && !s.late {
		return errKilled
	}
	s.changes++
	if err := change(); err != nil {
		return err
	}
	if s.kill == 0 {
		return errKilled
	}
	return nil
}

func (s *scheduler) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	return nil, s.call(func() error {
		if _, ok := s.schedules[o.ID]; ok {
			return temporal.ErrScheduleAlreadyRunning
		}
		s.schedules[o.ID] = client.Schedule{Spec: &o.Spec, Action: o.Action, State: &client.ScheduleState{Paused: o.Paused, Note: o.Note}}
		return nil
	})
}

func (s *scheduler) GetHandle(_ context.Context, id string) client.ScheduleHandle {
	return &scheduleHandle{scheduler: s, id: id}
}

func (s *scheduler) List(context.Context, client.ScheduleListOptions) (client.ScheduleListIterator, error) {
	return &scheduleList{slices.Sorted(maps.Keys(s.schedules))}, nil
}

type scheduleList struct{ ids []string }

func (l *scheduleList) HasNext() bool { return len(l.ids) > 0 }
func (l *scheduleList) Next() (*client.ScheduleListEntry, error) {
	entry := &client.ScheduleListEntry{ID: l.ids[0]}
	l.ids = l.ids[1:]
	return entry, nil
}

type scheduleHandle struct {
	client.ScheduleHandle
	scheduler *scheduler
	id        string
}

func (h *scheduleHandle) Describe(context.Context) (*client.ScheduleDescription, error) {
	schedule, ok := h.scheduler.schedules[h.id]
	if !ok {
		return nil, serviceerror.NewNotFound(h.id)
	}
	return &client.ScheduleDescription{Schedule: schedule}, nil
}

func (h *scheduleHandle) Update(_ context.Context, o client.ScheduleUpdateOptions) error {
	return h.scheduler.call(func() error {
		update, err := o.DoUpdate(client.ScheduleUpdateInput{Description: client.ScheduleDescription{Schedule: h.scheduler.schedules[h.id]}})
		if err == nil {
			h.scheduler.schedules[h.id] = *update.Schedule
		}
		return err
	})
}

func (h *scheduleHandle) Delete(context.Context) error {
	return h.scheduler.call(func() error {
		delete(h.scheduler.schedules, h.id)
		return nil
	})
}

func (s *scheduler) reconcile(t *testing.T, r *registry.Registry, workspace string) error {
	t.Helper()
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(quiet{})
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(&activities.Schedules{Registry: r, Client: s, Action: func(workspace, view string) *client.ScheduleWorkflowAction {
		return &client.ScheduleWorkflowAction{ID: workspace + "/" + view}
	}, Maintenance: func(workspace, view string) *client.ScheduleWorkflowAction {
		return &client.ScheduleWorkflowAction{ID: "maintain/" + workspace + "/" + view}
	}, MaintenanceInterval: s.interval})
	_, err := env.ExecuteActivity("ReconcileSchedules", activities.ReconcileRequest{Workspace: workspace})
	return err
}

// text is all schedules, line by line.
func (s *scheduler) text() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.schedules)) {
		schedule := s.schedules[id]
		fmt.Fprintf(&b, "%s every %s, paused %t\n", id, schedule.Spec.Intervals[0].Every, schedule.State.Paused)
	}
	return b.String()
}

// views are definitions with a view for each name, with lines of its own.
func views(lines map[string]string) string {
	var b strings.Builder
	b.WriteString(without)
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		view := strings.Replace(definitions[len(without):], "name: delays", "name: "+name, 1)
		b.WriteString(view + lines[name] + "\n")
	}
	return b.String()
}

// lines has a format's lines for each pair of a view and whether it is paused.
func lines(format string, pairs ...any) string {
	var b strings.Builder
	for pair := range slices.Chunk(pairs, 2) {
		fmt.Fprintf(&b, format, pair...)
	}
	return b.String()
}

// TestB6 kills the process at each change of a reconciliation, before and after it,
// and reconciles again.
func TestB6SchedulesEqualTheNewestGenerationAfterAnyKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.materialize.Engine.Registry
	w.apply(t, "prod", 1, views(map[string]string{"a": "", "b": "", "c": "", "d": "batch_trigger: MANUAL"}))
	day := "tilery/prod/%[1]s every 24h0m0s, paused %[2]t\ntilery/prod/%[1]s/maintain every 24h0m0s, paused false\n"
	before := lines(day, "a", false, "b", false, "c", false, "d", true)
	s := &scheduler{schedules: map[string]client.Schedule{"tilery/other/x": {Spec: &client.ScheduleSpec{
		Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}}, State: &client.ScheduleState{}}}}
	const others = "tilery/other/x every 1h0m0s, paused false\n"
	require.NoError(t, s.reconcile(t, r, "prod"))
	require.Equal(t, others+before, s.text())
	changes := s.changes
	require.NoError(t, s.reconcile(t, r, "prod"))
	require.Equal(t, changes, s.changes, "nothing is to change")

	later := strings.ReplaceAll(views(map[string]string{"a": "", "c": "batch_trigger: MANUAL", "d": "", "e": ""}), "batch_schedule: 1d", "batch_schedule: 2d")
	w.apply(t, "prod", 2, later)
	twoDays := strings.Replace(day, "24h", "48h", 1)
	after := others + lines(twoDays, "a", false, "c", true, "d", false, "e", false)
	for kill := 1; ; kill++ {
		survived := 0
		for _, late := range []bool{false, true} {
			killed := &scheduler{schedules: maps.Clone(s.schedules), kill: kill, late: late}
			err := killed.reconcile(t, r, "prod")
			if err == nil {
				survived++
			}
			require.NoError(t, killed.reconcile(t, r, "prod"))
			require.Equal(t, after, killed.text(), "killed at change %d, late %t", kill, late)
		}
		if survived == 2 {
			require.Greater(t, kill, 5)
			break
		}
	}
}

func TestAPersonsPauseStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.materialize.Engine.Registry
	s := &scheduler{schedules: map[string]client.Schedule{}}
	require.NoError(t, s.reconcile(t, r, "prod"))
	state := s.schedules["tilery/prod/delays"].State
	state.Paused, state.Note = true, "the source is being repaired"
	require.NoError(t, s.reconcile(t, r, "prod"))
	require.True(t, state.Paused)

	w.apply(t, "prod", 1, views(map[string]string{"delays": "batch_trigger: MANUAL"}))
	require.NoError(t, s.reconcile(t, r, "prod"))
	w.apply(t, "prod", 2, definitions)
	require.NoError(t, s.reconcile(t, r, "prod"))
	require.Equal(t, client.ScheduleState{Paused: true, Note: "the source is being repaired"}, *s.schedules["tilery/prod/delays"].State)

	w.apply(t, "dev", 0, definitions)
	require.NoError(t, s.reconcile(t, r, "dev"))
	require.Len(t, s.schedules, 2, "a development workspace has none")
}

func TestTablesAreMaintainedAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.materialize.Engine.Registry
	s := &scheduler{schedules: map[string]client.Schedule{}}
	require.NoError(t, s.reconcile(t, r, "prod"))
	before := s.text()
	w.apply(t, "prod", 1, definitions+riskTable+"offline: true\n")
	require.NoError(t, s.reconcile(t, r, "prod"))
	require.Equal(t, before+"tilery/prod/risk/maintain every 24h0m0s, paused false\n", s.text())
	w.apply(t, "prod", 2, definitions+riskTable)
	require.NoError(t, s.reconcile(t, r, "prod"))
	require.Equal(t, before, s.text(), "a table without a store has nothing to maintain")
}

func TestMaintenanceIsScheduledAsConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &scheduler{schedules: map[string]client.Schedule{}}
	schedule := func() client.Schedule {
		require.NoError(t, s.reconcile(t, w.materialize.Engine.Registry, "prod"))
		return s.schedules["tilery/prod/delays/maintain"]
	}
	first := schedule()
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: 24 * time.Hour}}, first.Spec.Intervals)
	require.Equal(t, time.Hour, first.Spec.Jitter)
	require.Equal(t, "maintain/prod/delays", first.Action.(*client.ScheduleWorkflowAction).ID)
	first.State.Paused, first.State.Note = true, "a copy is being made"
	s.interval = 2 * time.Hour
	second := schedule()
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: 2 * time.Hour}}, second.Spec.Intervals)
	require.Equal(t, 30*time.Minute, second.Spec.Jitter)
	require.Equal(t, client.ScheduleState{Paused: true, Note: "a copy is being made"}, *second.State, "a person's pause stays")
}
