package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

const jobID = "0123456789abcdef0123456789abcdef"

// newIngester is a worker whose ingests end at once with a state.
func newIngester(t *testing.T, status, state string) *answers {
	t.Helper()
	a := serve(t, map[string]string{
		api.DataFrameInfoPath: `{"df_path": "ingest/prod/scores/frames/A", "signed_url_for_df_upload": "http://elsewhere"}`,
		api.FramesPath:        `{"df_path": "ingest/prod/scores/frames/A", "format": "csv", "bytes": 12}`,
		api.IngestPath:        `{"job": {"id": "` + jobID + `", "state": "RUNNING", "status": "PENDING"}}`,
		api.GetJobPath:        `{"job": {"id": "` + jobID + `", "feature_view": "scores", "state": "` + state + `", "status": "` + status + `", "message": "12 rows from a to b"}}`,
	})
	a.created = api.FramesPath
	return a
}

func writeFrame(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scores.csv")
	require.NoError(t, os.WriteFile(path, []byte("user,score\n"), 0o600))
	return path
}

func TestAFileIsIngested(t *testing.T) {
	t.Parallel()
	server := newIngester(t, "SUCCESS", "SUCCESS")
	got := invoke(t, server, "", "ingest", "scores", writeFrame(t))
	require.Equal(t, outcome{0, "Ingested into scores: 12 rows from a to b (job " + jobID + ")\n", ""}, got)
	require.Equal(t, []string{api.DataFrameInfoPath, api.FramesPath, api.IngestPath, api.GetJobPath}, server.asked)
	require.Equal(t, "user,score\n", server.bodies[1])
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "scores", "df_path": "ingest/prod/scores/frames/A"}`, server.bodies[2])

	got = invoke(t, server, "", "ingest", "scores", writeFrame(t), "-o", "json")
	require.Equal(t, "SUCCESS", requireJSON(t, got.out)["status"])
}

func TestStandardInputIsIngested(t *testing.T) {
	t.Parallel()
	server := newIngester(t, "SUCCESS", "SUCCESS")
	got := invoke(t, server, "user,score\n1,2\n", "ingest", "scores", "-", "--format", "csv", "--detach")
	require.Equal(t, outcome{0, "Started job " + jobID + "\n", ""}, got)
	require.Equal(t, "user,score\n1,2\n", server.bodies[1])
	got = invoke(t, server, "x", "ingest", "scores", "-", "--format", "csv", "--detach", "-o", "json")
	require.Equal(t, jobID, requireJSON(t, got.out)["job_id"])
}

func TestAnIngestThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	got := invoke(t, newIngester(t, "ERROR", "PERMANENT_FAILURE"), "", "ingest", "scores", writeFrame(t))
	require.Equal(t, outcome{1, "", "tilery: ingest: 12 rows from a to b (job " + jobID + ")\n"}, got)

	server := serve(t, map[string]string{api.DataFrameInfoPath: `{"message": "cannot ingest into delays: it is a feature view", "code": 9}`})
	server.status = http.StatusBadRequest
	got = invoke(t, server, "", "ingest", "delays", writeFrame(t))
	require.Equal(t, outcome{1, "", "tilery: cannot ingest into delays: it is a feature view\n"}, got)
}

func TestAnIngestIsRetried(t *testing.T) {
	t.Parallel()
	server := serve(t, map[string]string{
		api.GetJobPath: `{"job": {"id": "` + jobID + `", "workspace": "prod", "feature_view": "scores", "status": "ERROR", "job_type": "INGEST", "ingest_path": "p"}}`,
		api.IngestPath: `{"job": {"id": "` + jobID + `", "state": "RUNNING", "status": "PENDING"}}`,
	})
	got := invoke(t, server, "", "job", "retry", jobID, "--detach")
	require.Equal(t, outcome{0, "Started job " + jobID + "\n", ""}, got)
	require.JSONEq(t, `{"workspace": "prod", "feature_view": "scores", "df_path": "p"}`, server.bodies[1])
}

func TestWrongIngestsExitWith2(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"want TABLE FILE|-, got 1 arguments":                         {"scores"},
		"--format is required for what is read from standard input":  {"scores", "-"},
		`--format: unknown format "xls", want one of parquet, arrow`: {"scores", "a.xls", "--format", "xls"},
		`"a.xls" does not tell its format`:                           {"scores", "a.xls"},
	} {
		got := invoke(t, nil, "", append([]string{"ingest"}, args...)...)
		require.Equal(t, 2, got.code, args)
		require.Contains(t, got.errOut, want)
	}
	got := invoke(t, nil, "", "ingest", "scores", "nowhere.csv")
	require.Equal(t, outcome{1, "", "tilery: open the frame: open nowhere.csv: no such file or directory\n"}, got)
}
