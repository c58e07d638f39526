package main

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files again")

func requireGolden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

// described is what a server answers, as its own tests have it.
func described(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../pkg/serve/testdata/describe_" + name + ".json")
	require.NoError(t, err)
	return string(data)
}

func TestObjectsAreDescribed(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{"spending": "feature_view", "risk": "feature_table", "fraud": "feature_service", "events": "batch_source", "user": "entity"} {
		answer := described(t, name)
		server := serve(t, map[string]string{api.DescribePath: answer})
		got := invoke(t, server, "", "describe", name)
		require.Equal(t, 0, got.code, got.errOut)
		requireGolden(t, "describe_"+name+".txt", got.out)
		require.JSONEq(t, `{"workspace": "prod", "name": "`+name+`"}`, server.bodies[0])

		got = invoke(t, server, "", "describe", name, "-o", "json", "--kind", "Entity")
		require.Equal(t, requireJSON(t, answer)[field], any(requireJSON(t, got.out)))
		require.JSONEq(t, `{"workspace": "prod", "name": "`+name+`", "kind": "Entity"}`, server.bodies[1])
	}
	server := serve(t, map[string]string{api.DescribePath: `{"kind": "Dashboard"}`})
	require.Equal(t, outcome{1, "", "tilery: the server describes a Dashboard, which this version of tilery does not know\n"}, invoke(t, server, "", "describe", "x"))
}

func TestWorkspacesArePrinted(t *testing.T) {
	t.Parallel()
	const one = `{"name": "staging", "live": true, "generation": 3, "applied_at": "2001-02-01T00:00:00Z", "objects": 5}`
	server := serve(t, map[string]string{
		api.CreateWorkspacePath: `{"name": "staging", "live": true, "generation": 0, "objects": 0}`,
		api.GetWorkspacePath:    one,
		api.ListWorkspacesPath:  `{"workspaces": [{"name": "mine", "live": false}, {"name": "prod", "live": true}]}`,
	})
	got := invoke(t, server, "", "workspace", "create", "staging", "--live")
	require.Equal(t, strings.Join([]string{
		"WORKSPACE  KIND  GENERATION  APPLIED (UTC)  OBJECTS",
		"staging    live  0           never          0",
	}, "\n")+"\n", got.out)
	require.JSONEq(t, `{"workspace": "staging", "live": true}`, server.bodies[0])

	got = invoke(t, server, "", "workspace", "show", "-w", "staging")
	require.Contains(t, got.out, "staging    live  3           2001-02-01T00:00:00Z  5")
	require.JSONEq(t, `{"workspace": "staging"}`, server.bodies[1])
	require.JSONEq(t, one, invoke(t, server, "", "workspace", "show", "staging", "-o", "json").out)

	require.Equal(t, "WORKSPACE  KIND\nmine       development\nprod       live\n", invoke(t, server, "", "workspace", "list").out)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(invoke(t, server, "", "workspace", "list", "-o", "json").out), &list))
	require.Len(t, list, 2)
	require.Contains(t, invoke(t, server, "", "workspace").out, "create")
}

func TestMaterializationStatusIsPrinted(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.MaterializationStatusPath: `{"columns": ["TYPE", "STATUS", "ATTEMPT"], "rows": [
		{"TYPE": "BATCH", "STATUS": "RUNNING", "ATTEMPT": "N/A"}, {"TYPE": "BATCH", "STATUS": "ERROR", "ATTEMPT": "10"}]}`})
	got := invoke(t, server, "", "materialization-status", "delays")
	require.Equal(t, outcome{0, strings.Join([]string{
		"All the displayed times are in UTC time zone",
		"TYPE   STATUS   ATTEMPT",
		"BATCH  RUNNING  N/A",
		"BATCH  ERROR    10",
	}, "\n") + "\n", ""}, got)
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "delays", "limit": 100}`, server.bodies[0])

	got = invoke(t, server, "", "materialization-status", "delays", "--verbose", "--limit", "5", "--sort-columns", "STATUS,TYPE", "--errors-only", "-o", "json")
	require.JSONEq(t, `[{"TYPE": "BATCH", "STATUS": "RUNNING", "ATTEMPT": "N/A"}, {"TYPE": "BATCH", "STATUS": "ERROR", "ATTEMPT": "10"}]`, got.out)
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "delays", "limit": 5, "verbose": true, "errors_only": true, "sort_columns": "STATUS,TYPE"}`, server.bodies[1])

	server.status = http.StatusBadRequest
	server.replies[api.MaterializationStatusPath] = `{"message": "Unknown sort key A, should be one of: TYPE", "code": 3}`
	require.Equal(t, outcome{1, "", "tilery: Unknown sort key A, should be one of: TYPE\n"}, invoke(t, server, "", "materialization-status", "delays", "--sort-columns", "A"))
}

const recordedJob = `{"id": "0123456789abcdef0123456789abcdef", "workspace": "prod", "feature_view": "delays", "start_time": "2001-01-04T00:00:00Z",
	"end_time": "2001-01-06T00:00:00Z", "created_at": "2001-01-04T00:10:00Z", "updated_at": "2001-01-04T00:13:00Z", "state": "RUNNING",
	"attempts": [], "next_attempt_at": null, "online": true, "offline": true, "job_type": "BATCH", "status": "PENDING", "workflow_id": "w"}`

func TestRecordedJobsAreListed(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.ListJobsPath: `{"jobs": [` + recordedJob + `]}`})
	got := invoke(t, server, "", "jobs", "--view", "delays", "--limit", "7")
	require.Equal(t, outcome{0, strings.Join([]string{
		"TYPE   STATUS   START                 END                   CREATED (UTC)         UPDATED (UTC)         ATTEMPTS  JOB",
		"BATCH  PENDING  2001-01-04T00:00:00Z  2001-01-06T00:00:00Z  2001-01-04T00:10:00Z  2001-01-04T00:13:00Z  0         0123456789abcdef0123456789abcdef",
	}, "\n") + "\n", ""}, got)
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "delays", "limit": 7}`, server.bodies[0])
	require.JSONEq(t, `[`+recordedJob+`]`, invoke(t, server, "", "jobs", "--view", "delays", "-o", "json").out)
}

func TestJobsAreFoundByTheirRecord(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.GetJobPath: `{"job": ` + recordedJob + `}`})
	const id = "0123456789abcdef0123456789abcdef"
	for _, line := range []string{"pause", "resume", "cancel", "retry"} {
		got := invoke(t, server, "", "job", line, id)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.errOut, "connect to Temporal at 127.0.0.1:1", line)
	}
	require.Equal(t, []string{api.GetJobPath, api.GetJobPath, api.GetJobPath, api.GetJobPath}, server.asked)
	require.JSONEq(t, `{"workspace": "prod", "job_id": "`+id+`"}`, server.bodies[0])

	server.status = http.StatusNotFound
	server.replies[api.GetJobPath] = `{"message": "no job of any view", "code": 5}`
	require.Equal(t, outcome{1, "", "tilery: no job of any view\n"}, invoke(t, server, "", "job", "retry", id))
}

func TestServicesAreReadByName(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{api.GetFeaturesPath: `{"result": {"features": []}, "metadata": {"features": []}}`})
	require.Equal(t, 0, invoke(t, server, "", "get-online", "fraud", "--service", "-k", "buyer=1").code)
	params := requireJSON(t, server.bodies[0])["params"].(map[string]any)
	require.Equal(t, "fraud", params["featureServiceName"])
	require.NotContains(t, params, "featureViewName")
}
