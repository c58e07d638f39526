package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	january      = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	firstWindow  = january.AddDate(0, 0, -7) // the longest window before the view's start
	totalWindows = 38
	windows      = []string{"1h", "6h", "1d", "7d"}
)

// TestOfflineEqualsTheOracle combines tiles by hand at 200 seeded times.
func TestOfflineEqualsTheOracle(t *testing.T) {
	const seed = 20010101
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	edges := map[time.Time]bool{january: true} // before every flight: all windows are empty
	for len(edges) < 200 {
		edges[january.Add(time.Duration(random.IntN(31*24+1))*time.Hour)] = true
	}
	var times []time.Time
	for edge := range edges {
		times = append(times, edge)
	}
	want := judged(t, "oracle.sql", times)
	requireSame(t, want, judged(t, "tiles.sql", times, "table="+table(t, undisturbed(t).dir)))
	t.Logf("%d cells with flights at %d times are equal", len(want), len(times))
}

// TestOnlineEqualsTheOracle materializes up to ten ends, one after the other, and
// reads every airport at each.
func TestOnlineEqualsTheOracle(t *testing.T) {
	const seed = 20010102
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ends := random.Perm(30)[:9]
	slices.Sort(ends)
	s := startStack(t, t.TempDir())
	s.tilery(t, "apply", examples, "--yes")
	airports := []string{"nowhere", ""}
	for _, row := range query(t, "airports.sql", "flights="+flights) {
		airports = append(airports, row[0].(string))
	}
	start, cells := firstWindow, 0
	for _, day := range append(ends, 30) {
		edge := january.AddDate(0, 0, day+1)
		s.tilery(t, "materialize", view, "--start", start.Format(time.DateOnly), "--end", edge.Format(time.DateOnly))
		want := judged(t, "oracle.sql", []time.Time{edge})
		got := map[cell]features{}
		for _, airport := range airports {
			s.readOnline(t, airport, edge, got)
		}
		requireSame(t, want, got)
		cells += len(want)
		start = edge
	}
	s.stop(t)
	t.Logf("%d cells with flights at 10 leading edges, %d airports, are equal", cells, len(airports))
}

// readOnline adds the airport's features at the leading edge. A window without
// flights must be null and MISSING_DATA in all three features.
func (s *stack) readOnline(t *testing.T, airport string, edge time.Time, out map[cell]features) {
	t.Helper()
	request, err := json.Marshal(map[string]any{"params": map[string]any{
		"featureViewName": view, "workspaceName": "prod", "joinKeyMap": map[string]any{"origin": airport},
		"metadataOptions": map[string]any{"includeNames": true, "includeEffectiveTimes": true, "includeServingStatus": true},
	}})
	require.NoError(t, err)
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoints.HTTP+"/api/v1/feature-service/get-features", bytes.NewReader(request))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(post)
	require.NoError(t, err)
	defer answer.Body.Close()
	var response struct {
		Result   struct{ Features []any }
		Metadata struct {
			Features []struct {
				Name, Status  string
				EffectiveTime time.Time
			}
		}
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&response))
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Len(t, response.Result.Features, 3*len(windows))
	values := map[string]any{}
	for i, m := range response.Metadata.Features {
		require.Equal(t, edge, m.EffectiveTime)
		require.Equal(t, response.Result.Features[i] == nil, m.Status == "MISSING_DATA", "%s of %s", m.Name, airport)
		values[m.Name] = response.Result.Features[i]
	}
	for _, w := range windows {
		name := func(function string) string { return fmt.Sprintf("%s.delay_%s_%s_1h", view, function, w) }
		if values[name("count")] == nil {
			require.Nil(t, values[name("mean")])
			require.Nil(t, values[name("max")])
			continue
		}
		f := features{mean: values[name("mean")].(float64)}
		f.count, err = strconv.ParseInt(values[name("count")].(string), 10, 64)
		require.NoError(t, err)
		f.max, err = strconv.ParseInt(values[name("max")].(string), 10, 64)
		require.NoError(t, err)
		out[cell{edge.UnixMicro(), airport, w}] = f
	}
}

// TestIndependentReaders lets DuckDB's delta extension and delta-rs read the table.
func TestIndependentReaders(t *testing.T) {
	path := table(t, undisturbed(t).dir)
	want := query(t, "totals_raw.sql", "flights="+flights)
	duckdb := query(t, "totals.sql", "tiles=delta_scan('"+path+"')", "extension="+extension)
	require.Equal(t, want, duckdb, "DuckDB")
	require.Equal(t, want, query(t, "totals.sql", "tiles=tiles", "engine=delta-rs", "table="+path), "delta-rs")
	t.Logf("rows, airports, flights, sum and maximum of delay: %v", want[0])
}
