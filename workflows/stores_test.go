package workflows_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

const incremental = `{"workspace": "dev", "view": "airport_delays"}`

// runBoth runs an incremental job and returns its whole result.
func runBoth(t *testing.T, f *fake) workflows.IncrementalResult {
	t.Helper()
	env := newEnvironment(f)
	env.ExecuteWorkflow("MaterializeIncremental", json.RawMessage(incremental))
	require.NoError(t, env.GetWorkflowError())
	var result workflows.IncrementalResult
	require.NoError(t, env.GetWorkflowResult(&result))
	return result
}

func TestAnIncrementalRunHealsTheStoreThatServesThenTheOneThatIsFilling(t *testing.T) {
	t.Parallel()
	f := &fake{
		online: true, gaps: window.NewSet(days(8, 9)), filling: window.NewSet(days(3, 9)),
		switched: activities.Switched{Lacks: "3 of 9 windows"},
	}
	result := runBoth(t, f)
	require.Equal(t, []int{8}, numbers(f.commits[0]))
	require.Equal(t, []int{3, 4, 5, 6, 7, 8, 8}, f.committed())
	require.Equal(t, 1, result.Committed)
	require.Empty(t, result.Lacks)
	require.Equal(t, 6, result.Filling.Committed)
	require.Equal(t, "3 of 9 windows", result.Filling.Lacks)
	require.Equal(t, []bool{false, true}, []bool{f.incrementals[0].Filling, f.incrementals[1].Filling})
	require.Len(t, f.switches, 1, "after the job on the store that is filling")
	require.Len(t, f.jobs, 2, "each store has a job of its own in the ledger")
	require.Equal(t, f.jobs[0].RunID, f.jobs[1].RunID)
	require.Equal(t, []string{
		"1 RUNNING", "2 SUCCESS 1 of 1 windows committed", "1 RUNNING", "2 SUCCESS 6 of 6 windows committed",
	}, f.records)
}

func TestAStoreThatIsFilledServes(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3, filling: window.Set{}, switched: activities.Switched{Generation: 8}}
	result, err := run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, int64(8), result.Serves)
	require.Len(t, f.switches, 1)

	f = &fake{filling: window.Set{}, switched: activities.Switched{Generation: 9}}
	both := runBoth(t, f)
	require.Equal(t, int64(9), both.Filling.Serves, "an earlier job ended before the switch")
	require.Empty(t, f.records)

	f = &fake{windows: 3}
	_, err = run(t, f, input())
	require.NoError(t, err)
	require.Empty(t, f.switches, "the job's store serves")
}

func TestWhatFailsOnTheStoreThatServesDoesNotKeepTheOtherFromBeingFilled(t *testing.T) {
	t.Parallel()
	f := &fake{filling: window.NewSet(days(0, 2)), onServing: func() error { return broken("no such column") }}
	_, err := runIncremental(t, f, incremental)
	kind, text := refusal(t, err)
	require.Equal(t, activities.ErrorSQL, kind)
	require.Equal(t, "no such column", text)
	require.Equal(t, []int{0, 1}, f.committed())

	f = &fake{gaps: window.NewSet(days(5, 6)), filling: window.NewSet(days(0, 2)), onBuild: func(_ context.Context, number int) error {
		if number == 5 {
			return broken("no such column")
		}
		return nil
	}}
	result, err := runIncremental(t, f, incremental)
	require.Error(t, err)
	require.Equal(t, 1, result.Failed)
	require.Equal(t, []int{0, 1}, f.committed())
	require.Len(t, f.switches, 1)
}

func TestAJobThatIsCancelledSwitchesNothing(t *testing.T) {
	t.Parallel()
	cancelled := func(f *fake, workflow string, in any) {
		env := newEnvironment(f)
		f.onBuild = func(_ context.Context, _ int) error {
			env.CancelWorkflow()
			return f.untilCancelled()
		}
		env.ExecuteWorkflow(workflow, in)
		_, err := ending(t, env)
		require.True(t, temporal.IsCanceledError(err), "%v", err)
		require.Empty(t, f.switches)
	}
	cancelled(&fake{windows: 3, filling: window.Set{}}, "Materialize", input())
	f := &fake{gaps: window.NewSet(days(0, 1)), filling: window.NewSet(days(0, 1))}
	cancelled(f, "MaterializeIncremental", json.RawMessage(incremental))
	require.Len(t, f.incrementals, 1, "nor does the job on the other store begin")
}

func TestASwitchThatFailsIsToldAndFailsNoJob(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 3, filling: window.Set{}, onSwitch: func() error { return broken("the status is damaged") }}
	result, err := run(t, f, input())
	require.NoError(t, err)
	require.Equal(t, "the status is damaged", result.Lacks)
	require.Equal(t, "2 SUCCESS 3 of 3 windows committed", f.records[1])
}
