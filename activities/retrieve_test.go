package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/offline"
)

// retrievals are the activities over a world of which a day is materialized.
func retrievals(t *testing.T) (*activities.Retrieve, *testsuite.TestActivityEnvironment) {
	t.Helper()
	w := newWorld(t)
	from, to := instant("2001-01-05"), instant("2001-01-06")
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target, StartTime: &from, EndTime: &to})
	build(t, w.environment(), plan, day("2001-01-05"))
	r := &activities.Retrieve{Engine: w.materialize.Engine, Clock: w.materialize.Clock}
	r.Datasets = dataset.New(r.Engine.Bucket, r.Engine.Offline.(offline.FrozenStore)).WithRowsPerShare(2)
	r.Join.ScratchDir = t.TempDir()
	env := w.environment()
	env.RegisterActivity(r)
	return r, env
}

func stage(t *testing.T, r *activities.Retrieve, spine string) activities.Staged {
	t.Helper()
	staged, err := r.Datasets.Stage(t.Context(), "prod", "training", dataset.Request{View: "delays"}, strings.NewReader(spine), frame.CSV)
	require.NoError(t, err)
	return staged
}

func TestAStagedSpineBecomesADataset(t *testing.T) {
	t.Parallel()
	r, env := retrievals(t)
	staged := stage(t, r, "origin,at\nATL,2001-01-06T12:00:00Z\nnowhere,2001-01-06T12:00:00Z\nATL,2001-01-03\n")
	plan := execute[activities.RetrievalPlan](t, env, "PlanRetrieval", staged)
	require.Equal(t, "delays", plan.Views[0].View)
	require.Equal(t, 2, plan.Shares, "ATL and nowhere")
	request := activities.SaveRequest{Staged: staged, Plan: plan}
	for share := range plan.Shares {
		joined := execute[activities.JoinedShare](t, env, "JoinShare", activities.ShareRequest{Staged: staged, Plan: plan, Share: share})
		require.Equal(t, int64(2-share), joined.Rows)
		request.Shares = append(request.Shares, joined)
	}
	saved := execute[activities.Saved](t, env, "SaveRetrieval", request)
	require.Equal(t, int64(3), saved.Rows)
	require.True(t, saved.Uncovered, "the third row needs a day that is not materialized")
	require.Equal(t, saved, execute[activities.Saved](t, env, "SaveRetrieval", request), "it may be repeated")

	_, err := env.ExecuteActivity("DiscardRetrieval", staged)
	require.NoError(t, err)
	made, err := r.Datasets.Describe(t.Context(), "prod", "training")
	require.NoError(t, err)
	require.NoError(t, r.Datasets.Remake(t.Context(), r.Engine, r.Join, made, r.Clock.Now()))
}

func TestASpineThatDoesNotFitIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	r, env := retrievals(t)
	for spine, says := range map[string]string{
		"city,at\nATL,2001-01-06\n":            `no column "origin" for join key "origin" of view delays`,
		"origin\nATL\n":                        "the spine has no time column",
		"origin,at\nATL,2001-01-06\nATL,x,y\n": "line 3",
	} {
		staged := stage(t, r, spine)
		_, err := env.ExecuteActivity("PlanRetrieval", staged)
		var refused *temporal.ApplicationError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, activities.ErrorInput, refused.Type())
		require.True(t, refused.NonRetryable())
		require.Contains(t, refused.Message(), says)

		_, err = env.ExecuteActivity("DiscardRetrieval", staged)
		require.NoError(t, err)
	}
	for info, err := range r.Engine.Bucket.List(t.Context(), "datasets/", "") {
		require.NoError(t, err)
		require.Fail(t, "left "+info.Key)
	}
}
