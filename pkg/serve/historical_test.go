package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/serve"
)

// newHistorical returns the scene of newReplaced, whose server keeps what it makes
// in a directory of its own.
func newHistorical(t *testing.T) *scene {
	t.Helper()
	s := newReplaced(t)
	s.options.Historical.Join.ScratchDir = t.TempDir()
	s.server = serve.New(s.options)
	return s
}

// historical asks for features of workspace prod; parameters are of the query, and
// headers, with a colon, of the request.
func (s *scene) historical(body string, parameters ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	return askHistorical(s.t, s.server, body, parameters...)
}

func askHistorical(t testing.TB, server http.Handler, body string, parameters ...string) *httptest.ResponseRecorder {
	t.Helper()
	query := url.Values{"workspace": {"prod"}}
	header := http.Header{"Content-Type": {"text/csv"}, "Accept": {"text/csv"}}
	for _, p := range parameters {
		name, value, isParameter := strings.Cut(p, "=")
		switch {
		case !isParameter:
			name, value, _ = strings.Cut(p, ": ")
			header.Set(name, value)
		case name == "workspace":
			query.Set(name, value)
		default:
			query.Add(name, value)
		}
	}
	r := httptest.NewRequest(http.MethodPost, api.HistoricalPath+"?"+query.Encode(), strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w
}

const (
	// user 1 has events of n 8, 5 and 7 about noon of 2001-01-05; a day's data is known
	// at two on the next morning.
	userSpine = "user,at,late\n1,2001-01-06T01:59:59Z,yes\n1,2001-01-06 02:00:00,no\n2,2001-01-06T12:00:00Z,\n"
	sumOnly   = "user,at,late,s.n_sum_1d_1h\n1,2001-01-06T01:59:59.000000Z,yes,\n1,2001-01-06T02:00:00.000000Z,no,20\n2,2001-01-06T12:00:00.000000Z,,\n"
)

// summed adds a service with one feature.
func (s *scene) summed() {
	s.t.Helper()
	s.redefine(1, strings.NewReplacer("name: all\nfeatures: [spending, latest]",
		"name: sum\nfeatures:\n  - {feature_view: spending, features: [n_sum_1d_1h], namespace: s}"))
}

func TestHistoricalFeaturesAreThoseThatWereKnown(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	s.summed()
	w := s.historical(userSpine, "service=sum")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, sumOnly, w.Body.String())
	require.Equal(t, "3", w.Header().Get(api.RowsHeader))
	require.Equal(t, "text/csv", w.Header().Get("Content-Type"))
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
	require.Empty(t, w.Header().Get(api.UncoveredHeader))

	w = s.historical("sender,recipient,at\n1,1,2001-01-06T02:00:00Z\n", "service=pair")
	require.Equal(t, "sender,recipient,at,z.n_count_1d_1h,z.a_label,to.n,by.amount,by.label\n"+
		"1,1,2001-01-06T02:00:00.000000Z,3,z,7,,z\n", w.Body.String())
	w = s.historical(userSpine, "view=latest")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.True(t, strings.HasPrefix(w.Body.String(), "user,at,late,latest."), w.Body)
	s.requireNothingLeft()
}

// requireNothingLeft checks that neither spines nor results stay.
func (s *scene) requireNothingLeft() {
	s.t.Helper()
	left, err := os.ReadDir(s.options.Historical.Join.ScratchDir)
	require.NoError(s.t, err)
	require.Empty(s.t, left)
}

func TestSpinesAndResultsAreOfAnyFormat(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	s.summed()
	for _, format := range []frame.Format{frame.Parquet, frame.Arrow, frame.JSON, frame.CSV} {
		w := s.historical(userSpine, "service=sum", "Accept: "+format.MediaType())
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, format.MediaType(), w.Header().Get("Content-Type"))
		require.Equal(t, w.Body.Bytes(), s.historical(userSpine, "service=sum", "format="+string(format)).Body.Bytes())

		// The result, asked for once more as a spine of that format, is the same.
		spine := withoutFeatures(t, w.Body.Bytes(), format)
		again := s.historical(spine, "service=sum", "Content-Type: "+format.MediaType())
		require.Equal(t, sumOnly, again.Body.String(), format)
		again = s.historical(spine, "service=sum", "spine_format="+string(format), "Content-Type: application/x-www-form-urlencoded")
		require.Equal(t, sumOnly, again.Body.String(), format)
	}
	require.Equal(t, "application/vnd.apache.parquet", s.historical(userSpine, "service=sum", "Accept: */*").Header().Get("Content-Type"))
}

// withoutFeatures returns a result with only the columns of its spine.
func withoutFeatures(t *testing.T, file []byte, format frame.Format) string {
	t.Helper()
	r, err := frame.Open(bytes.NewReader(file), int64(len(file)), format, frame.Options{})
	require.NoError(t, err)
	defer r.Close()
	var out bytes.Buffer
	w, err := frame.NewWriter(&out, format, r.Schema()[:3])
	require.NoError(t, err)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			require.NoError(t, w.Close())
			return out.String()
		}
		require.NoError(t, err)
		require.NoError(t, w.Write(firstColumns(rec, 3)))
	}
}

func TestUncoveredTimeIsTold(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	w := s.historical("user,at\n1,2001-01-07T02:00:00Z\n", "view=spending")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.JSONEq(t, `[{"view": "spending", "intervals": [{"start": "2001-01-06T00:00:00Z", "end": "2001-01-07T00:00:00Z"}]}]`,
		w.Header().Get(api.UncoveredHeader))

	var spine strings.Builder
	spine.WriteString("user,at\n")
	for d := range 200 {
		fmt.Fprintf(&spine, "1,%s\n", start.Add(time.Duration(2*d+4)*day+2*time.Hour))
	}
	w = s.historical(spine.String(), "view=spending")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var told []api.Uncovered
	require.NoError(t, json.Unmarshal([]byte(w.Header().Get(api.UncoveredHeader)), &told))
	require.Len(t, told, 1)
	require.Len(t, told[0].Intervals, api.MaxUncovered)
	require.Equal(t, 150, told[0].More)
}

func TestWrongHistoricalRequestsAreExplained(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	for _, c := range []struct {
		spine      string
		parameters []string
		status     int
		want       string
	}{
		{userSpine, nil, 400, "neither view nor service is given, want one of them"},
		{userSpine, []string{"view=spending", "service=all"}, 400, "view and service are given, want one of them"},
		{userSpine, []string{"view=spending", "workspace="}, 400, "parameter workspace is required"},
		{userSpine, []string{"view=spending", "timestamp=at"}, 400, "unknown parameter timestamp, want one of workspace, view, service, timestamp_key, "},
		{userSpine, []string{"view=spending", "view=latest"}, 400, "parameter view is given twice"},
		{userSpine, []string{"view=spending", "start_time=2001-01-05"}, 400, "start_time and a spine are given, want one of them"},
		{userSpine, []string{"view=spending", "end_time=2001-01-05"}, 400, "end_time and a spine are given, want one of them"},
		{"", []string{"view=spending", "timestamp_key=at"}, 400, "timestamp_key is given without a spine"},
		{"", []string{"view=spending", "save=true"}, 400, "this server keeps no datasets: leave out save and save_as"},
		{"", []string{"service=all"}, 400, "service is given without a spine: events are those of a view, name one"},
		{"", []string{"view=spending", "body=entities"}, 400, "body is entities, and the request has no body"},
		{"user\n1\n", []string{"view=spending", "body=keys"}, 400, `body is "keys", want spine or entities`},
		{"", []string{"view=spending", "start_time=soon"}, 400, "start_time: "},
		{"", []string{"view=spending", "start_time=2001-01-06", "end_time=2001-01-06"}, 400, "end_time 2001-01-06T00:00:00Z is not after start_time 2001-01-06T00:00:00Z"},
		{"", []string{"view=spending", "from_source=true"}, 400, "this server computes nothing from sources: leave out from_source"},
		{userSpine, []string{"view=spending", "body=entities"}, 400, `column "at" of the entities is no join key of view spending, which are user`},
		{"u\n1\n", []string{"view=spending", "body=entities"}, 400, "the file of entities has no column user, a join key of view spending; it has u"},
		{userSpine, []string{"view=spending", "from_source=true"}, 400, "this server computes nothing from sources: leave out from_source"},
		{userSpine, []string{"view=spending", "from_source=maybe"}, 400, `from_source is "maybe", want true or false`},
		{userSpine, []string{"view=spending", "save=true"}, 400, "this server keeps no datasets: leave out save and save_as"},
		{userSpine, []string{"view=spending", "save_as=x"}, 400, "this server keeps no datasets: leave out save and save_as"},
		{userSpine, []string{"view=spending", "format=xlsx"}, 400, `unknown format "xlsx"`},
		{userSpine, []string{"view=spending", "spine_format=xlsx"}, 400, `unknown format "xlsx"`},
		{userSpine, []string{"view=spending", "Content-Type: text/html"}, 400, "or name the spine's format by the parameter spine_format"},
		{userSpine, []string{"view=spending", "Content-Type: application/octet-stream"}, 400, "the spine's format is not known"},
		{userSpine, []string{"view=spending", "Accept: text/html"}, 400, "text/html"},
		{userSpine, []string{"view=nothing"}, 404, `feature view "nothing" of workspace prod`},
		{userSpine, []string{"service=nothing"}, 404, `feature service "nothing" of workspace prod`},
		{userSpine, []string{"view=spending", "workspace=staging"}, 404, `workspace "staging"`},
		{userSpine, []string{"view=spending", "workspace=Prod"}, 400, `bad workspace name "Prod"`},
		{userSpine, []string{"view=tagged"}, 400, "view tagged: no materialized data in the offline store"},
		{"u,at\n1,2001-01-06\n", []string{"view=spending"}, 400, "the spine has no column user, a join key of view spending; it has u, at"},
		{"user,at\n1,2001-01-06\n", []string{"service=pair"}, 400, "the spine has no column sender, for join key user of view spending; it has user, at"},
		{"user\n1\n", []string{"view=spending"}, 400, "timestamp_key: the spine has no time column"},
		{"user,a,b\n1,2001-01-06,2001-01-06\n", []string{"view=spending"}, 400, "timestamp_key: the spine has several time columns: a, b; name one"},
		{userSpine, []string{"view=spending", "timestamp_key=when"}, 400, `timestamp_key: the spine has no column "when"`},
		{"user,at\n1,soon\n", []string{"view=spending", "timestamp_key=at"}, 400, "line 2"},
		{"user,at\none,2001-01-06\n", []string{"view=spending"}, 400, "line 2"},
		{"user,at,spending.n_sum_1d_1h\n1,2001-01-06,7\n", []string{"view=spending"}, 400, "spending.n_sum_1d_1h"},
	} {
		w := s.historical(c.spine, c.parameters...)
		var told api.Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &told), "%v: %s", c.parameters, w.Body)
		require.Contains(t, told.Message, c.want, "%q %v", c.spine, c.parameters)
		require.Equal(t, c.status, w.Code, told.Message)
	}
	s.requireNothingLeft()
}

func TestHistoricalFeaturesComeFromTheStoreThatServes(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	ask := func() string {
		s.server = serve.New(s.options)
		w := s.historical("user,at\n1,2001-01-06T02:00:00Z\n", "view=spending", "format=ndjson")
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		return w.Body.String()
	}
	require.Contains(t, ask(), `"spending.n_sum_1d_1h":20`)
	s.redefine(1, strings.NewReplacer("label FROM events", "label FROM events WHERE n > 5"))
	require.Contains(t, ask(), `"spending.n_sum_1d_1h":20`)
	s.fill(0, 2, "spending")
	require.Contains(t, ask(), `"spending.n_sum_1d_1h":20`)
	s.switchOver("spending", 3)
	require.Contains(t, ask(), `"spending.n_sum_1d_1h":15`)
}

func TestHistoricalRequestsAreBounded(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	for _, c := range []struct {
		change func(o *serve.HistoricalOptions)
		status int
		want   string
	}{
		{func(o *serve.HistoricalOptions) { o.MaxSpine = 20 }, 400, "request body is larger than 20 bytes"},
		{func(o *serve.HistoricalOptions) { o.MaxResult = 20 }, 429, "the answer is larger than 20 bytes: ask for fewer rows or features at a time"},
		{func(o *serve.HistoricalOptions) { o.Timeout = time.Nanosecond }, 504, "Timed out"},
	} {
		server := s.with(func(o *serve.Options) { c.change(&o.Historical) })
		w := askHistorical(t, server, userSpine, "view=spending")
		require.Contains(t, w.Body.String(), c.want)
		require.Equal(t, c.status, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
	s.requireNothingLeft()
}

// TestHistoricalRequestsBeyondTheSlotsAreRefused holds the only slot by a body that
// does not end.
func TestHistoricalRequestsBeyondTheSlotsAreRefused(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	handler := s.with(func(o *serve.Options) { o.Historical.MaxConcurrent = 1 })
	reading := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Held") != "" {
			r.Body = &notifyingBody{ReadCloser: r.Body, read: sync.OnceFunc(func() { close(reading) })}
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, sender := io.Pipe()
	defer sender.Close()
	held, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+api.HistoricalPath+"?workspace=prod&view=spending", body)
	require.NoError(t, err)
	held.Header.Set("Held", "yes")
	ended := make(chan error, 1)
	go func() {
		answer, err := server.Client().Do(held)
		if err == nil {
			answer.Body.Close()
		}
		ended <- err
	}()
	_, err = sender.Write([]byte("user,at\n"))
	require.NoError(t, err)
	<-reading // which is done in a slot
	code := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+api.HistoricalPath+"?workspace=prod&view=spending", strings.NewReader(userSpine))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "text/csv")
		answer, err := server.Client().Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		return answer.StatusCode
	}
	require.Equal(t, http.StatusTooManyRequests, code())
	cancel()
	require.NoError(t, sender.CloseWithError(context.Canceled)) // the client waits for a read of the body
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool { return code() == http.StatusOK }, 10*time.Second, time.Millisecond, "the slot is free again")
	s.requireNothingLeft()
}

// notifyingBody tells when it is read.
type notifyingBody struct {
	io.ReadCloser
	read func()
}

func (b *notifyingBody) Read(p []byte) (int, error) {
	b.read()
	return b.ReadCloser.Read(p)
}

func TestWithoutAnEngineThereAreNoHistoricalFeatures(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	w := s.historical(userSpine, "view=spending")
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Contains(t, w.Body.String(), "no such endpoint: POST "+api.HistoricalPath)
}

func firstColumns(rec arrow.Record, n int) arrow.Record {
	return array.NewRecord(arrow.NewSchema(rec.Schema().Fields()[:n], nil), rec.Columns()[:n], rec.NumRows())
}
