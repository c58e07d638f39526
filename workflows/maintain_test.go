package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/workflows"
)

// maintainer stands for the activities of maintenance.
type maintainer struct {
	*fake
	plan activities.MaintenancePlan

	mu    sync.Mutex
	calls []string // "activity generation"
	jobs  []activities.Job
	// cancel cancels the workflow.
	cancel func()
	// onCall decides what becomes of a call; nil: it finds nothing.
	onCall func(ctx context.Context, activity string, call int) (activities.Maintained, error)
}

func (m *maintainer) PlanMaintenance(context.Context, activities.Target) (activities.MaintenancePlan, error) {
	return m.plan, nil
}

func (m *maintainer) call(ctx context.Context, activity string, r activities.MaintainRequest) (activities.Maintained, error) {
	m.mu.Lock()
	m.calls = append(m.calls, activity+" "+string(rune('0'+r.Generation)))
	m.jobs = append(m.jobs, r.Job)
	call := 0
	for _, name := range m.calls {
		if strings.HasPrefix(name, activity) {
			call++
		}
	}
	m.mu.Unlock()
	if m.onCall == nil {
		return activities.Maintained{}, nil
	}
	return m.onCall(ctx, activity, call)
}

func (m *maintainer) CompactTable(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "CompactTable", r)
}

func (m *maintainer) TrimLog(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "TrimLog", r)
}

func (m *maintainer) VacuumTable(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "VacuumTable", r)
}

func (m *maintainer) DropCells(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "DropCells", r)
}

func (m *maintainer) RemoveStores(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "RemoveStores", r)
}

func (m *maintainer) RemoveStaged(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "RemoveStaged", r)
}

func (m *maintainer) CleanDeletions(ctx context.Context, r activities.MaintainRequest) (activities.Maintained, error) {
	return m.call(ctx, "CleanDeletions", r)
}

// newMaintainer has a view whose second store is filling.
func newMaintainer() *maintainer {
	store := func(generation int64) activities.Target {
		return activities.Target{Workspace: "dev", View: "airport_delays", Generation: generation}
	}
	return &maintainer{fake: &fake{}, plan: activities.MaintenancePlan{Generation: 7, Stores: []activities.Target{store(3), store(7)}}}
}

// maintain runs the workflow.
func maintain(t *testing.T, m *maintainer, input string) (workflows.MaintainResult, error) {
	t.Helper()
	env := newEnvironment(&fake{})
	env.RegisterActivity(m)
	m.cancel = env.CancelWorkflow
	env.ExecuteWorkflow("Maintain", json.RawMessage(input))
	require.True(t, env.IsWorkflowCompleted())
	var result workflows.MaintainResult
	err := env.GetWorkflowError()
	var application *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		require.NoError(t, env.GetWorkflowResult(&result))
	case errors.As(err, &application) && application.HasDetails():
		require.NoError(t, application.Details(&result))
	case errors.As(err, &cancelled) && cancelled.HasDetails():
		require.NoError(t, cancelled.Details(&result))
	}
	progress, queryErr := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, queryErr)
	var shown workflows.MaintainResult
	require.NoError(t, progress.Get(&shown))
	if !errors.As(err, &application) || application.HasDetails() {
		require.Equal(t, result, shown)
	}
	return result, err
}

const maintainView = `{"workspace": "dev", "view": "airport_delays"}`

func TestMaintenanceTakesEveryStepOfEachStore(t *testing.T) {
	t.Parallel()
	m := newMaintainer()
	m.onCall = func(_ context.Context, activity string, call int) (activities.Maintained, error) {
		switch activity {
		case "CompactTable":
			return activities.Maintained{Removed: 10, Added: 1, More: call < 3}, nil
		case "RemoveStores":
			return activities.Maintained{Removed: 5, Bytes: 50, Stores: []string{"old/0123456789abcdef"}, More: call < 2}, nil
		}
		return activities.Maintained{Removed: 2, Bytes: 4}, nil
	}
	result, err := maintain(t, m, maintainView)
	require.NoError(t, err)
	require.Equal(t, []string{
		"RemoveStores 7", "RemoveStores 7", "RemoveStaged 7",
		"CompactTable 3", "CompactTable 3", "CompactTable 3", "TrimLog 3", "VacuumTable 3", "DropCells 3",
		"CompactTable 7", "TrimLog 7", "VacuumTable 7", "DropCells 7", "CleanDeletions 7",
	}, m.calls)
	require.Equal(t, workflows.MaintainResult{
		Workspace: "dev", View: "airport_delays", Job: result.Job, Calls: 14, Compacted: 40, Into: 4, LogObjects: 4, Vacuumed: 4, Replaced: 4,
		RemovedStores: []string{"old/0123456789abcdef"}, RemovedObjects: 10, Staged: 2, Cleaned: 2, Bytes: 100 + 4 + 8,
	}, result)
	require.NotEmpty(t, result.Job)
	require.Equal(t, []string{"1 RUNNING", "2 SUCCESS 40 files compacted into 4, 4 vacuumed, 4 objects of logs, 2 of jobs and 10 of 1 unused stores removed, 2 deletions cleaned up"}, m.records)
	for _, job := range m.jobs {
		require.Equal(t, workflows.JobTypeMaintenance, job.Type)
		require.Equal(t, result.Job, job.ID)
	}
}

func TestMaintenanceLeavesWhatIsTooMuchToTheNextRun(t *testing.T) {
	t.Parallel()
	m := newMaintainer()
	m.onCall = func(context.Context, string, int) (activities.Maintained, error) {
		return activities.Maintained{Removed: 1, More: true}, nil
	}
	result, err := maintain(t, m, maintainView)
	require.NoError(t, err)
	require.Equal(t, 64, result.Calls)
	require.Len(t, m.calls, 64)
	require.Len(t, result.Unfinished, 11)
	require.Contains(t, m.records[1], "; the next run goes on with 11 steps")
}

func TestAFailedStepKeepsNoOtherFromBeingTaken(t *testing.T) {
	t.Parallel()
	m := newMaintainer()
	m.onCall = func(_ context.Context, activity string, _ int) (activities.Maintained, error) {
		if activity == "CompactTable" {
			return activities.Maintained{}, broken("a file is damaged")
		}
		return activities.Maintained{Removed: 1}, nil
	}
	result, err := maintain(t, m, maintainView)
	kind, text := refusal(t, err)
	require.Equal(t, workflows.ErrorMaintenanceFailed, kind)
	require.Equal(t, "2 steps failed, the first: Compact the files of the store of generation 3: a file is damaged", text)
	require.Len(t, m.calls, 11)
	require.Equal(t, int64(2), result.Vacuumed)
	require.Len(t, result.Failures, 2)
	require.Equal(t, "2 ERROR "+text, m.records[1])
}

func TestCancelledMaintenanceEndsPromptly(t *testing.T) {
	t.Parallel()
	m := newMaintainer()
	m.onCall = func(_ context.Context, activity string, _ int) (activities.Maintained, error) {
		if activity != "VacuumTable" {
			return activities.Maintained{Removed: 1}, nil
		}
		m.cancel()
		return activities.Maintained{}, temporal.NewCanceledError()
	}
	result, err := maintain(t, m, maintainView)
	require.True(t, temporal.IsCanceledError(err))
	require.Equal(t, int64(1), result.Compacted)
	require.Equal(t, "VacuumTable 3", m.calls[len(m.calls)-1])
	require.Equal(t, "2 MANUALLY_CANCELLED", m.records[1][:20])
}

func TestADryRunOfMaintenanceIsNoJob(t *testing.T) {
	t.Parallel()
	m := newMaintainer()
	m.onCall = func(context.Context, string, int) (activities.Maintained, error) {
		return activities.Maintained{Removed: 1, More: true}, nil
	}
	result, err := maintain(t, m, `{"workspace": "dev", "view": "airport_delays", "dry_run": true}`)
	require.NoError(t, err)
	require.True(t, result.DryRun)
	require.Len(t, m.calls, 11, "a second call would find the same")
	require.Empty(t, m.records)
	require.Empty(t, result.Job)
}

func TestMaintenanceOfADeletedViewRemovesWhatItLeft(t *testing.T) {
	t.Parallel()
	m := newMaintainer()
	m.plan = activities.MaintenancePlan{Skipped: "view airport_delays was deleted in generation 8"}
	result, err := maintain(t, m, maintainView)
	require.NoError(t, err)
	require.Equal(t, []string{"RemoveStores 0", "RemoveStaged 0", "CleanDeletions 0"}, m.calls)
	require.Equal(t, m.plan.Skipped, result.Skipped)
}

func TestMaintenanceRefusesOtherInput(t *testing.T) {
	t.Parallel()
	for input, says := range map[string]string{
		`{"workspace": "dev"}`:                           "input needs at least",
		`{"workspace": "dev", "view": "a", "dry": true}`: `unknown field "dry"`,
	} {
		_, err := maintain(t, newMaintainer(), input)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
	}
}
