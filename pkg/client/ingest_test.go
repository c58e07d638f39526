package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// ingester is a server that takes one frame and whose job goes through states.
type ingester struct {
	*httptest.Server
	states      []string // of the job, from answer to answer; the last stays
	contentType string
	frame       string
	asked       api.IngestRequest
	polls       int
}

func newIngester(t *testing.T, states ...string) *ingester {
	t.Helper()
	i := &ingester{states: states}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.DataFrameInfoPath, answer(http.StatusOK, `{"df_path": "ingest/prod/scores/frames/A", "signed_url_for_df_upload": "http://elsewhere"}`))
	mux.HandleFunc("PUT "+api.FramesPath, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Query().Get("path") != "ingest/prod/scores/frames/A" {
			http.Error(w, "bad upload", http.StatusBadRequest)
			return
		}
		i.contentType, i.frame = r.Header.Get("Content-Type"), string(data)
		answer(http.StatusCreated, `{"df_path": "ingest/prod/scores/frames/A", "format": "csv", "bytes": 3}`)(w, r)
	})
	mux.HandleFunc("POST "+api.IngestPath, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&i.asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(http.StatusOK, `{"job": {"id": "abc", "state": "RUNNING", "status": "PENDING"}}`)(w, r)
	})
	mux.HandleFunc("POST "+api.GetJobPath, func(w http.ResponseWriter, r *http.Request) {
		state := i.states[min(i.polls, len(i.states)-1)]
		i.polls++
		switch state {
		case "":
			answer(http.StatusNotFound, `{"error": "no job", "message": "no job", "code": 5}`)(w, r)
			return
		case "busy":
			answer(http.StatusServiceUnavailable, `{"error": "stopping", "message": "stopping", "code": 14}`)(w, r)
			return
		case "broken":
			answer(http.StatusInternalServerError, `{"error": "broken", "message": "broken", "code": 13}`)(w, r)
			return
		case "gone":
			panic(http.ErrAbortHandler) //nolint:forbidigo // how a handler drops its connection
		}
		answer(http.StatusOK, `{"job": {"id": "abc", "feature_view": "scores", "state": "`+state+`", "status": "`+
			map[string]string{"RUNNING": "RUNNING", "SUCCESS": "SUCCESS", "PERMANENT_FAILURE": "ERROR"}[state]+`", "message": "told"}}`)(w, r)
	})
	i.Server = serve(t, mux.ServeHTTP)
	return i
}

func TestAFileIsIngested(t *testing.T) {
	t.Parallel()
	i := newIngester(t)
	path := filepath.Join(t.TempDir(), "scores.csv")
	require.NoError(t, os.WriteFile(path, []byte("user,score\n"), 0o600))
	job, err := client.New(i.URL).IngestFile(t.Context(), "prod", "scores", path)
	require.NoError(t, err)
	require.Equal(t, "abc", job)
	require.Equal(t, []string{"text/csv", "user,score\n"}, []string{i.contentType, i.frame})
	require.Equal(t, api.IngestRequest{Workspace: "prod", FeatureView: "scores", Path: "ingest/prod/scores/frames/A"}, i.asked)

	_, err = client.New(i.URL).IngestFile(t.Context(), "prod", "scores", "scores.txt")
	require.ErrorContains(t, err, "does not tell its format")
}

func TestRecordsAreIngestedAsAnArrowStream(t *testing.T) {
	t.Parallel()
	i := newIngester(t)
	rows := records(t)
	defer rows.Release()
	_, err := client.New(i.URL).IngestRecords(t.Context(), "prod", "scores", rows)
	require.NoError(t, err)
	require.Equal(t, frame.Arrow.MediaType(), i.contentType)
	require.Equal(t, string(stream(t)), i.frame)
}

func TestAFrameThatCannotBeReadIsNoJob(t *testing.T) {
	t.Parallel()
	i := newIngester(t)
	broken := io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errors.New("disk")))
	_, err := client.New(i.URL).Ingest(t.Context(), "prod", "scores", broken, frame.CSV)
	require.EqualError(t, err, "read the frame: disk")
	require.Empty(t, i.asked)
}

func TestAJobIsWaitedForToItsEnd(t *testing.T) {
	t.Parallel()
	request := api.GetJobRequest{Workspace: "prod", FeatureView: "scores", JobID: "abc"}
	i := newIngester(t, "", "RUNNING", "SUCCESS")
	job, err := client.New(i.URL).WaitForJob(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, api.JobSuccess, job.State)
	require.Equal(t, 3, i.polls)

	i = newIngester(t, "PERMANENT_FAILURE")
	_, err = client.New(i.URL).WaitForJob(t.Context(), request)
	var failed *client.JobError
	require.ErrorAs(t, err, &failed)
	require.EqualError(t, err, "job abc of scores: PERMANENT_FAILURE: told")

	i = newIngester(t, "RUNNING", "busy", "gone", "SUCCESS")
	_, err = client.New(i.URL).WaitForJob(t.Context(), request)
	require.NoError(t, err, "the worker was restarted")
	require.Equal(t, 4, i.polls)
	_, err = client.New(newIngester(t, "broken").URL).WaitForJob(t.Context(), request)
	require.EqualError(t, err, "broken")
	_, err = client.New("http://[::1]:namedport").WaitForJob(t.Context(), request)
	require.ErrorContains(t, err, "server address")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.New(newIngester(t, "RUNNING").URL).WaitForJob(ctx, request)
	require.ErrorIs(t, err, context.Canceled)
}
