package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
)

const datasetJSON = `{"workspace": "prod", "name": "training", "created_at": "2001-02-03T04:05:06Z", "rows": 12, "bytes": 345,
	"digest": "sha256-sum:00", "table": "datasets/prod/training/1/table", "schema": [{"name": "origin", "type": "String"}],
	"view": "v", "generation": 2, "stores": [{"view": "v", "fingerprint": "f", "version": 7}]}`

// newKeeper is a worker with one dataset.
func newKeeper(t *testing.T) *answers {
	t.Helper()
	a := &answers{}
	answer := func(w http.ResponseWriter, r *http.Request, body string) {
		a.asked = append(a.asked, r.Method+" "+r.URL.RequestURI())
		_, _ = w.Write([]byte(body)) // what is missing, the reader reports
	}
	mux := http.NewServeMux()
	one := api.DatasetsPath + "/training"
	for pattern, body := range map[string]string{
		"GET " + api.DatasetsPath: `{"datasets": [` + datasetJSON + `], "next": "training"}`,
		"GET " + one:              datasetJSON, "DELETE " + one: datasetJSON,
		"POST " + api.DatasetsPath:            `{"dataset": "training", "job": "retrieve/prod/training/1"}`,
		"POST " + one + api.DatasetRemakePath: `{"rows": 12, "digest": "sha256-sum:00"}`,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, body) })
	}
	mux.HandleFunc("GET "+one+api.DatasetDataPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.RowsHeader, "12")
		answer(w, r, string(arrowRows(12)))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"message": "no such dataset", "code": 5}`))
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func TestDatasetsAreListedAndDescribed(t *testing.T) {
	t.Parallel()
	server := newKeeper(t)
	got := invoke(t, server, "", "datasets", "list", "--prefix", "train", "--limit", "1")
	require.Equal(t, outcome{0, "NAME      FEATURES OF  ROWS  BYTES  CREATED\ntraining  v            12    345    2001-02-03T04:05:06Z\n",
		"there may be more: --after training\n"}, got)
	got = invoke(t, server, "", "datasets", "describe", "training")
	require.Equal(t, 0, got.code, got.errOut)
	require.Contains(t, got.out, "datasets/prod/training/1/table")
	got = invoke(t, server, "", "datasets", "describe", "training", "-o", "json")
	require.Equal(t, 12.0, requireJSON(t, got.out)["rows"])
	require.Equal(t, outcome{1, "", "tilery: no such dataset\n"}, invoke(t, server, "", "datasets", "describe", "none"))
	require.Equal(t, "GET "+api.DatasetsPath+"?limit=1&prefix=train&workspace=prod", server.asked[0])
}

func TestDatasetsAreReadRemadeAndDeleted(t *testing.T) {
	t.Parallel()
	server := newKeeper(t)
	got := invoke(t, server, "", "datasets", "read", "training")
	require.Equal(t, 0, got.code, got.errOut)
	require.Contains(t, got.out, "12 rows, of which these are the first 10")
	out := filepath.Join(t.TempDir(), "rows.arrow")
	require.Equal(t, outcome{0, "12 rows in " + out + "\n", ""}, invoke(t, server, "", "datasets", "read", "training", "--out", out))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, arrowRows(12), data)

	require.Equal(t, outcome{0, "12 rows were made again, the same as those saved: sha256-sum:00\n", ""},
		invoke(t, server, "", "datasets", "remake", "training"))
	require.Equal(t, outcome{0, "Deleted dataset training with 12 rows\n", ""}, invoke(t, server, "", "datasets", "delete", "training"))
	require.Equal(t, 2, invoke(t, server, "", "datasets", "delete").code)
}

func TestADatasetIsMadeByAJob(t *testing.T) {
	t.Parallel()
	server := newKeeper(t)
	got := invoke(t, server, "", "datasets", "make", "v", "--spine", writeSpine(t), "--name", "training", "--detach")
	require.Equal(t, outcome{0, "Started retrieve/prod/training/1, which makes dataset training\n", ""}, got)
	require.Equal(t, []string{"POST " + api.DatasetsPath + "?save_as=training&view=v&workspace=prod"}, server.asked)
	require.Equal(t, 2, invoke(t, server, "", "datasets", "make", "v").code)
}

func TestAResultIsSavedByName(t *testing.T) {
	t.Parallel()
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RawQuery
		w.Header().Set(api.RowsHeader, "12")
		w.Header().Set(api.DatasetHeader, "training")
		_, _ = w.Write(arrowRows(12))
	}))
	defer server.Close()
	got := invoke(t, &answers{Server: server}, "", "historical", "v", "--spine", writeSpine(t), "--save-as", "training")
	require.Equal(t, 0, got.code, got.errOut)
	require.Equal(t, "saved as dataset training, see tilery datasets describe training\n", got.errOut)
	require.Equal(t, "save_as=training&view=v&workspace=prod", asked)
}
