package serve_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
)

// measuredYAML adds to testdata a source with arrays and narrow numbers, and a view of
// its rows.
const measuredYAML = `
kind: BatchSource
name: measurements
batch_config: {uri: measurements.json, file_format: json, timestamp_field: ts, data_delay: 2h}
schema:
  - {name: user, type: Int64}
  - {name: ts, type: Timestamp}
  - {name: small, type: Int32}
  - {name: single, type: Float32}
  - {name: flags, type: "Array[Bool]"}
  - {name: ids, type: "Array[Int64]"}
  - {name: words, type: "Array[String]"}
  - {name: vectors, type: "Array[Array[Float32]]"}
---
kind: BatchFeatureView
name: measured
entities: [user]
sources: [measurements]
mode: sql
transformation: |
  SELECT *, CAST(['nan', 'inf', '-inf', '0.1'] AS DOUBLE[]) AS specials, list_transform(ids, lambda x: CAST(x % 10 AS INTEGER)) AS digits
  FROM measurements
timestamp_field: ts
feature_start_time: 2001-01-04
batch_schedule: 1d
online: true
offline: true
`

func TestArraysAndNarrowNumbersAreServedAsTheyWereRead(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	require.NoError(t, os.WriteFile(filepath.Join(s.root, "measurements.json"), []byte(
		`{"user": 1, "ts": "2001-01-04 01:00:00", "small": 1, "words": ["old"]}
{"user": 1, "ts": "2001-01-04 02:00:00", "small": -2147483648, "single": 0.1, "flags": [true, null], "ids": [1234567890123456789, null, -3], "words": ["<a>", ""], "vectors": [[0.1, null], null, []]}
{"user": 2, "ts": "2001-01-04 02:00:00", "small": null, "flags": [], "ids": [], "words": [], "vectors": []}
{"user": 3, "ts": "2001-01-04 02:00:00"}
`), 0o600))
	files := append(s.definitions(nil), repository.File{Path: "measured.yaml", Content: measuredYAML})
	status, body := s.post(api.ApplyPath, api.ApplyRequest{PlanRequest: api.PlanRequest{Workspace: "prod", Files: files}})
	require.Equal(t, http.StatusOK, status, body)
	s.fill(0, 1, "measured")

	const specials = `["NaN","Infinity","-Infinity",0.1]`
	for user, want := range map[int64]string{
		1: `["9",null,"-3"],[true,null],["1234567890123456789",null,"-3"],0.1,"-2147483648",` + specials + `,[[0.1,null],null,[]],["\u003ca\u003e",""]`,
		2: `[],[],[],null,null,` + specials + `,[],[]`,
		3: `null,null,null,null,null,` + specials + `,null,null`,
		4: `null,null,null,null,null,null,null,null`,
	} {
		status, body := s.post(api.GetFeaturesPath, strings.Replace(ask(user, ""), "spending", "measured", 1))
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, `{"result":{"features":[`+want+"]}}\n", body, "user %d", user)
	}

	_, body = s.post(api.GetFeaturesPath, strings.Replace(ask(1, described), "spending", "measured", 1))
	var response api.GetFeaturesResponse
	require.NoError(t, json.Unmarshal([]byte(body), &response))
	types := map[string]string{}
	for _, f := range response.Metadata.Features {
		types[strings.TrimPrefix(f.Name, "measured.")] = f.DataType.String()
	}
	require.Equal(t, map[string]string{
		"small": "int64", "single": "float32", "flags": "array<boolean>", "ids": "array<int64>", "words": "array<string>",
		"vectors": "array<array<float32>>", "specials": "array<float64>", "digits": "array<int64>",
	}, types)
	require.Contains(t, body, `"dataType":{"type":"array","elementType":{"type":"array","elementType":{"type":"float32"}}}`)
}
