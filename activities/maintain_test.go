package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
)

var maintenance = activities.Job{
	ID: strings.Repeat("b", 32), Type: activities.JobTypeMaintenance, CreatedAt: instant("2001-02-01T12:00"), RunID: "run-1", Number: 1,
}

// hourly are the definitions with windows of an hour, of which a file has a day.
var hourly = strings.NewReplacer(
	"batch_schedule: 1d", "batch_schedule: 1h", "aggregation_interval: 1d", "aggregation_interval: 1h", "time_window: 1d", "time_window: 1h",
).Replace(definitions)

// keys are the objects of the view's table with a text in their names.
func (w *world) keys(t *testing.T, text string) (keys []string) {
	t.Helper()
	for info, err := range w.materialize.Engine.Bucket.List(t.Context(), "offline/prod/delays/", "") {
		require.NoError(t, err)
		if strings.Contains(info.Key, text) {
			keys = append(keys, info.Key)
		}
	}
	return keys
}

func TestATableIsMaintainedStepByStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, "prod", 1, hourly)
	w.materialize.Engine.Maintenance = materialize.Maintenance{CheckpointEvery: 1}
	from, to := instant("2001-01-05"), instant("2001-01-06")
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target, StartTime: &from, EndTime: &to})
	build(t, w.environment(), plan, day("2001-01-05"))
	files := len(w.keys(t, "time_partition="))
	require.Greater(t, files, 15)

	todo := execute[activities.MaintenancePlan](t, w.environment(), "PlanMaintenance", target)
	require.Equal(t, int64(2), todo.Generation)
	require.Len(t, todo.Stores, 2)
	w.record(t, maintenance, activities.JobRecord{Entry: ledger.Entry{Number: 1, State: activities.JobRunning}, At: instant("2001-02-01")})
	request := activities.MaintainRequest{Target: plan.Target, Job: maintenance}
	compacted := execute[activities.Maintained](t, w.environment(), "CompactTable", request)
	require.Equal(t, activities.Maintained{Removed: int64(files), Added: 1, Bytes: compacted.Bytes}, compacted)
	execute[activities.Maintained](t, w.environment(), "TrimLog", request)
	require.Len(t, w.keys(t, ".checkpoint."), 1)
	require.Zero(t, execute[activities.Maintained](t, w.environment(), "VacuumTable", request), "nothing is old enough")
	require.Zero(t, execute[activities.Maintained](t, w.environment(), "RemoveStaged", request))
	require.Zero(t, execute[activities.Maintained](t, w.environment(), "RemoveStores", request))
	require.Zero(t, execute[activities.Maintained](t, w.environment(), "DropCells", request))
	require.Len(t, w.keys(t, "time_partition="), files+1)

	require.Empty(t, w.history(t, maintenance.ID).Attempts)
	require.Equal(t, ledger.Maintenance, w.history(t, maintenance.ID).Type)
}

func TestMaintenancePlansWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := execute[activities.MaintenancePlan](t, w.environment(), "PlanMaintenance", target)
	require.Equal(t, activities.MaintenancePlan{Generation: 1, Stores: []activities.Target{{Workspace: "prod", View: "delays", Generation: 1}}}, plan)
	w.apply(t, "prod", 1, hourly)
	plan = execute[activities.MaintenancePlan](t, w.environment(), "PlanMaintenance", target)
	require.Len(t, plan.Stores, 2, "one serves, one is filling")

	w.apply(t, "prod", 2, without)
	plan = execute[activities.MaintenancePlan](t, w.environment(), "PlanMaintenance", target)
	require.Equal(t, activities.MaintenancePlan{Skipped: "view delays was deleted in generation 3"}, plan)
	_, err := w.environment().ExecuteActivity("PlanMaintenance", activities.Target{Workspace: "prod", View: "misspelt"})
	require.ErrorContains(t, err, "misspelt")
	w.apply(t, "dev", 0, definitions)
	_, err = w.environment().ExecuteActivity("PlanMaintenance", activities.Target{Workspace: "dev", View: "delays"})
	require.ErrorContains(t, err, "development workspace")
}

// Maintenance that was lost is closed, and keeps no job from its turn or its range.
func TestLostMaintenanceIsClosed_B7(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.materialize.Jobs = &visibility{}
	w.record(t, maintenance, activities.JobRecord{Entry: ledger.Entry{Number: 1, State: activities.JobRunning}, At: instant("2001-02-01")})
	lost := execute[activities.LostJobs](t, w.environment(), "ReconcileJobs", activities.ReconcileRequest{Workspace: "prod"})
	require.Equal(t, activities.LostJobs{Lost: 1}, lost)
	states := w.history(t, maintenance.ID).States
	require.Equal(t, []string{"ERROR", "workflow lost"}, []string{string(states[1].State), states[1].Message})
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	require.Equal(t, 31, plan.Windows())
	require.Zero(t, states[1].Window)
	_, err := w.environment().ExecuteActivity("PlanMaterialize", activities.PlanRequest{Target: target, Retry: maintenance.ID})
	require.ErrorContains(t, err, "are no windows of job")
}
