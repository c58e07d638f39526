package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func features(t *testing.T, address string) error {
	_, err := client.New(address).GetFeatures(t.Context(), api.GetFeaturesParams{WorkspaceName: "prod"})
	return err
}

func TestCallsPostJSONToTheirPath(t *testing.T) {
	t.Parallel()
	var method, path, contentType string
	var body map[string]any
	reply := ""
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		method, path, contentType, body = r.Method, r.URL.Path, r.Header.Get("Content-Type"), nil
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, reply)
	})
	files := []repository.File{{Path: "a.yaml", Content: "x"}}
	sent := []any{map[string]any{"path": "a.yaml", "content": "x"}}
	for _, address := range []string{server.URL, server.URL + "/", strings.TrimPrefix(server.URL, "http://")} {
		c := client.New(address)

		reply = `{"workspace": "prod", "base_generation": 3, "changes": [{"action": "CREATE", "kind": "Entity", "name": "a"}]}`
		plan, err := c.Plan(t.Context(), api.PlanRequest{Workspace: "prod", Files: files})
		require.NoError(t, err)
		require.Equal(t, []string{"POST", "/api/v1/registry/plan", "application/json"}, []string{method, path, contentType})
		require.Equal(t, map[string]any{"workspace": "prod", "files": sent}, body)
		require.Equal(t, registry.Plan{Workspace: "prod", Base: 3, Changes: []registry.Change{{Action: registry.Create, Kind: "Entity", Name: "a"}}}, plan.Plan)

		reply = `{"generation": 4}`
		applied, err := c.Apply(t.Context(), api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: "prod", Files: files}, BaseGeneration: 3})
		require.NoError(t, err)
		require.Equal(t, "/api/v1/registry/apply", path)
		require.Equal(t, map[string]any{"workspace": "prod", "files": sent, "base_generation": 3.0}, body)
		require.Equal(t, int64(4), applied.Generation)

		reply = `{"result": {"features": ["1", null]}}`
		vector, err := c.GetFeatures(t.Context(), api.GetFeaturesParams{FeatureViewName: "v", WorkspaceName: "prod", JoinKeyMap: map[string]any{"k": "1"}})
		require.NoError(t, err)
		require.Equal(t, "/api/v1/feature-service/get-features", path)
		require.Equal(t, map[string]any{"params": map[string]any{"featureViewName": "v", "workspaceName": "prod", "joinKeyMap": map[string]any{"k": "1"}}}, body)
		require.Equal(t, []any{"1", nil}, vector.Result.Features)
	}
}

func TestEachCallHasItsPath(t *testing.T) {
	t.Parallel()
	var path, body string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		path, body = r.URL.Path, string(data)
		_, _ = io.WriteString(w, "{}")
	})
	c := client.New(server.URL)
	for _, call := range []struct {
		call       func() error
		path, body string
	}{
		{func() error {
			_, err := c.Describe(t.Context(), api.DescribeRequest{Workspace: "prod", Name: "v"})
			return err
		}, "/api/v1/registry/describe", `{"workspace":"prod","name":"v"}`},
		{func() error {
			_, err := c.CreateWorkspace(t.Context(), api.WorkspaceRequest{Workspace: "a", Live: true})
			return err
		}, "/api/v1/registry/create-workspace", `{"workspace":"a","live":true}`},
		{func() error {
			_, err := c.ServiceMetadata(t.Context(), api.ServiceMetadataParams{FeatureServiceName: "s", WorkspaceName: "a"})
			return err
		}, "/api/v1/feature-service/metadata", `{"params":{"featureServiceName":"s","workspaceName":"a"}}`},
		{func() error { _, err := c.Workspace(t.Context(), "a"); return err }, "/api/v1/registry/get-workspace", `{"workspace":"a"}`},
		{func() error { _, err := c.Workspaces(t.Context()); return err }, "/api/v1/registry/list-workspaces", `{}`},
		{func() error {
			_, err := c.MaterializationStatus(t.Context(), api.MaterializationStatusRequest{Workspace: "a", FeatureView: "v", ErrorsOnly: true})
			return err
		}, "/api/v1/jobs/materialization-status", `{"workspace":"a","feature_view":"v","errors_only":true}`},
		{func() error {
			_, err := c.ListJobs(t.Context(), api.ListJobsRequest{Workspace: "a", FeatureView: "v"})
			return err
		}, "/api/v1/jobs/list-materialization-jobs", `{"workspace":"a","feature_view":"v"}`},
		{func() error {
			_, err := c.Job(t.Context(), api.GetJobRequest{Workspace: "a", FeatureView: "v", JobID: "j"})
			return err
		}, "/api/v1/jobs/get-materialization-job", `{"workspace":"a","feature_view":"v","job_id":"j"}`},
	} {
		require.NoError(t, call.call())
		require.Equal(t, call.path, path)
		require.JSONEq(t, call.body, body)
	}
}

func TestErrorsOfTheServerKeepTheirCode(t *testing.T) {
	t.Parallel()
	server := serve(t, answer(http.StatusConflict, `{"error": "plan again", "message": "plan again", "code": 10}`))
	err := features(t, server.URL)
	var failed *api.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, api.Aborted, failed.Code)
	require.EqualError(t, err, "plan again")
}

func TestAnswersOfAnotherServerAreExplained(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/feature-service/get-features"
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"error without JSON":    {http.StatusBadGateway, "<html>", " answered 502 Bad Gateway, is it Tilery's worker?"},
		"error without message": {http.StatusNotFound, `{"code": 5}`, " answered 404 Not Found, is it Tilery's worker?"},
		"error without body":    {http.StatusNoContent, "", " answered 204 No Content, is it Tilery's worker?"},
		"no JSON":               {http.StatusOK, "<html>", ", is it Tilery's worker?: invalid character '<' looking for beginning of value"},
		"cut off":               {http.StatusOK, `{"result": `, ", is it Tilery's worker?: unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, answer(c.status, c.body))
			err := features(t, server.URL)
			require.ErrorContains(t, err, server.URL+path+c.want)
			var failed *api.Error
			require.NotErrorAs(t, err, &failed)
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) })
	require.ErrorContains(t, features(t, server.URL), "answered 302 Found")
}

func TestAnswersWithoutEndAreGivenUp(t *testing.T) {
	t.Parallel()
	block := strings.Repeat(" ", 1<<20)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	})
	require.ErrorContains(t, features(t, server.URL), "is longer than 67108864 bytes")
}

func TestNoServerIsExplained(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	err = features(t, address)
	require.ErrorContains(t, err, "no answer from http://"+address+", is the worker running?: ")
	require.ErrorContains(t, err, "connection refused")

	require.ErrorContains(t, features(t, "http://a b"), `server address "http://a b": `)
	require.ErrorContains(t, features(t, "ftp://127.0.0.1"), `unsupported protocol scheme "ftp"`)
}

func TestCallsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees a closed connection only after that
		cancel()
		<-r.Context().Done()
	})
	_, err := client.New(server.URL).Plan(ctx, api.PlanRequest{})
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, err.Error(), "is the worker running")
}
