package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
)

// without are the definitions less the view.
var without = definitions[:strings.LastIndex(definitions, "---")]

func TestAViewThatIsGoneIsToldApartFromAMisspeltOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	check := activities.StoreRequest{Target: plan.Target, Fingerprint: plan.Fingerprint}
	require.Empty(t, execute[string](t, w.environment(), "CheckStore", check))

	w.apply(t, "prod", 1, strings.ReplaceAll(definitions, "batch_schedule: 1d", "batch_schedule: 2d"))
	require.Contains(t, execute[string](t, w.environment(), "CheckStore", check), "was changed in generation 2")

	w.apply(t, "prod", 2, without)
	require.Contains(t, execute[string](t, w.environment(), "CheckStore", check), `no feature view "delays"`)
	plan = execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	require.Equal(t, "view delays was deleted in generation 3", plan.Skipped)
	require.Zero(t, plan.Windows())
	require.Empty(t, execute[[]activities.Target](t, w.environment(), "OnlineViews", target))
	incremental := execute[activities.Plan](t, w.environment(), "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 1})
	require.NotEmpty(t, incremental.Skipped)
}

func TestNothingMaterializesInADevelopmentWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, "dev", 0, definitions)
	for activity, request := range map[string]any{
		"PlanMaterialize": activities.PlanRequest{Target: activities.Target{Workspace: "dev", View: "delays"}},
		"PlanIncremental": activities.IncrementalRequest{Target: activities.Target{Workspace: "dev", View: "delays"}, MaxWindows: 1},
	} {
		_, err := w.environment().ExecuteActivity(activity, request)
		require.ErrorContains(t, err, "dev is a development workspace, where nothing is materialized")
	}
}
