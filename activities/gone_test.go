package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
)

// without are the definitions less the view.
var without = definitions[:strings.LastIndex(definitions, "---")]

// riskTable is a feature table that stores nothing yet.
const riskTable = `---
kind: FeatureTable
name: risk
entities: [airport]
schema: [{name: origin, type: String}, {name: scored, type: Timestamp}, {name: score, type: Float64}]
`

func TestAViewThatIsGoneIsToldApartFromAMisspeltOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	check := activities.StoreRequest{Target: plan.Target, Fingerprint: plan.Fingerprint}
	require.Empty(t, execute[string](t, w.environment(), "CheckStore", check))

	w.apply(t, "prod", 1, strings.ReplaceAll(definitions, "batch_schedule: 1d", "batch_schedule: 2d"))
	require.Empty(t, execute[string](t, w.environment(), "CheckStore", check), "it serves until the new store does")
	require.Equal(t, activities.Switched{Generation: 3}, execute[activities.Switched](t, w.environment(), "SwitchStores", target))
	require.Equal(t, "view delays is stored elsewhere as of generation 3", execute[string](t, w.environment(), "CheckStore", check))

	w.apply(t, "prod", 3, without)
	require.Contains(t, execute[string](t, w.environment(), "CheckStore", check), `no feature view "delays"`)
	plan = execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	require.Equal(t, "view delays was deleted in generation 4", plan.Skipped)
	require.Zero(t, plan.Windows())
	require.Empty(t, execute[[]activities.Target](t, w.environment(), "OnlineViews", target))
	incremental := execute[activities.Plan](t, w.environment(), "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 1})
	require.NotEmpty(t, incremental.Skipped)
}

func TestATableThatIsGoneIsToldApartFromAMisspeltOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, "prod", 1, definitions+riskTable+"offline: true\n")
	w.apply(t, "prod", 2, definitions)
	request := activities.PlanRequest{Target: activities.Target{Workspace: "prod", View: "risk"}}
	require.Equal(t, "view risk was deleted in generation 3", execute[activities.Plan](t, w.environment(), "PlanMaterialize", request).Skipped)
	request.View = "risks"
	_, err := w.environment().ExecuteActivity("PlanMaterialize", request)
	require.ErrorContains(t, err, `no feature view "risks"`)
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
