package serve_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/serve"
)

func TestWorkspacesAreCreatedListedAndShown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, nil)
	for range 2 {
		status, body := s.post(api.CreateWorkspacePath, api.WorkspaceRequest{Workspace: "staging", Live: true})
		require.JSONEq(t, `{"name": "staging", "live": true, "generation": 0, "objects": 0}`, body)
		require.Equal(t, 200, status)
	}
	status, body := s.post(api.CreateWorkspacePath, api.WorkspaceRequest{Workspace: "staging"})
	requireError(t, 400, api.FailedPrecondition, "workspace staging: exists already, as a live workspace", status, body)
	status, body = s.post(api.CreateWorkspacePath, api.WorkspaceRequest{Workspace: "No!"})
	requireError(t, 400, api.InvalidArgument, "bad workspace name", status, body)

	_, body = s.post(api.GetWorkspacePath, api.WorkspaceRequest{Workspace: "prod"})
	require.JSONEq(t, `{"name": "prod", "live": true, "generation": 1, "applied_at": "2001-04-14T00:00:00Z", "objects": 3}`, body)
	_, body = s.post(api.GetWorkspacePath, api.WorkspaceRequest{Workspace: "mine"})
	require.JSONEq(t, `{"name": "mine", "live": false, "generation": 0, "objects": 0}`, body)
	_, body = s.post(api.ListWorkspacesPath, struct{}{})
	require.JSONEq(t, `{"workspaces": [{"name": "prod", "live": true}, {"name": "staging", "live": true}]}`, body)
}

func TestPlansOfLiveWorkspacesHaveCosts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.write([]event{{user: 1, at: start.Add(50 * day), n: ptr(int64(1))}})
	server := s.with(func(o *serve.Options) { o.Engine = s.engine })
	plan := func(workspace string, change func(string) string) api.PlanResponse {
		status, body := post(t, server, api.PlanPath, api.PlanRequest{Workspace: workspace, Files: s.definitions(change)})
		return decode[api.PlanResponse](t, status, body)
	}
	p := plan("prod", nil)
	require.True(t, p.Live)
	require.Len(t, p.Costs, 1)
	require.Equal(t, 100, p.Costs[0].Windows) // of 100 days and one before, less the day whose data is late
	require.Positive(t, p.Costs[0].Queries)
	require.Positive(t, p.Costs[0].Scan.Bytes)
	require.Empty(t, p.Costs[0].Warnings)

	p = plan("mine", nil)
	require.False(t, p.Live)
	require.Empty(t, p.Costs)
	require.Len(t, p.Changes, 3)

	s.apply(0, nil)
	require.Empty(t, plan("prod", nil).Costs)
	require.Empty(t, plan("prod", func(text string) string {
		return strings.Replace(text, "name: spending\n", "name: spending\nowner: me\n", 1)
	}).Costs,
		"an owner materializes nothing")
	require.Equal(t, 31, plan("prod", func(text string) string {
		return strings.Replace(text, "feature_start_time: 2001-01-05", "feature_start_time: 2000-12-05", 1)
	}).Costs[0].Windows, "only what the change adds")
	require.Equal(t, 1, plan("prod", func(text string) string { return strings.Replace(text, "data_delay: 2h", "data_delay: 0s", 1) }).Costs[0].Windows,
		"a source can add windows too: the newest is complete")
	recreated := plan("prod", func(text string) string {
		return strings.Replace(text, "aggregation_interval: 1h", "aggregation_interval: 30m", 1)
	})
	require.Equal(t, registry.Recreate, recreated.Changes[0].Action)
	require.Equal(t, 100, recreated.Costs[0].Windows)
}

func TestProtectedObjectsAreNotDestroyed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, documented)
	request := api.PlanRequest{Workspace: "prod", Files: s.definitions(nil)}
	for path, body := range map[string]any{api.PlanPath: request, api.ApplyPath: api.ApplyRequest{PlanRequest: request, BaseGeneration: 1}} {
		status, answer := s.post(path, body)
		requireError(t, 400, api.FailedPrecondition, "FeatureService fraud cannot be deleted: it has prevent_destroy: true\nto lift this, ", status, answer)
	}
}
