package main

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

func TestRunsArePrintedOrKept(t *testing.T) {
	t.Parallel()
	var asked map[string]string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = readForm(r)
		w.Header().Set(api.RowsHeader, "2")
		w.Header().Set(api.WarningsHeader, `["[a, b) is short"]`)
		if r.Header.Get("Accept") == "text/csv" {
			_, _ = io.WriteString(w, "origin\nATL\nATL\n")
			return
		}
		_, _ = w.Write(arrowRows(2))
	}))
	t.Cleanup(server.Close)
	worker := &answers{Server: server}
	got := invoke(t, worker, "", "run", "v", "--start", "2001-01-05")
	require.Equal(t, outcome{0, "origin  v.delay\nATL     null\nATL     0.5\n2 rows\n", "warning: [a, b) is short\n"}, got)
	require.Equal(t, map[string]string{"request": `{"workspace":"prod","view":"v","start_time":"2001-01-05T00:00:00Z"}`}, asked)

	mock, out := filepath.Join(t.TempDir(), "few.csv"), filepath.Join(t.TempDir(), "tiles.csv")
	require.NoError(t, os.WriteFile(mock, []byte("origin\nATL\n"), 0o600))
	got = invoke(t, worker, "", "run", "v", "--mock", "flights="+mock, "--aggregation-level", "partial", "--out", out)
	require.Equal(t, outcome{0, "2 rows in " + out + "\n", "warning: [a, b) is short\n"}, got)
	require.Equal(t, map[string]string{
		"request": `{"workspace":"prod","view":"v","aggregation_level":"partial"}`, "flights": "origin\nATL\n",
	}, asked)

	got = invoke(t, worker, "", "run", "v", "--mock", "flights="+mock, "--mock", "flights="+mock)
	require.Equal(t, outcome{2, "", "tilery: --mock flights=" + mock + ": flights is given twice\n"}, got)
	got = invoke(t, worker, "", "run", "v", "--mock", "flights="+filepath.Join(filepath.Dir(mock), "none.csv"))
	require.Equal(t, 1, got.code)
	require.True(t, strings.HasPrefix(got.errOut, "tilery: open the mock of flights: "), got.errOut)
}

// readForm returns the fields of a form.
func readForm(r *http.Request) map[string]string {
	fields := map[string]string{}
	_, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	for form := multipart.NewReader(r.Body, parameters["boundary"]); ; {
		part, err := form.NextPart()
		if err != nil {
			return fields
		}
		content, _ := io.ReadAll(part)
		fields[part.FormName()] = string(content)
	}
}
