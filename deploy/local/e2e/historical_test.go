package e2e_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// TestHistoricalFeaturesEqualTheOracle asks for every airport at random instants,
// by CSV over HTTP and by Parquet from the Go client. An instant's features are those
// at the last midnight.
func TestHistoricalFeaturesEqualTheOracle(t *testing.T) {
	const seed = 20010103
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(undisturbed(t).dir)))
	s := startStack(t, dir)

	spine, midnights := "origin,at,row\n", map[time.Time]bool{}
	airports := []string{"nowhere"}
	for _, row := range query(t, "airports.sql", "flights="+flights) {
		airports = append(airports, row[0].(string))
	}
	rows := 0
	for _, airport := range airports {
		for range 40 {
			at := january.Add(time.Duration(random.Int64N(int64(31 * 24 * time.Hour)))).Truncate(time.Microsecond)
			midnights[at.Truncate(24*time.Hour)] = true
			spine += fmt.Sprintf("%s,%s,%d\n", airport, at.Format(time.RFC3339Nano), rows)
			rows++
		}
	}
	var edges []time.Time
	for edge := range midnights {
		edges = append(edges, edge)
	}
	want := judged(t, "oracle.sql", edges)

	got := s.historicalCSV(t, spine)
	require.Len(t, got, rows)
	cells := requireHistorical(t, want, got)
	t.Logf("%d cells with flights of %d rows are equal", cells, rows)

	file := filepath.Join(t.TempDir(), "spine.csv")
	require.NoError(t, os.WriteFile(file, []byte(spine), 0o600))
	parquet := strings.TrimSuffix(file, ".csv") + ".parquet"
	query(t, "to_parquet.sql", "from="+file, "to="+parquet)
	got = s.historicalClient(t, parquet)
	require.Len(t, got, rows)
	require.Equal(t, cells, requireHistorical(t, want, got))
	s.stop(t)
}

// historicalCSV returns the rows of the result, by their columns' names.
func (s *stack) historicalCSV(t *testing.T, spine string) []map[string]string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		s.Endpoints.HTTP+"/api/v1/historical-features?workspace=prod&view="+view, strings.NewReader(spine))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "text/csv")
	r.Header.Set("Accept", "text/csv")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", body)
	require.Empty(t, answer.Header.Get("Tilery-Uncovered"))
	lines, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		out = append(out, row)
	}
	return out
}

// historicalClient is historicalCSV by the Go client, with a Parquet file.
func (s *stack) historicalClient(t *testing.T, path string) []map[string]string {
	t.Helper()
	spine, err := os.Open(path)
	require.NoError(t, err)
	defer spine.Close()
	result, err := client.New(s.Endpoints.HTTP).HistoricalFeatures(t.Context(), client.HistoricalRequest{
		Workspace: "prod", View: view, TimestampKey: "at", Spine: spine, SpineFormat: frame.Parquet,
	})
	require.NoError(t, err)
	defer result.Close()
	require.Empty(t, result.Report.Uncovered)
	var out []map[string]string
	for {
		rec, err := result.Next()
		if errors.Is(err, io.EOF) {
			require.Len(t, out, int(result.Report.Rows))
			return out
		}
		require.NoError(t, err)
		out = append(out, textRows(rec)...)
	}
}

// textRows are the rows of a record as text.
func textRows(rec arrow.Record) []map[string]string {
	out := make([]map[string]string, rec.NumRows())
	for row := range out {
		out[row] = map[string]string{}
		for i, column := range rec.Columns() {
			text := ""
			if column.IsValid(row) {
				text = column.ValueStr(row)
			}
			if at, ok := column.(interface{ Value(int) arrow.Timestamp }); ok {
				text = at.Value(row).ToTime(arrow.Microsecond).Format("2006-01-02T15:04:05.000000Z")
			}
			out[row][rec.ColumnName(i)] = text
		}
	}
	return out
}

// requireHistorical compares each row with the oracle at its midnight and returns how
// many cells had flights.
func requireHistorical(t *testing.T, want map[cell]features, got []map[string]string) int {
	t.Helper()
	cells := 0
	for i, row := range got {
		require.Equal(t, strconv.Itoa(i), row["row"], "the order of the spine")
		at, err := time.Parse(time.RFC3339Nano, row["at"])
		require.NoError(t, err)
		for _, w := range windows {
			text := func(function string) string { return row[fmt.Sprintf("%s.delay_%s_%s_1h", view, function, w)] }
			c := cell{at.Truncate(24 * time.Hour).UnixMicro(), row["origin"], w}
			expected, ok := want[c]
			if !ok {
				require.Equal(t, []string{"", "", ""}, []string{text("count"), text("mean"), text("max")}, "%+v", c)
				continue
			}
			cells++
			mean, err := strconv.ParseFloat(text("mean"), 64)
			require.NoError(t, err)
			require.Equal(t, strconv.FormatInt(expected.count, 10), text("count"), "%+v", c)
			require.Equal(t, strconv.FormatInt(expected.max, 10), text("max"), "%+v", c)
			require.InDelta(t, expected.mean, mean, 1e-9*expected.magnitude, "%+v", c)
		}
	}
	return cells
}

var block = regexp.MustCompile("(?ms)^```(sh|python)\n(.*?)^```$")

// TestTheTrainingSetOfTheGuideIsMade runs what stands in docs/historical.md, one
// block after the other.
func TestTheTrainingSetOfTheGuideIsMade(t *testing.T) {
	page, err := os.ReadFile("../../../docs/historical.md")
	require.NoError(t, err)
	s := startStack(t, t.TempDir())
	dir := t.TempDir()
	absolute := func(path string) string {
		path, err := filepath.Abs(path)
		require.NoError(t, err)
		return path
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "examples"), 0o700))
	require.NoError(t, os.Symlink(absolute(examples), filepath.Join(dir, "examples", "flights")))
	var out bytes.Buffer
	blocks := block.FindAllStringSubmatch(string(page), -1)
	require.GreaterOrEqual(t, len(blocks), 6)
	for _, b := range blocks {
		code := strings.ReplaceAll(b[2], "http://127.0.0.1:7474", s.Endpoints.HTTP)
		command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", code)
		if b[1] == "python" {
			command = exec.CommandContext(t.Context(), absolute(python), "-c", code)
		}
		command.Dir = dir
		command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TILERY_SERVER="+s.Endpoints.HTTP, "TILERY_TEMPORAL_ADDRESS="+s.Endpoints.Temporal)
		command.Stdout, command.Stderr = &out, &out
		require.NoError(t, command.Run(), "%s\n%s", code, &out)
	}
	require.Contains(t, out.String(), "20000 rows in training.parquet")
	require.Contains(t, out.String(), "origin,date,airport_delays.delay_count_1h_1h")
	t.Log(out.String())
	s.stop(t)
}
