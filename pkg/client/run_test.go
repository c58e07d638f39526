package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

func TestMocksAreSentAndTheResultOfARunIsReadAsRecords(t *testing.T) {
	t.Parallel()
	type part struct{ name, contentType, content string }
	var got []part
	answer := historical(map[string]string{api.RowsHeader: "4", api.WarningsHeader: `["short"]`}, stream(t))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, err := r.MultipartReader()
		if err == nil {
			for {
				p, end := form.NextPart()
				if end != nil {
					break
				}
				content, _ := io.ReadAll(p)
				got = append(got, part{p.FormName(), p.Header.Get("Content-Type"), string(content)})
			}
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	at := window.Time(0)
	request := client.RunRequest{
		RunRequest: api.RunRequest{Workspace: "prod", View: "v", EndTime: &at, AggregationLevel: "full"},
		Mocks: map[string]client.Mock{
			"b": {Records: records(t)},
			"a": {File: strings.NewReader("n\n1\n"), Format: frame.CSV},
		},
	}
	result, err := client.New(server.URL).Run(t.Context(), request)
	require.NoError(t, err)
	values, err := readAll(result)
	require.NoError(t, err)
	require.NoError(t, result.Close())
	require.Equal(t, []int64{0, 1, 2, 3}, values)
	require.Equal(t, client.HistoricalReport{Rows: 4, Warnings: []string{"short"}}, result.Report)
	require.Equal(t, []part{
		{"request", "", `{"workspace":"prod","view":"v","end_time":"1970-01-01T00:00:00Z","aggregation_level":"full"}`},
		{"a", frame.CSV.MediaType(), "n\n1\n"},
		{"b", frame.Arrow.MediaType(), string(stream(t))},
	}, got)

	broken := errors.New("unplugged")
	request.Mocks = map[string]client.Mock{"a": {File: iotest.ErrReader(broken), Format: frame.CSV}}
	_, err = client.New(server.URL).Run(t.Context(), request)
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "read the mocks: unplugged")
}
