package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

// answers is a worker that keeps what it is asked. Each path has one answer.
type answers struct {
	*httptest.Server
	replies map[string]string
	status  int
	created string   // the path that answers 201
	asked   []string // paths
	bodies  []string
}

func serve(t *testing.T, replies map[string]string) *answers {
	a := &answers{replies: replies, status: http.StatusOK}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.asked, a.bodies = append(a.asked, r.URL.Path), append(a.bodies, string(body))
		status := a.status
		if r.URL.Path == a.created {
			status = http.StatusCreated
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, a.replies[r.URL.Path])
	}))
	t.Cleanup(a.Close)
	return a
}

// outcome is what one command line did.
type outcome struct {
	code        int
	out, errOut string
}

// invoke runs a command line; server may be nil.
func invoke(t *testing.T, server *answers, stdin string, args ...string) outcome {
	t.Helper()
	environment := map[string]string{"TILERY_SERVER": "http://127.0.0.1:1", "TILERY_TEMPORAL_ADDRESS": "127.0.0.1:1"}
	if server != nil {
		environment["TILERY_SERVER"] = server.URL
	}
	var out, errOut bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &errOut, func(name string) string { return environment[name] })
	return outcome{code, out.String(), errOut.String()}
}

func requireJSON(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &value), "%s", text)
	return value
}

func TestWrongCommandLinesExitWith2(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"frobnicate":                            `unknown command "frobnicate", see tilery --help`,
		"plan a b":                              "want at most DIRECTORY, got 2 arguments",
		"materialize":                           "want VIEW, got 0 arguments",
		"get-online a b":                        "want VIEW, got 2 arguments",
		"version now":                           "want no arguments, got 1 arguments",
		"plan --colour":                         "unknown flag: --colour",
		"apply -o yaml":                         "-o yaml: want table or json",
		"plan -w Prod":                          `bad workspace name "Prod": want a lower-case letter followed by up to 63 of a-z, 0-9, _ and -`,
		"get-online v -k origin":                "--key origin: want NAME=VALUE",
		"get-online v -k =ATL":                  "--key =ATL: want NAME=VALUE",
		"get-online v -k a=1 -k a=2":            "--key a=2: a is given twice",
		"describe":                              "want NAME, got 0 arguments",
		"workspace create":                      "want NAME, got 0 arguments",
		"workspace destroy prod":                "want no arguments, got 2 arguments",
		"materialization-status":                "want VIEW, got 0 arguments",
		"materialization-status v --limit 0":    "--limit 0: want 1 to 100000",
		"job retry":                             "want JOB, got 0 arguments",
		"job retry j --window noon":             `--window: time "noon" is not RFC 3339, for instance 2001-02-03T04:05:06Z or 2001-02-03`,
		"job set-rate j fast":                   `NUMBER "fast" is no number`,
		"jobs v --view v":                       "want VIEW or --view, not both",
		"apply a --plan b":                      "want DIRECTORY or --plan, not both: the plan knows its directory",
		"jobs --limit 0":                        "--limit 0: want 1 to 1000",
		"jobs --limit 1001":                     "--limit 1001: want 1 to 1000",
		"run":                                   "want VIEW, got 0 arguments",
		"run v --end noon":                      `--end: time "noon" is not RFC 3339, for instance 2001-02-03T04:05:06Z or 2001-02-03`,
		"run v --mock events":                   "--mock events: want SOURCE=FILE",
		"run v --mock events=a.txt":             `--mock: "a.txt" does not tell its format, want one of the extensions .parquet, .arrow, .feather, .ipc, .ndjson, .jsonl, .json, .csv`,
		"materialize v --start yesterday":       `--start: time "yesterday" is not RFC 3339, for instance 2001-02-03T04:05:06Z or 2001-02-03`,
		"materialize v --end 2001-13-01":        `--end: time "2001-13-01" is not RFC 3339, for instance 2001-02-03T04:05:06Z or 2001-02-03`,
		"materialize v --parallelism many":      `invalid argument "many" for "--parallelism" flag: strconv.ParseInt: parsing "many": invalid syntax`,
		"materialize v --heartbeat-timeout=-1s": "--heartbeat-timeout -1s: want whole seconds from 0s up",
		"materialize v --heartbeat-timeout=1ms": "--heartbeat-timeout 1ms: want whole seconds from 0s up",
	} {
		require.Equal(t, outcome{2, "", "tilery: " + want + "\n"}, invoke(t, nil, "", strings.Fields(line)...), line)
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--help"}, {"help"}, {"plan", "--help"}} {
		got := invoke(t, nil, "", args...)
		require.Equal(t, 0, got.code)
		require.Contains(t, got.out, "Usage:")
		require.Empty(t, got.errOut)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := invoke(t, nil, "", "version")
	require.Equal(t, 0, got.code)
	require.True(t, strings.HasPrefix(got.out, "tilery development "), got.out)
	got = invoke(t, nil, "", "version", "-o", "json")
	require.Equal(t, "development", requireJSON(t, got.out)["version"])
}

func TestWithoutAServerTheAddressIsNamed(t *testing.T) {
	t.Parallel()
	got := invoke(t, nil, "", "plan", "../examples/flights")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.errOut, "tilery: no answer from http://127.0.0.1:1, is the worker running?: ")
	got = invoke(t, nil, "", "get-online", "v")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.errOut, "is the worker running?")
}

func TestWithoutTemporalTheAddressIsNamed(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"jobs"}, {"materialize", "v"}} {
		got := invoke(t, nil, "", args...)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.errOut, "tilery: connect to Temporal at 127.0.0.1:1, is it running?: ")
	}
}

func TestBrokenRepositoriesAreExplainedWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "features.yaml"), []byte("kind: Entity\nname: airport\ncolour: blue\n---\nkind: Source\n"), 0o600))
	for _, command := range []string{"plan", "apply"} {
		require.Equal(t, outcome{1, "", "tilery: " + dir + " cannot be used:\n" +
			"features.yaml:3: Entity airport: colour: unknown field, want one of description, join_keys, name, owner, prevent_destroy, tags\n" +
			"features.yaml:5: document: kind: \"Source\" is unknown, want one of Entity, BatchSource, BatchFeatureView, FeatureTable, FeatureService\n",
		}, invoke(t, nil, "", command, dir))
	}
	empty := t.TempDir()
	require.Equal(t, outcome{1, "", "tilery: read feature repository " + empty + ": no .yaml files\n"}, invoke(t, nil, "", "plan", empty))
}

func TestVectorsArePrinted(t *testing.T) {
	t.Parallel()
	const vector = `{"result": {"features": ["12", 1.5, null, "NaN"]}, "metadata": {"features": [
		{"name": "v.a", "effectiveTime": "2001-02-01T00:00:00Z", "dataType": {"type": "int64"}, "status": "PRESENT"},
		{"name": "v.b", "dataType": {"type": "float64"}, "status": "PRESENT"},
		{"name": "v.c", "effectiveTime": "2001-02-01T00:00:00Z", "status": "MISSING_DATA"},
		{"name": "v.d", "effectiveTime": "2001-02-01T00:00:00Z", "dataType": {"type": "float64"}, "status": "PRESENT"}]}}`
	server := serve(t, map[string]string{api.GetFeaturesPath: vector})
	got := invoke(t, server, "", "get-online", "v", "-k", "origin=A=B", "-k", "n=1")
	require.Equal(t, 0, got.code, got.errOut)
	require.Equal(t, strings.Join([]string{
		"FEATURE  VALUE  TYPE     STATUS        EFFECTIVE TIME",
		"v.a      12     int64    PRESENT       2001-02-01T00:00:00Z",
		"v.b      1.5    float64  PRESENT       ",
		"v.c      null            MISSING_DATA  2001-02-01T00:00:00Z",
		"v.d      NaN    float64  PRESENT       2001-02-01T00:00:00Z",
	}, "\n")+"\n", got.out)
	require.Equal(t, map[string]any{"origin": "A=B", "n": "1"}, requireJSON(t, server.bodies[0])["params"].(map[string]any)["joinKeyMap"])

	got = invoke(t, server, "", "get-online", "v", "-o", "json")
	require.Equal(t, requireJSON(t, vector), requireJSON(t, got.out))

	server.replies[api.GetFeaturesPath] = `{"result": {"features": ["12"]}}`
	require.Equal(t, outcome{1, "", "tilery: the server's answer does not describe its values, is it of another version?\n"}, invoke(t, server, "", "get-online", "v"))
}
