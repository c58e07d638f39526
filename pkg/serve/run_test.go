package serve_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/serve"
)

// field is one of a form: its content, and for a file its type or name.
type field struct{ name, content, contentType, file string }

// run asks for a run and for CSV, by a form or, of a request alone, by JSON.
func (s *scene) run(fields ...field) *httptest.ResponseRecorder {
	s.t.Helper()
	var body bytes.Buffer
	contentType := "application/json"
	if len(fields) == 1 && fields[0].name == "" {
		body.WriteString(fields[0].content)
	} else {
		form := multipart.NewWriter(&body)
		for _, f := range fields {
			header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + f.name + `"; filename="` + f.file + `"`}}
			if f.contentType != "" {
				header.Set("Content-Type", f.contentType)
			}
			part, err := form.CreatePart(header)
			require.NoError(s.t, err)
			_, err = part.Write([]byte(f.content))
			require.NoError(s.t, err)
		}
		require.NoError(s.t, form.Close())
		contentType = form.FormDataContentType()
	}
	r := httptest.NewRequest(http.MethodPost, api.RunPath+"?format=csv", &body)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

const (
	lastDay  = `{"workspace": "prod", "view": "spending", "start_time": "2001-01-05T11:30:00Z", "end_time": "2001-01-05T12:30:00Z", "aggregation_level": `
	mockRows = "user,ts,n,amount,label\n3,2001-01-05T12:00:00Z,4,1.5,m\n"
)

func TestRunsAreAnsweredWithAFile(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	w := s.run(field{content: lastDay + `"partial"}`})
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "user,tile_start_time,tile_end_time,amount_count_1h,amount_max_1h,amount_sum_1h,label_max_1h,n_count_1h,n_sum_1h\n"+
		"1,2001-01-05T11:30:00.000000Z,2001-01-05T12:30:00.000000Z,0,,,z,3,20\n", w.Body.String())
	require.Equal(t, "1", w.Header().Get(api.RowsHeader))
	require.Empty(t, w.Header().Get(api.WarningsHeader))

	w = s.run(field{name: "request", content: lastDay + `"full"}`}, field{name: "events", content: mockRows, contentType: "text/csv"})
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "user,timestamp,n_sum_1d_1h,n_count_1d_1h,z_last_hour,amount_mean_1d_1h,amount_max_6h_1h,a_label\n"+
		"3,2001-01-05T12:30:00.000000Z,4,1,1,1.5,1.5,m\n", w.Body.String())
	require.Equal(t, `["[2001-01-05T11:30:00Z, 2001-01-05T12:30:00Z) is shorter than the 1d that the longest window needs: `+
		`it lacks what is before start_time"]`, w.Header().Get(api.WarningsHeader))

	// By default it is the newest complete day, and the file's name tells the format.
	w = s.run(field{name: "events", content: mockRows, file: "few.csv"}, field{name: "request", content: `{"workspace": "prod", "view": "latest"}`})
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, 1, strings.Count(w.Body.String(), "\n3,"), w.Body)
	s.requireNothingLeft()
}

func TestWrongRunsAreExplained(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	const all = `{"workspace": "prod", "view": "spending"}`
	for _, c := range []struct {
		fields []field
		status int
		want   string
	}{
		{[]field{{content: "{"}}, 400, "request is not valid JSON: unexpected end of JSON input"},
		{[]field{{content: `{"view": "spending"}`}}, 400, "workspace is required"},
		{[]field{{content: `{"workspace": "prod"}`}}, 400, "view is required"},
		{[]field{{content: `{"workspace": "prod", "view": "none"}`}}, 404, "none"},
		{[]field{{content: `{"workspace": "prod", "view": "latest", "aggregation_level": "full"}`}}, 400, `run: aggregation_level is "full", and view latest has no aggregations: leave it out`},
		{[]field{{content: `{"workspace": "prod", "view": "spending", "aggregation_level": "half"}`}}, 400, `aggregation_level "half" is unknown, want one of disabled, partial, full`},
		{[]field{{name: "events", content: mockRows, file: "a.csv"}}, 400, "the form has no field request"},
		{[]field{{name: "request", content: all}, {name: "request", content: all}}, 400, "field request of the form is given twice"},
		{[]field{{name: "request", content: all}, {name: "events", content: mockRows}}, 400, "mock events: "},
		{[]field{{name: "request", content: all}, {name: "clicks", content: mockRows, file: "a.csv"}}, 400, `run: mock "clicks": view spending has no such source, want one of events`},
		{[]field{{name: "request", content: all}, {name: "events", content: "user,ts\n1,2001-01-05\n", file: "a.csv"}}, 400, `mock of source events: run: it has no column "n"; it has user, ts`},
	} {
		w := s.run(c.fields...)
		require.Equal(t, c.status, w.Code, w.Body)
		require.Contains(t, message(t, w), c.want)
	}
	require.NoError(t, os.Remove(s.root+"/events.parquet"))
	w := s.run(field{content: all})
	require.Equal(t, http.StatusBadRequest, w.Code, w.Body)
	require.Contains(t, message(t, w), "events.parquet")
	s.requireNothingLeft()
}

// computing returns the scene with a server that computes from sources.
func (s *scene) computing(now time.Duration) *scene {
	dir := s.t.TempDir()
	s.options.Clock = clock.Fixed(start.Add(now))
	s.options.Historical.Temporary = func() (offline.Store, func() error, error) {
		bucket, err := file.Open(dir)
		return delta.New(bucket, delta.Options{ScratchDir: dir}), func() error { return os.RemoveAll(dir) }, err
	}
	s.server = serve.New(s.options)
	s.t.Cleanup(func() { require.NoDirExists(s.t, dir) })
	return s
}

func TestFeaturesFromTheSourceAreThoseOfTheStore(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	s.summed()
	s.computing(3*day + 2*time.Hour)
	w := s.historical(userSpine, "service=sum", "from_source=true")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, sumOnly, w.Body.String())

	// 2001-01-06 is not in the store, but in the source.
	const later = "user,at\n1,2001-01-07T02:00:00Z\n"
	require.NotEmpty(t, s.historical(later, "service=sum").Header().Get(api.UncoveredHeader))
	require.Empty(t, s.historical(later, "service=sum", "from_source=true").Header().Get(api.UncoveredHeader))
	// What is not complete is in neither.
	require.NotEmpty(t, s.historical("user,at\n1,2001-01-09T02:00:00Z\n", "service=sum", "from_source=true").Header().Get(api.UncoveredHeader))
	s.requireNothingLeft()
}

func TestFeaturesFromTheSourceNeedNoStore(t *testing.T) {
	t.Parallel()
	s := newServices(t, event{user: 1, at: start.Add(36 * time.Hour), n: ptr(int64(20))})
	s.options.Engine = s.engine
	s.options.Historical.Join.ScratchDir = t.TempDir()
	s.computing(2*day + 2*time.Hour)
	require.Equal(t, http.StatusBadRequest, s.historical(userSpine, "view=spending").Code)
	w := s.historical("user,at\n1,2001-01-06T02:00:00Z\n", "view=spending", "from_source=true")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "user,at,spending.n_sum_1d_1h,spending.n_count_1d_1h,spending.z_last_hour,spending.amount_mean_1d_1h,spending.amount_max_6h_1h,spending.a_label\n"+
		"1,2001-01-06T02:00:00.000000Z,20,1,,,,\n", w.Body.String())
}

func message(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var told api.Error
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &told), w.Body)
	return told.Message
}
