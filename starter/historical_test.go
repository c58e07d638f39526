package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

// trained is a worker that answers a spine with rows rows, as Arrow, or with text.
type trained struct {
	answers
	rows int64
	text string
}

func newTrained(t *testing.T) *trained {
	t.Helper()
	a := &trained{rows: 3}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.asked, a.bodies = append(a.asked, r.URL.RequestURI()+" "+r.Header.Get("Accept")), append(a.bodies, string(body))
		w.Header().Set(api.RowsHeader, "12")
		w.Header().Set(api.UncoveredHeader, `[{"view": "v", "intervals": [{"start": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"}], "more": 7}]`)
		if a.text != "" {
			_, _ = io.WriteString(w, a.text)
			return
		}
		_, _ = w.Write(arrowRows(12))
	}))
	t.Cleanup(a.Close)
	return a
}

func arrowRows(rows int) []byte {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "origin", Type: arrow.BinaryTypes.String}, {Name: "v.delay", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range rows {
		b.Field(0).(*array.StringBuilder).Append("ATL")
		if i == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.Float64Builder).Append(float64(i) / 2)
		}
	}
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	_ = w.Write(b.NewRecord()) // what is missing, the reader reports
	_ = w.Close()
	return out.Bytes()
}

const uncoveredWarning = "warning: v is not materialized from 2001-01-01T00:00:00Z to 2001-01-02T00:00:00Z, from 7 more; what needs that time is null or incomplete\n"

func writeSpine(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spine.csv")
	require.NoError(t, os.WriteFile(path, []byte("origin,at\nATL,2001-01-05\n"), 0o600))
	return path
}

func TestTheFirstRowsOfHistoricalFeaturesArePrinted(t *testing.T) {
	t.Parallel()
	server := newTrained(t)
	got := invoke(t, &server.answers, "", "historical", "v", "--spine", writeSpine(t), "--timestamp-key", "at")
	require.Equal(t, 0, got.code, got.errOut)
	require.Equal(t, uncoveredWarning, got.errOut)
	lines := strings.Split(got.out, "\n")
	require.Equal(t, []string{"origin  v.delay", "ATL     null", "ATL     0.5"}, lines[:3])
	require.Equal(t, "12 rows, of which these are the first 10; --out FILE keeps all", lines[11])
	require.Equal(t, []string{api.HistoricalPath + "?timestamp_key=at&view=v&workspace=prod application/vnd.apache.arrow.stream"}, server.asked)
	require.Equal(t, "origin,at\nATL,2001-01-05\n", server.bodies[0])
}

func TestHistoricalFeaturesAreKeptInAFile(t *testing.T) {
	t.Parallel()
	server := newTrained(t)
	server.text = "origin,v.delay\n"
	out := filepath.Join(t.TempDir(), "training.csv")
	got := invoke(t, &server.answers, "", "historical", "s", "--service", "--spine", writeSpine(t), "--out", out, "-w", "staging")
	require.Equal(t, outcome{0, "12 rows in " + out + "\n", uncoveredWarning}, got)
	require.Equal(t, []string{api.HistoricalPath + "?service=s&workspace=staging text/csv"}, server.asked)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, server.text, string(data))

	got = invoke(t, &server.answers, "", "historical", "v", "--spine", writeSpine(t), "--out", out, "-o", "json")
	require.Equal(t, 12.0, requireJSON(t, got.out)["rows"])

	got = invoke(t, &server.answers, "", "historical", "v", "--spine", writeSpine(t), "-o", "json")
	require.Equal(t, server.text, got.out)
	require.Contains(t, server.asked[2], "ndjson")
}

func TestEventsAreAskedForWithoutASpine(t *testing.T) {
	t.Parallel()
	server := newTrained(t)
	got := invoke(t, &server.answers, "", "historical", "v", "--start", "2001-01-05", "--entities", writeSpine(t))
	require.Equal(t, 0, got.code, got.errOut)
	require.Contains(t, got.out, "12 rows")
	require.Equal(t, 0, invoke(t, &server.answers, "", "historical", "v").code)
	require.Equal(t, []string{
		api.HistoricalPath + "?body=entities&start_time=2001-01-05T00%3A00%3A00Z&view=v&workspace=prod application/vnd.apache.arrow.stream",
		api.HistoricalPath + "?view=v&workspace=prod application/vnd.apache.arrow.stream",
	}, server.asked)
	require.Equal(t, []string{"origin,at\nATL,2001-01-05\n", ""}, server.bodies)
}

func TestAResultThatFailsLeavesNoFile(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set(api.RowsHeader, "1")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	}))
	defer server.Close()
	dir := t.TempDir()
	got := invoke(t, &answers{Server: server}, "", "historical", "v", "--spine", writeSpine(t), "--out", filepath.Join(dir, "training.csv"))
	require.Equal(t, outcome{1, "", "tilery: write the result: unexpected EOF\n"}, got)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFilesWithoutAFormatAreRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"historical v --start 2001 --spine a.csv":     "--spine and --start are given, want one of them",
		"historical v --entities b.csv --spine a.csv": "--spine and --entities are given, want one of them",
		"historical v --service":                      "--service is given without --spine FILE",
		"historical v --end soon":                     "--end: ",
		"historical v --entities e.xlsx":              "--entities: ",
		"historical v --spine spine.xlsx":             "--spine: ",
		"historical v --spine a.csv --out result.xls": "--out: ",
		"historical": "want VIEW, got 0 arguments",
	} {
		got := invoke(t, nil, "", strings.Fields(line)...)
		require.Equal(t, 2, got.code, line)
		require.Contains(t, got.errOut, want)
	}
	got := invoke(t, nil, "", "historical", "v", "--spine", "nowhere.csv")
	require.Equal(t, outcome{1, "", "tilery: open the file to send: open nowhere.csv: no such file or directory\n"}, got)
}

func TestSendingTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	s := newSending(strings.NewReader("12345"), 5, "waiting for the features", newProgressBar(io.Discard))
	defer s.done()
	require.Equal(t, "sent 0.0 of 0.0 MB", s.text(s.since))
	_, err := io.ReadAll(s)
	require.NoError(t, err)
	require.Equal(t, "sent 0.0 MB, waiting for the features: 3s", s.text(s.since.Add(3*time.Second)))
}
