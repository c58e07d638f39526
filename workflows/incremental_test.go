package workflows_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

func runIncremental(t *testing.T, f *fake, input string) (workflows.MaterializeResult, error) {
	t.Helper()
	env := newEnvironment(f)
	env.ExecuteWorkflow("MaterializeIncremental", json.RawMessage(input))
	return ending(t, env)
}

func TestAnIncrementalJobFillsGapsNewestFirst(t *testing.T) {
	t.Parallel()
	f := &fake{online: true, gaps: window.NewSet(
		window.Interval{Start: at(0), End: at(2 * day)}, window.Interval{Start: at(5 * day), End: at(9 * day)})}
	var newest sync.WaitGroup
	newest.Add(4)
	f.onBuild = func(_ context.Context, number int) error {
		if number >= 5 { // none ends before all four have begun
			newest.Done()
			newest.Wait()
		}
		return nil
	}
	result, err := runIncremental(t, f, `{"workspace": "dev", "view": "airport_delays"}`)
	require.NoError(t, err)
	require.ElementsMatch(t, []int{8, 7, 6, 5}, f.begun[:4], "the newest come first, four at a time")
	require.Equal(t, []int{0, 1, 5, 6, 7, 8}, f.committed())
	require.Equal(t, 6, result.Windows)
	require.Equal(t, window.Interval{Start: at(0), End: at(9 * day)}, *result.Range)
	require.Equal(t, []activities.IncrementalRequest{{
		Target: activities.Target{Workspace: "dev", View: "airport_delays"}, MaxWindows: 64,
	}}, f.incrementals)
}

func TestAnIncrementalJobWithNothingToDoSaysSo(t *testing.T) {
	t.Parallel()
	f := &fake{}
	result, err := runIncremental(t, f, `{"workspace": "dev", "view": "airport_delays"}`)
	require.NoError(t, err)
	require.Equal(t, "nothing is missing", result.Skipped)
	require.Nil(t, result.Range)
	require.Empty(t, f.commits)
}

func TestAnIncrementalJobBringsAnOnlineStoreUpThatLags(t *testing.T) {
	t.Parallel()
	f := &fake{online: true, lags: true}
	result, err := runIncremental(t, f, `{"workspace": "dev", "view": "airport_delays"}`)
	require.NoError(t, err)
	require.Equal(t, "nothing is missing", result.Skipped)
	require.Equal(t, 1, f.applies)
	require.Empty(t, f.commits)
}

func TestIncrementalInputIsChecked(t *testing.T) {
	t.Parallel()
	for input, says := range map[string]string{
		`{"workspace": "dev"}`:                         "input needs at least",
		`{"workspace": "dev", "view": 7}`:              "view cannot be a JSON number",
		`{"workspace": "dev", "view": "v", "from": 1}`: `unknown field "from"`,
	} {
		_, err := runIncremental(t, &fake{}, input)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
	}
}
