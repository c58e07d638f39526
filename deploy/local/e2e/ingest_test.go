package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

const scoresYAML = `
kind: Entity
name: airport
join_keys: [{name: origin, type: String}]
---
kind: FeatureTable
name: scores
entities: [airport]
schema:
  - {name: origin, type: String}
  - {name: at, type: Timestamp}
  - {name: score, type: Float64}
online: true
offline: true
`

// TestDataFramesAreIngestedAndRead defines a feature table, ingests by the command line,
// over HTTP and by the Go client, and reads what was ingested from both stores.
func TestDataFramesAreIngestedAndRead(t *testing.T) {
	s := startStack(t, t.TempDir())
	repository := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(repository, "features.yaml"), []byte(scoresYAML), 0o600))
	s.tilery(t, "apply", repository, "--yes")

	out := s.tilery(t, "ingest", "scores", writeFrame(t, "origin,at,score,note\n"+
		"ATL,2001-01-20,0.5,first\nORD,2001-01-20,0.25,\nATL,2001-01-20,0.75,later\n"))
	require.Contains(t, out, "Ingested into scores: 2 rows from 2001-01-20T00:00:00Z to 2001-01-20T00:00:00Z; 1 gave way")
	require.Equal(t, []any{0.75}, s.scores(t, "ATL"))

	job := s.ingestHTTP(t, `{"origin": "ATL", "at": "2001-01-20", "score": 1}
{"origin": "ATL", "at": "2001-01-25", "score": 2}
{"origin": "ORD", "at": "2001-01-10", "score": 3}
`)
	require.Equal(t, "3 rows from 2001-01-10T00:00:00Z to 2001-01-25T00:00:00Z", job.Message)
	require.Equal(t, []any{2.0}, s.scores(t, "ATL"))
	require.Equal(t, []any{0.25}, s.scores(t, "ORD"), "a row of the past changes nothing")
	require.Equal(t, []any{nil}, s.scores(t, "nowhere"))

	c := client.New(s.Endpoints.HTTP)
	id, err := c.Ingest(t.Context(), "prod", "scores", strings.NewReader("origin,at,score\nORD,2001-01-25,\n"), frame.CSV)
	require.NoError(t, err)
	_, err = c.WaitForJob(t.Context(), api.GetJobRequest{Workspace: "prod", FeatureView: "scores", JobID: id})
	require.NoError(t, err)
	require.Equal(t, []any{nil}, s.scores(t, "ORD"))

	spine := writeFrame(t, "origin,when\nATL,2001-01-21\nATL,2001-01-26\nATL,2001-01-19\nORD,2001-01-15\nORD,2001-01-26\n")
	require.Equal(t, "1 2 null 3 null", strings.Join(s.historicalScores(t, spine), " "))

	_, err = s.try("ingest", "scores", writeFrame(t, "origin,at,score\nATL,2001-01-26,much\n"))
	require.ErrorContains(t, err, "line 2")
	require.Equal(t, []any{2.0}, s.scores(t, "ATL"))
	s.requireIngests(t, "ERROR", "SUCCESS", "SUCCESS", "SUCCESS")
	require.Contains(t, s.tilery(t, "jobs", "scores"), "Ingest")
	require.Contains(t, s.tilery(t, "materialization-status", "scores", "--verbose"), "3 rows from 2001-01-10")
	s.stop(t)
}

func writeFrame(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frame.csv")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// scores are the features of an airport online.
func (s *stack) scores(t *testing.T, airport string) []any {
	t.Helper()
	answer, err := client.New(s.Endpoints.HTTP).GetFeatures(t.Context(), api.GetFeaturesParams{
		WorkspaceName: "prod", FeatureViewName: "scores", JoinKeyMap: map[string]any{"origin": airport},
	})
	require.NoError(t, err)
	return answer.Result.Features
}

// historicalScores is the column of the scores that a spine gets.
func (s *stack) historicalScores(t *testing.T, spine string) []string {
	t.Helper()
	var out []string
	text := s.tilery(t, "historical", "scores", "--spine", spine, "--timestamp-key", "when", "-o", "json")
	for line := range strings.Lines(text) {
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		value, err := json.Marshal(row["scores.score"])
		require.NoError(t, err)
		out = append(out, string(value))
	}
	return out
}

// ingestHTTP takes the steps of the API and returns the job when it has succeeded.
func (s *stack) ingestHTTP(t *testing.T, rows string) api.Job {
	t.Helper()
	send := func(method, address, contentType, body string, status int, into any) {
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", contentType)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, status, answer.StatusCode, "%s", data)
		require.NoError(t, json.Unmarshal(data, into))
	}
	var info api.DataFrameInfoResponse
	send(http.MethodPost, s.Endpoints.HTTP+api.DataFrameInfoPath, "application/json", `{"workspace": "prod", "feature_view": "scores"}`, 200, &info)
	require.True(t, strings.HasPrefix(info.UploadURL, s.Endpoints.HTTP), info.UploadURL)
	send(http.MethodPut, info.UploadURL, "application/x-ndjson", rows, 201, &api.StagedFrame{})
	start := func() api.Job {
		var started api.IngestResponse
		body := `{"workspace": "prod", "feature_view": "scores", "df_path": "` + info.Path + `"}`
		send(http.MethodPost, s.Endpoints.HTTP+api.IngestPath, "application/json", body, 200, &started)
		require.Equal(t, info.Path, started.Job.IngestPath)
		return started.Job
	}
	job := start()
	require.Equal(t, job.ID, start().ID, "a frame has one job")
	ended, err := client.New(s.Endpoints.HTTP).WaitForJob(t.Context(), api.GetJobRequest{Workspace: "prod", FeatureView: "scores", JobID: job.ID})
	require.NoError(t, err)
	waitFor(t, time.Minute, "the frame is removed, and its ticket is not", func() bool {
		left, err := filepath.Glob(filepath.Join(s.dir, "bucket", filepath.FromSlash(info.Path), "*"))
		return err == nil && len(left) == 1 && filepath.Base(left[0]) == "ticket.json"
	})
	require.Equal(t, ended, start(), "also when it has ended and the frame is gone")
	return ended
}

// requireIngests compares the states of the jobs of scores, the newest first.
func (s *stack) requireIngests(t *testing.T, want ...string) {
	t.Helper()
	status, err := client.New(s.Endpoints.HTTP).ListJobs(t.Context(), api.ListJobsRequest{Workspace: "prod", FeatureView: "scores"})
	require.NoError(t, err)
	var got []string
	for _, job := range status.Jobs {
		require.Equal(t, "INGEST", job.JobType)
		require.NotEmpty(t, job.Attempts)
		got = append(got, string(job.Status))
	}
	require.Equal(t, want, got)
}
