package workflows_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/workflows"
)

func restore(t *testing.T, f *fake, input string) (workflows.RestoreResult, error) {
	t.Helper()
	env := newEnvironment(f)
	env.ExecuteWorkflow("RestoreOnline", json.RawMessage(input))
	require.True(t, env.IsWorkflowCompleted())
	var result workflows.RestoreResult
	err := env.GetWorkflowError()
	if err == nil {
		require.NoError(t, env.GetWorkflowResult(&result))
	}
	return result, err
}

func TestRestoreOnlineAppliesTheLogOfEachView(t *testing.T) {
	t.Parallel()
	f := &fake{}
	result, err := restore(t, f, `{"workspace": "dev"}`)
	require.NoError(t, err)
	require.Len(t, result.Views, 2)
	require.Equal(t, "a", result.Views[0].View)
	require.Equal(t, int64(1000), result.Views[1].Cells)
	require.Equal(t, 2, f.applies)

	result, err = restore(t, &fake{}, `{"workspace": "dev", "view": "b"}`)
	require.NoError(t, err)
	require.Len(t, result.Views, 1)
}

func TestRestoreOnlineReportsWhatItCannotDo(t *testing.T) {
	t.Parallel()
	_, err := restore(t, &fake{onApply: func(int) error { return broken("damaged cell") }}, `{"workspace": "dev"}`)
	require.ErrorContains(t, err, "damaged cell")
	for input, says := range map[string]string{
		`{}`:                                   "input needs at least",
		`{"workspace": "dev", "views": ["a"]}`: `unknown field "views"`,
	} {
		_, err := restore(t, &fake{}, input)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
	}
}
