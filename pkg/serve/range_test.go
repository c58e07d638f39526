package serve_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

// inRange asks for features of workspace prod as CSV, by GET if there is no body.
func (s *scene) inRange(body, query string) *httptest.ResponseRecorder {
	s.t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r := httptest.NewRequest(method, api.RangePath+"?format=csv&workspace=prod&"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", "text/csv")
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

func TestFeaturesAreGivenAsTheyWereInARange(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	s.computing(3*day + 2*time.Hour)
	const header = "user,latest.n,latest.amount,latest.label,latest.flag,latest.seen,_valid_from,_valid_to\n"
	const row = "1,7,,z,true,2001-01-05T12:00:00.000000Z,"
	for _, c := range []struct{ body, query, want string }{
		{"", "start_time=2001-01-05&end_time=2001-01-06T02:00:00Z", ""},
		{"", "start_time=2001-01-05&end_time=2001-01-06T03:00:00Z", row + "2001-01-06T02:00:00.000000Z,2001-01-06T03:00:00.000000Z\n"},
		{"user\n1\n", "start_time=2001-01-06T02:30:00Z&end_time=2001-01-06T03:00:00Z", row + "2001-01-06T02:30:00.000000Z,2001-01-06T03:00:00.000000Z\n"},
		{"user\n2\n", "start_time=2001-01-05&end_time=2001-01-06T03:00:00Z", ""},
		{"", "start_time=2001-01-06T02:30:00Z&end_time=2001-01-06T03:00:00Z&max_lookback=1h", ""},
	} {
		w := s.inRange(c.body, "view=latest&"+c.query)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, header+c.want, w.Body.String(), c.query)
		computed := s.inRange(c.body, "view=latest&from_source=true&"+c.query)
		require.Equal(t, w.Body.String(), computed.Body.String(), c.query)
	}
	w := s.inRange("", "view=spending&start_time=2001-01-05&end_time=2001-01-07")
	require.Contains(t, w.Body.String(), "\n1,20,3,,,,z,2001-01-06T02:00:00.000000Z,2001-01-07T00:00:00.000000Z\n")
	s.requireNothingLeft()
}

func TestWrongRangesAreExplained(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	const day = "&start_time=2001-01-05&end_time=2001-01-06"
	for _, c := range []struct {
		body, query string
		status      int
		want        string
	}{
		{"", "view=latest&start_time=2001-01-05", 400, "parameter end_time is required"},
		{"", "service=all" + day, 400, "unknown parameter service"},
		{"", "view=latest&start_time=2001-01-05&end_time=2001-01-04", 400, "end_time 2001-01-04T00:00:00Z is not after start_time 2001-01-05T00:00:00Z"},
		{"", "view=latest&max_lookback=long" + day, 400, "max_lookback: "},
		{"", "view=latest&from_source=true" + day, 400, "this server computes nothing from sources: leave out from_source"},
		{"", "view=nothing" + day, 404, `feature view "nothing" of workspace prod`},
		{"user,at\n1,2\n", "view=latest" + day, 400, `column "at" of the entities is no join key of view latest`},
		{"u\n1\n", "view=latest" + day, 400, "the file of entities has no column user"},
	} {
		w := s.inRange(c.body, c.query)
		require.Contains(t, message(t, w), c.want)
		require.Equal(t, c.status, w.Code)
	}
	s.requireNothingLeft()
}
