package serve_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

func TestEventsAreGivenWithoutASpine(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	const header = "user,timestamp,spending.n_sum_1d_1h,spending.n_count_1d_1h,spending.z_last_hour,spending.amount_mean_1d_1h,spending.amount_max_6h_1h,spending.a_label,_effective_timestamp\n"
	const event = "1,2001-01-06T00:00:00.000000Z,20,3,,,,z,2001-01-06T02:00:00.000000Z\n"
	for _, c := range []struct {
		body       string
		parameters []string
		want       string
	}{
		{"", nil, event},
		{"", []string{"start_time=2001-01-06", "end_time=2001-01-06T00:00:00.000001Z"}, event},
		{"", []string{"end_time=2001-01-06"}, ""},
		{"", []string{"start_time=2001-01-06T00:00:00.000001Z"}, ""},
		{"user\n2\n1\n1\n", []string{"body=entities"}, event},
		{"user\n2\n", []string{"body=entities"}, ""},
	} {
		w := s.historical(c.body, append(c.parameters, "view=spending")...)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, header+c.want, w.Body.String(), c.parameters)
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, api.HistoricalPath+"?workspace=prod&view=latest&format=csv", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "user,ts,latest.n,latest.amount,latest.label,latest.flag,latest.seen,_effective_timestamp\n"+
		"1,2001-01-05T11:59:59.999998Z,8,,x,true,2001-01-05T11:59:59.999998Z,2001-01-06T02:00:00.000000Z\n"+
		"1,2001-01-05T11:59:59.999999Z,5,,y,true,2001-01-05T11:59:59.999999Z,2001-01-06T02:00:00.000000Z\n"+
		"1,2001-01-05T12:00:00.000000Z,7,,z,true,2001-01-05T12:00:00.000000Z,2001-01-06T02:00:00.000000Z\n", w.Body.String())
	s.requireNothingLeft()
}

func TestEventsFromTheSourceAreThoseOfTheStore(t *testing.T) {
	t.Parallel()
	s := newHistorical(t)
	s.computing(3*day + 2*time.Hour)
	for _, view := range []string{"view=spending", "view=latest"} {
		stored := s.historical("", view, "end_time=2001-01-06T12:00:00Z")
		computed := s.historical("", view, "end_time=2001-01-06T12:00:00Z", "from_source=true")
		require.Equal(t, http.StatusOK, computed.Code, computed.Body)
		require.Equal(t, stored.Body.String(), computed.Body.String())
		require.NotEqual(t, "0", computed.Header().Get(api.RowsHeader))
	}
	s.requireNothingLeft()
}
