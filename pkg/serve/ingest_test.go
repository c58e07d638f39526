package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/serve"
)

const framePath = "ingest/prod/scores/frames/AAAAAAAAAAAAAAAAAAAAAAAAAA"

// frames keeps one frame of the table scores in memory, and starts its job once.
type frames struct {
	staged  *ingest.Frame
	content string
	starts  []bool // with managed retries
}

func (f *frames) Reserve(_ context.Context, _, table string) (string, error) {
	if table != "scores" {
		return "", fmt.Errorf("%w into %s: it is a feature view", ingest.ErrRefused, table)
	}
	return framePath, nil
}

func (f *frames) Stage(_ context.Context, path string, format frame.Format, r io.Reader) (ingest.Frame, error) {
	if path != framePath {
		return ingest.Frame{}, ingest.ErrNotFound
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return ingest.Frame{}, fmt.Errorf("stage: %w", err)
	}
	if len(content) > 100 {
		return ingest.Frame{}, fmt.Errorf("%w: more than 100 bytes", ingest.ErrTooLarge)
	}
	f.content = string(content)
	f.staged = &ingest.Frame{Workspace: "prod", Table: "scores", Path: path, Format: format, Bytes: int64(len(content))}
	return *f.staged, nil
}

func (f *frames) Find(_ context.Context, _, table, path string) (ingest.Frame, error) {
	if f.staged == nil || table != "scores" || path != framePath {
		return ingest.Frame{}, fmt.Errorf("%w: %s", ingest.ErrNotFound, path)
	}
	return *f.staged, nil
}

var startedIngest = serve.StartedIngest{
	Job: strings.Repeat("a", 32), WorkflowID: framePath, RunID: "run-1", At: start.Time(),
}

// ingesting is a server whose jobs never run.
func ingesting(t *testing.T, f *frames) (*scene, http.Handler) {
	t.Helper()
	s := newScene(t)
	s.apply(0, nil)
	return s, s.with(func(o *serve.Options) {
		o.Ledger, o.Temporal = ledger.New(s.bucket), pages
		o.Ingest = &serve.IngestOptions{
			Frames: f,
			Start: func(_ context.Context, _ ingest.Frame, managed bool) (serve.StartedIngest, error) {
				f.starts = append(f.starts, managed)
				return startedIngest, nil
			},
			Started: func(_ context.Context, _, _, path string) (serve.StartedIngest, error) {
				if len(f.starts) == 0 || path != framePath {
					return serve.StartedIngest{}, ingest.ErrNotFound
				}
				return startedIngest, nil
			},
			MaxUploads: 1,
		}
	})
}

func put(server http.Handler, target, contentType string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPut, target, body)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w
}

func TestADataFrameIsUploadedAndItsJobStarted(t *testing.T) {
	t.Parallel()
	f := &frames{}
	s, server := ingesting(t, f)
	asked := api.DataFrameInfoRequest{Workspace: "prod", FeatureView: "scores"}
	status, body := post(t, server, api.DataFrameInfoPath, asked)
	info := decode[api.DataFrameInfoResponse](t, status, body)
	require.Equal(t, api.DataFrameInfoResponse{
		Path: framePath, UploadURL: "http://example.com/api/v1/frames?path=" + url.QueryEscape(framePath),
	}, info)

	w := put(server, info.UploadURL, "text/csv", strings.NewReader("user,score\n1,2\n"))
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	require.JSONEq(t, `{"df_path": "`+framePath+`", "format": "csv", "bytes": 15}`, w.Body.String())
	require.Equal(t, "user,score\n1,2\n", f.content)

	request := api.IngestRequest{Workspace: "prod", FeatureView: "scores", Path: framePath}
	status, body = post(t, server, api.IngestPath, request)
	require.Equal(t, http.StatusOK, status, body)
	require.JSONEq(t, `{"job": {"id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "workspace": "prod", "feature_view": "scores",
		"created_at": "2001-01-04T00:00:00Z", "updated_at": "2001-01-04T00:00:00Z", "state": "RUNNING", "attempts": [], "next_attempt_at": null,
		"online": false, "offline": false, "job_type": "INGEST", "ingest_path": "`+framePath+`", "status": "PENDING",
		"workflow_id": "`+framePath+`", "run_id": "run-1"}}`, body)

	record := ledger.Record{Entry: ledger.Entry{Number: 1, State: ledger.Running}, At: start, Offline: true, Online: true}
	job := ledger.Job{
		Workspace: "prod", View: "scores", ID: startedIngest.Job, Type: ledger.Ingest, CreatedAt: start, WorkflowID: framePath, RunID: "run-1",
	}
	require.NoError(t, ledger.New(s.bucket).Append(t.Context(), job, record))
	f.staged = nil // its job has ended
	status, body = post(t, server, api.IngestPath, request)
	again := decode[api.IngestResponse](t, status, body).Job
	require.Equal(t, startedIngest.Job, again.ID)
	require.True(t, again.Online)
	require.Equal(t, framePath, again.IngestPath)
	require.Equal(t, []bool{true}, f.starts)
}

func TestAFramesFormatIsToldOrIsParquet(t *testing.T) {
	t.Parallel()
	f := &frames{}
	_, server := ingesting(t, f)
	target := api.FramesPath + "?path=" + url.QueryEscape(framePath)
	for _, c := range []struct {
		parameter, contentType string
		want                   frame.Format
	}{
		{"", "", frame.Parquet}, {"", "application/octet-stream", frame.Parquet}, {"", "application/x-ndjson", frame.JSON},
		{"&format=arrow", "", frame.Arrow}, {"&format=csv", "application/x-www-form-urlencoded", frame.CSV},
	} {
		w := put(server, target+c.parameter, c.contentType, strings.NewReader("x"))
		require.Equal(t, http.StatusCreated, w.Code, w.Body)
		require.Equal(t, c.want, f.staged.Format)
	}
}

func TestWhatCannotBeIngestedIsExplained(t *testing.T) {
	t.Parallel()
	target := api.FramesPath + "?path=" + url.QueryEscape(framePath)
	broken := io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errors.New("connection reset")))
	_, server := ingesting(t, &frames{})
	for _, c := range []struct {
		target, contentType string
		body                io.Reader
		status              int
		text                string
	}{
		{api.FramesPath, "", strings.NewReader("x"), 400, "parameter path is required: the df_path of /api/v1/jobs/get-dataframe-info"},
		{api.FramesPath + "?path=other", "", strings.NewReader("x"), 404, "no such data frame"},
		{target + "&colour=blue", "", strings.NewReader("x"), 400, "unknown parameter colour, want one of path, format"},
		{target + "&format=xls", "", strings.NewReader("x"), 400, `unknown format \"xls\"`},
		{target, "text/html", strings.NewReader("x"), 400, "or name the frame's format by the parameter format"},
		{target, "", strings.NewReader(strings.Repeat("x", 101)), 400, "data frame is too large: more than 100 bytes"},
		{target, "", broken, 400, "request body: connection reset"},
	} {
		w := put(server, c.target, c.contentType, c.body)
		require.Equal(t, c.status, w.Code, w.Body)
		require.Contains(t, w.Body.String(), c.text)
	}
	for _, c := range []struct {
		path   string
		body   any
		status int
		text   string
	}{
		{api.DataFrameInfoPath, api.DataFrameInfoRequest{Workspace: "prod", FeatureView: "spending"}, 400, "cannot ingest into spending: it is a feature view"},
		{api.IngestPath, api.IngestRequest{Workspace: "prod", FeatureView: "scores", Path: framePath}, 404, "no such data frame: " + framePath},
		{api.IngestPath, "x", 400, "request body is not valid JSON"},
	} {
		status, body := post(t, server, c.path, c.body)
		require.Equal(t, c.status, status, body)
		require.Contains(t, body, c.text)
	}
}

func TestManagedRetriesCanBeLeftOut(t *testing.T) {
	t.Parallel()
	f := &frames{staged: &ingest.Frame{Workspace: "prod", Table: "scores", Path: framePath}}
	_, server := ingesting(t, f)
	status, body := post(t, server, api.IngestPath, api.IngestRequest{Workspace: "prod", FeatureView: "scores", Path: framePath, ManagedRetries: ptr(false)})
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, []bool{false}, f.starts)
}

func TestUploadsThatStandStillAreEnded(t *testing.T) {
	t.Parallel()
	f := &frames{}
	s := newScene(t)
	server := httptest.NewServer(s.with(func(o *serve.Options) {
		o.Ingest = &serve.IngestOptions{Frames: f, MaxUploads: 1, IdleTimeout: 50 * time.Millisecond}
	}))
	defer server.Close()
	target := server.URL + api.FramesPath + "?path=" + url.QueryEscape(framePath)
	sending, hold := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, target, io.MultiReader(strings.NewReader("x"), sending))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, hold.Close())
	defer answer.Body.Close()
	require.Equal(t, http.StatusGatewayTimeout, answer.StatusCode)
	require.Nil(t, f.staged)
}
