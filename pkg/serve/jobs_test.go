package serve_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
)

// recorded is a server that knows two jobs of spending: one that failed, and a
// newer one that waits for its turn.
func recorded(t *testing.T) (*scene, http.Handler) {
	t.Helper()
	s := newScene(t)
	s.apply(0, nil)
	l := ledger.New(s.bucket)
	at := func(minutes int) window.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	job := func(n int) ledger.Job {
		return ledger.Job{
			Workspace: "prod", View: "spending", ID: fmt.Sprintf("%032x", n), Type: ledger.Batch, CreatedAt: at(10 * n),
			WorkflowID: "materialize/prod/spending/all-all", RunID: fmt.Sprint("run-", n),
		}
	}
	record := func(number int, state ledger.State, minutes int) ledger.Record {
		return ledger.Record{
			Entry: ledger.Entry{Number: number, State: state, Window: window.Interval{Start: start, End: start.Add(2 * day)}},
			At:    at(minutes), Offline: true, Online: true,
		}
	}
	require.NoError(t, l.Append(t.Context(), job(1), record(1, ledger.Running, 11)))
	attempt := record(1, ledger.Error, 12)
	attempt.Attempt, attempt.Message, attempt.Window.End = 1, "no column n", start.Add(day)
	require.NoError(t, l.AppendAttempt(t.Context(), job(1), attempt))
	failed := record(2, ledger.Error, 13)
	failed.Message = "1 of 2 windows failed"
	require.NoError(t, l.Append(t.Context(), job(1), failed))
	require.NoError(t, l.Append(t.Context(), job(2), record(1, ledger.Scheduled, 21)))
	return s, s.with(func(o *serve.Options) { o.Ledger, o.Temporal = l, pages })
}

func TestMaterializationStatusIsTheLedgersTable(t *testing.T) {
	t.Parallel()
	_, server := recorded(t)
	ask := func(r api.MaterializationStatusRequest) api.MaterializationStatusResponse {
		r.Workspace, r.FeatureView = "prod", "spending"
		status, body := post(t, server, api.MaterializationStatusPath, r)
		return decode[api.MaterializationStatusResponse](t, status, body)
	}
	response := ask(api.MaterializationStatusRequest{})
	require.Equal(t, "TYPE WINDOW_START_TIME WINDOW_END_TIME STATUS ATTEMPT JOB_CREATED_AT JOB_LOGS", strings.Join(response.Columns, " "))
	require.Len(t, response.Rows, 3)
	require.Equal(t, map[string]string{
		"TYPE": "BATCH", "WINDOW_START_TIME": "2001-01-04 00:00:00 UTC", "WINDOW_END_TIME": "2001-01-06 00:00:00 UTC",
		"STATUS": "SCHEDULED", "ATTEMPT": "N/A", "JOB_CREATED_AT": "2001-01-04 00:20:00 UTC",
		"JOB_LOGS": "http://127.0.0.1:8233/namespaces/team%20a/workflows/materialize%2Fprod%2Fspending%2Fall-all/run-2/history",
	}, response.Rows[0])
	require.Equal(t, response, api.NewMaterializationStatusResponse(response.Table()))

	require.Len(t, ask(api.MaterializationStatusRequest{ErrorsOnly: true}).Rows, 2)
	require.Empty(t, ask(api.MaterializationStatusRequest{ErrorsOnly: true, Limit: 1}).Rows, "the limit counts before")
	verbose := ask(api.MaterializationStatusRequest{Verbose: true, SortColumns: "STATE_MESSAGE"})
	require.Len(t, verbose.Columns, 12)
	require.Equal(t, []string{"1 of 2 windows failed", "N/A", "no column n"},
		[]string{verbose.Rows[0]["STATE_MESSAGE"], verbose.Rows[1]["STATE_MESSAGE"], verbose.Rows[2]["STATE_MESSAGE"]})
}

func TestJobsHaveTectonsForm(t *testing.T) {
	t.Parallel()
	_, server := recorded(t)
	run := func(n int) string {
		return fmt.Sprintf("http://127.0.0.1:8233/namespaces/team%%20a/workflows/materialize%%2Fprod%%2Fspending%%2Fall-all/run-%d/history", n)
	}
	const failed = `{
		"id": "00000000000000000000000000000001", "workspace": "prod", "feature_view": "spending",
		"start_time": "2001-01-04T00:00:00Z", "end_time": "2001-01-06T00:00:00Z",
		"created_at": "2001-01-04T00:10:00Z", "updated_at": "2001-01-04T00:13:00Z", "state": "PERMANENT_FAILURE",
		"attempts": [{"id": "%s", "updated_at": "2001-01-04T00:12:00Z", "state": "ERROR", "run_url": "%s", "message": "no column n"}],
		"next_attempt_at": null, "online": true, "offline": true, "job_type": "BATCH",
		"status": "ERROR", "message": "1 of 2 windows failed", "workflow_id": "materialize/prod/spending/all-all", "run_id": "run-1"}`
	status, body := post(t, server, api.ListJobsPath, api.ListJobsRequest{Workspace: "prod", FeatureView: "spending"})
	jobs := decode[api.ListJobsResponse](t, status, body).Jobs
	require.Len(t, jobs, 2)
	require.Equal(t, []api.JobState{api.JobRunning, api.JobFailed}, []api.JobState{jobs[0].State, jobs[1].State})
	require.Equal(t, ledger.Scheduled, jobs[0].Status)
	require.Regexp(t, "^[0-9a-f]{32}$", jobs[1].Attempts[0].ID)

	for _, view := range []string{"spending", ""} {
		status, body = post(t, server, api.GetJobPath, api.GetJobRequest{Workspace: "prod", FeatureView: view, JobID: jobs[1].ID})
		require.Equal(t, 200, status, body)
		require.JSONEq(t, `{"job": `+fmt.Sprintf(failed, jobs[1].Attempts[0].ID, run(1))+`}`, body)
	}
	_, body = post(t, server, api.ListJobsPath, api.ListJobsRequest{Workspace: "prod", FeatureView: "spending", Limit: 1})
	require.Contains(t, body, jobs[0].ID)
	require.NotContains(t, body, jobs[1].ID)
}

func TestJobsThatAreNotThereAreExplained(t *testing.T) {
	t.Parallel()
	_, server := recorded(t)
	none := strings.Repeat("0", 32)
	for _, c := range []struct {
		path, body string
		status     int
		code       api.Code
		text       string
	}{
		{api.MaterializationStatusPath, `{"workspace": "prod", "feature_view": "spending", "sort_columns": "SIZE"}`, 400, api.InvalidArgument,
			"Unknown sort key SIZE, should be one of: TYPE, WINDOW_START_TIME, WINDOW_END_TIME, STATUS, ATTEMPT, JOB_CREATED_AT, JOB_LOGS"},
		{api.MaterializationStatusPath, `{"workspace": "prod", "feature_view": "spending", "limit": -1}`, 400, api.InvalidArgument, "limit is -1, want 1 to 100000"},
		{api.MaterializationStatusPath, `{"workspace": "prod", "feature_view": "other"}`, 404, api.NotFound, `no feature view "other" in workspace prod`},
		{api.MaterializationStatusPath, `{"workspace": "prod", "feature_view": "../x"}`, 400, api.InvalidArgument, `name "../x" must be`},
		{api.ListJobsPath, `{"workspace": "prod", "feature_view": "other"}`, 404, api.NotFound, `no feature view "other" in workspace prod`},
		{api.ListJobsPath, `{"workspace": "prod", "feature_view": "spending", "limit": 1001}`, 400, api.InvalidArgument, "limit is 1001, want 1 to 1000"},
		{api.GetJobPath, `{"workspace": "prod", "feature_view": "spending", "job_id": "` + none + `"}`, 404, api.NotFound, "no job " + none + " of view spending in workspace prod"},
		{api.GetJobPath, `{"workspace": "prod", "job_id": "` + none + `"}`, 404, api.NotFound, "no job " + none + " of any view in workspace prod"},
		{api.GetJobPath, `{"workspace": "prod", "feature_view": "spending", "job_id": "1"}`, 400, api.InvalidArgument, `job "1" must be 32 hexadecimal digits`},
		{api.GetJobPath, `{"workspace":`, 400, api.InvalidArgument, "request body is not valid JSON"},
	} {
		status, body := post(t, server, c.path, c.body)
		requireError(t, c.status, c.code, c.text, status, body)
	}
}

func TestAViewWithoutJobsHasAnEmptyTable(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.apply(0, nil)
	server := s.with(func(o *serve.Options) { o.Ledger = ledger.New(s.bucket) })
	_, body := post(t, server, api.ListJobsPath, `{"workspace": "prod", "feature_view": "spending"}`)
	require.JSONEq(t, `{"jobs": []}`, body)
	_, body = post(t, server, api.MaterializationStatusPath, `{"workspace": "prod", "feature_view": "spending"}`)
	require.Contains(t, body, `"rows":[]`)
}
