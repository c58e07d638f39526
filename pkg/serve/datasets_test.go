package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/serve"
)

// newDatasets returns the scene of newHistorical, whose server keeps datasets.
func newDatasets(t *testing.T) *scene {
	t.Helper()
	s := newHistorical(t)
	s.options.Datasets = dataset.New(s.bucket, s.engine.Offline.(offline.FrozenStore))
	s.server = serve.New(s.options)
	s.summed()
	return s
}

// dataset asks at a path below that of datasets, with a query after workspace=prod.
func (s *scene) dataset(method, path string) *httptest.ResponseRecorder {
	s.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	require.NoError(s.t, err)
	if !values.Has("workspace") {
		values.Set("workspace", "prod")
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, httptest.NewRequest(method, api.DatasetsPath+path+"?"+values.Encode(), nil))
	return w
}

func document[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	return decode[T](t, w.Code, w.Body.String())
}

func TestAResultIsSavedAndReadAgain(t *testing.T) {
	t.Parallel()
	s := newDatasets(t)
	w := s.historical(userSpine, "service=sum", "save_as=training")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, sumOnly, w.Body.String())
	require.Equal(t, "training", w.Header().Get(api.DatasetHeader))

	d := document[api.Dataset](t, s.dataset(http.MethodGet, "/training"))
	require.Equal(t, int64(3), d.Rows)
	require.Equal(t, "sum", d.Service)
	require.Equal(t, "user Int64, at Timestamp, late String, s.n_sum_1d_1h Int64", d.Schema.String())
	require.Equal(t, "csv", d.Spine.Format)
	require.Equal(t, "at", d.Spine.Time)
	require.Equal(t, int64(2), d.Generation)
	require.Len(t, d.Stores, 1)
	require.Equal(t, "spending", d.Stores[0].View)
	spine, err := s.bucket.Get(t.Context(), d.Spine.Key)
	require.NoError(t, err)
	require.Equal(t, userSpine, string(spine))

	w = s.dataset(http.MethodGet, "/training/data?format=csv")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, sumOnly, w.Body.String())
	require.Equal(t, "3", w.Header().Get(api.RowsHeader))
	require.Equal(t, "application/vnd.apache.parquet", s.dataset(http.MethodGet, "/training/data").Header().Get("Content-Type"))

	remade := document[api.RemakeResponse](t, s.dataset(http.MethodPost, "/training/remake"))
	require.Equal(t, api.RemakeResponse{Rows: 3, Digest: d.Digest}, remade)
	s.requireNothingLeft()

	w = s.historical(userSpine, "service=sum", "save_as=training")
	require.Equal(t, http.StatusConflict, w.Code, w.Body)
	require.Contains(t, w.Body.String(), `there is a dataset of that name already`)

	require.Equal(t, d, document[api.Dataset](t, s.dataset(http.MethodDelete, "/training")))
	require.Equal(t, http.StatusNotFound, s.dataset(http.MethodGet, "/training").Code)
	require.Equal(t, http.StatusNotFound, s.dataset(http.MethodGet, "/training/data").Code)
}

func TestEventsAreSavedAndMadeAgain(t *testing.T) {
	t.Parallel()
	s := newDatasets(t)
	w := s.historical("", "view=spending", "save_as=all", "end_time=2001-01-07")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	events := w.Body.String()
	w = s.historical("user\n1\n7\n", "view=spending", "body=entities", "save_as=some")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	of := w.Body.String()
	require.Equal(t, events, of, "user 7 has none")

	s.write([]event{{user: 1, at: start.Add(day), n: ptr(int64(1000))}})
	s.materialize(0, 2)
	require.NotEqual(t, events, s.historical("", "view=spending", "end_time=2001-01-07").Body.String(), "the table has other rows now")
	for name, saved := range map[string]string{"all": events, "some": of} {
		require.Equal(t, saved, s.dataset(http.MethodGet, "/"+name+"/data?format=csv").Body.String())
		w := s.dataset(http.MethodPost, "/"+name+"/remake")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
	}
	all, some := document[api.Dataset](t, s.dataset(http.MethodGet, "/all")), document[api.Dataset](t, s.dataset(http.MethodGet, "/some"))
	require.Nil(t, all.Spine)
	require.Equal(t, "2001-01-07T00:00:00Z", all.EndTime.String())
	require.True(t, some.Entities)
	require.Empty(t, some.Spine.Time)
	s.requireNothingLeft()
}

// A dataset is remade from what it was made of, not from what is there now.
func TestADatasetIsRemadeAtItsVersions(t *testing.T) {
	t.Parallel()
	s := newDatasets(t)
	w := s.historical(userSpine, "service=sum", "save=true")
	name := w.Header().Get(api.DatasetHeader)
	require.Regexp(t, `^sum-20010106-020000-[a-z0-9]{4}$`, name)

	s.write([]event{{user: 1, at: start.Add(day), n: ptr(int64(1000))}})
	s.materialize(0, 2)
	w = s.historical(userSpine, "service=sum")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.NotEqual(t, sumOnly, w.Body.String(), "the table has other rows now")
	require.Equal(t, http.StatusOK, s.dataset(http.MethodPost, "/"+name+"/remake").Code)

	d := document[api.Dataset](t, s.dataset(http.MethodGet, "/"+name))
	for info, err := range s.bucket.List(t.Context(), "offline/prod/spending/"+d.Stores[0].Fingerprint+"/", "") {
		require.NoError(t, err)
		if strings.HasSuffix(info.Key, ".parquet") {
			require.NoError(t, s.bucket.Delete(t.Context(), info.Key))
		}
	}
	w = s.dataset(http.MethodPost, "/"+name+"/remake")
	require.Equal(t, http.StatusBadRequest, w.Code, w.Body)
	require.Contains(t, w.Body.String(), "its saved rows stay readable")
	require.Equal(t, sumOnly, s.dataset(http.MethodGet, "/"+name+"/data?format=csv").Body.String())
}

// The job is not part of the server: it is given what the server staged.
func TestADatasetIsMadeByAJob(t *testing.T) {
	t.Parallel()
	s := newDatasets(t)
	var staged dataset.Staged
	s.options.StartRetrieval = func(_ context.Context, given dataset.Staged) (string, error) {
		staged = given
		return "job-1", nil
	}
	s.server = serve.New(s.options)
	start := func(body, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, api.DatasetsPath+"?workspace=prod&"+query, strings.NewReader(body))
		r.Header.Set("Content-Type", "text/csv")
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		return w
	}
	started := document[api.StartDatasetResponse](t, start(userSpine, "service=sum&timestamp_key=at&save_as=training"))
	require.Equal(t, api.StartDatasetResponse{Dataset: "training", Job: "job-1"}, started)
	require.Equal(t, http.StatusNotFound, s.dataset(http.MethodGet, "/training").Code, "not before it is made")

	datasets, now := s.options.Datasets, s.options.Clock.Now()
	plan, err := datasets.Plan(t.Context(), s.engine, staged, "1", now, func(int64) {})
	require.NoError(t, err)
	require.Equal(t, 1, plan.Shares)
	request := dataset.ShareRequest{Staged: staged, Plan: plan, Job: "job-1", Attempt: "1", Now: now}
	share, err := datasets.JoinShare(t.Context(), s.engine, request, 0)
	require.NoError(t, err)
	made, err := datasets.Save(t.Context(), s.engine, request, []dataset.Share{share})
	require.NoError(t, err)
	request.Attempt = "2"
	again, err := datasets.Save(t.Context(), s.engine, request, []dataset.Share{share})
	require.NoError(t, err)
	require.Equal(t, made, again, "a further attempt finds what the first saved")
	require.NoError(t, datasets.Discard(t.Context(), staged), "it is a dataset now, and stays")

	require.Equal(t, sumOnly, s.dataset(http.MethodGet, "/training/data?format=csv").Body.String())
	require.Equal(t, "job-1", document[api.Dataset](t, s.dataset(http.MethodGet, "/training")).Job)
	require.Equal(t, http.StatusOK, s.dataset(http.MethodPost, "/training/remake").Code)

	for query, want := range map[string]string{
		"view=spending&save_as=training":     "there is a dataset of that name already",
		"view=nothing":                       `feature view \"nothing\" of workspace prod`,
		"view=spending&timestamp_key=when":   "timestamp_key: the spine has no column",
		"view=spending&start_time=2001-01-5": "start_time and a spine are given, want one of them",
	} {
		w := start(userSpine, query)
		require.NotEqual(t, http.StatusOK, w.Code, query)
		require.Contains(t, w.Body.String(), want)
	}
	require.Contains(t, start("", "view=spending").Body.String(), "a spine is required")
	require.NoError(t, datasets.Discard(t.Context(), dataset.Staged{Workspace: "prod", Name: "training", ID: "other"}))
	s.requireNothingLeft()
}

func TestDatasetsAreListed(t *testing.T) {
	t.Parallel()
	s := newDatasets(t)
	for i := range 3 {
		require.Equal(t, http.StatusOK, s.historical(userSpine, "service=sum", fmt.Sprint("save_as=d", i)).Code)
	}
	page := document[api.ListDatasetsResponse](t, s.dataset(http.MethodGet, "?limit=2"))
	require.Len(t, page.Datasets, 2)
	require.Equal(t, "d1", page.Next)
	page = document[api.ListDatasetsResponse](t, s.dataset(http.MethodGet, "?limit=2&after=d1"))
	require.Len(t, page.Datasets, 1)
	require.Empty(t, page.Next)
	require.Empty(t, document[api.ListDatasetsResponse](t, s.dataset(http.MethodGet, "?workspace=dev")).Datasets)
}

func TestWrongRequestsForDatasetsAreExplained(t *testing.T) {
	t.Parallel()
	s := newDatasets(t)
	for _, c := range []struct {
		answer *httptest.ResponseRecorder
		status int
		want   string
	}{
		{s.historical(userSpine, "service=sum", "save_as=A b"), 400, `bad name of a dataset: "A b" is not 1 to 64 of [a-z0-9_-]`},
		{s.historical(userSpine, "service=sum", "save_as=x", "save=false"), 400, "save=false and save_as are given, want one of them"},
		{s.historical(userSpine, "service=sum", "save=maybe"), 400, `save is "maybe", want true or false`},
		{s.historical("user,at,my note\n1,2001-01-06,x\n", "service=sum", "save=true"), 400, `columns cannot be stored: column name "my note"`},
		{s.dataset(http.MethodGet, "/none"), 404, `dataset "none" of workspace prod: no such dataset`},
		{s.dataset(http.MethodPost, "/none/remake"), 404, "no such dataset"},
		{s.dataset(http.MethodGet, "/none?limit=2"), 400, "unknown parameter limit, want one of workspace"},
		{s.dataset(http.MethodGet, "?limit=0"), 400, `limit is "0", want 1 to 1000`},
		{s.dataset(http.MethodGet, "?workspace="), 400, "parameter workspace is required"},
		{s.dataset(http.MethodGet, "/none/data?format=xlsx"), 400, `unknown format "xlsx"`},
	} {
		var told api.Error
		require.NoError(t, json.Unmarshal(c.answer.Body.Bytes(), &told), c.answer.Body)
		require.Contains(t, told.Message, c.want)
		require.Equal(t, c.status, c.answer.Code, told.Message)
	}
	for info, err := range s.bucket.List(t.Context(), "datasets/", "") {
		require.NoError(t, err)
		require.Fail(t, "a refused save left "+info.Key)
	}
}
