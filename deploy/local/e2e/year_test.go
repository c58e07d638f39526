package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// yearWindows is how many windows of an hour the year's view has.
const yearWindows = 365 * 24

// yearRepository makes a directory with the view's definition.
func yearRepository(t *testing.T, incremental bool) string {
	t.Helper()
	return deviceRepository(t, "", fmt.Sprintf("incremental_backfills: %v", incremental))
}

// yearSource makes the year's files and returns their directory.
func yearSource(t *testing.T) string {
	t.Helper()
	made, dir := filepath.Join(t.TempDir(), "made"), t.TempDir()
	query(t, "year_events.sql", "to="+made)
	files, err := filepath.Glob(filepath.Join(made, "*/*.parquet"))
	require.NoError(t, err)
	require.Len(t, files, 12)
	for i, file := range files {
		require.NoError(t, os.Rename(file, filepath.Join(dir, fmt.Sprintf("%02d.parquet", i+1))))
	}
	return dir
}

// workerProcess is a worker beside a Temporal server that lives on.
type workerProcess struct {
	command *exec.Cmd
	http    string
}

func startWorker(t *testing.T, s *stack, source, now string, flags ...string) *workerProcess {
	t.Helper()
	w := &workerProcess{command: exec.Command(filepath.Join(bin, "tilery-worker"), flags...)}
	w.command.Env = s.workerEnvironment(source, now)
	out, err := w.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, w.command.Start())
	t.Cleanup(func() { _ = w.command.Process.Kill() }) // of no effect once it has ended
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the worker ended")
	_, err = fmt.Sscanf(line, "Tilery serves %s ", &w.http)
	require.NoError(t, err, line)
	return w
}

// workerEnvironment is that of a worker over the stack's directory.
func (s *stack) workerEnvironment(source, now string) []string {
	return append(os.Environ(), "TILERY_DATA_DIR="+s.dir, "TILERY_SOURCE_ROOT="+source, "TILERY_CLOCK=fixed:"+now,
		"TILERY_HTTP_LISTEN=127.0.0.1:0", "TILERY_TEMPORAL_ADDRESS="+s.Endpoints.Temporal)
}

func (w *workerProcess) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, w.command.Process.Kill())
	require.Error(t, w.command.Wait())
}

// run is one run of a workflow, as the temporal command line describes it.
type run struct {
	Execution struct{ WorkflowID, RunID string }
	Status    string
	Length    string `json:"historyLength"`
}

// runs lists the runs of a workflow, those that continued as new included.
func (s *stack) runs(t *testing.T, id string) []run {
	t.Helper()
	out, err := s.temporalCLI(t, "workflow", "list", "--query", "WorkflowId="+fmt.Sprintf("%q", id))
	require.NoError(t, err)
	var found []run
	require.NoError(t, json.Unmarshal([]byte(out), &found), out)
	return found
}

// commits counts the commits of the only offline table, 0 before there is one.
func commits(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "bucket/offline/prod/*/*/_delta_log/*.json"))
	require.NoError(t, err)
	return len(found)
}

// TestAYearOfHoursOutlivesItsWorkers_B2 builds 8,760 windows, each by an activity
// of its own, while the worker is killed every few seconds. No window is lost, none
// is committed twice, and the stores equal those of an undisturbed backfill that
// computes many windows with one query.
func TestAYearOfHoursOutlivesItsWorkers_B2(t *testing.T) {
	const (
		seed      = 20010106
		now       = "2002-01-01T00:00:00Z"
		id        = "materialize/prod/" + deviceReadings + "/all-all"
		maxEvents = 10_000
	)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	source := yearSource(t)

	quiet := t.TempDir()
	s := startStackWith(t, quiet, "-source-root", source, "-clock", "fixed:"+now)
	before := time.Now()
	s.tilery(t, "plan", yearRepository(t, false))
	planned := time.Since(before)
	require.Less(t, planned, 2*time.Second)
	s.tilery(t, "apply", yearRepository(t, false), "--yes")
	s.tilery(t, "materialize", deviceReadings)
	s.stop(t)
	want := readStores(t, quiet, "year_rows.sql")

	dir := t.TempDir()
	s = startStackWith(t, dir, "-temporal-only")
	w := startWorker(t, s, source, now)
	s.Endpoints.HTTP = w.http
	s.tilery(t, "apply", yearRepository(t, true), "--yes")
	s.tilery(t, "materialize", deviceReadings, "--detach", "--heartbeat-timeout", "3s", "--parallelism", "16", "--commit-windows", "64")
	kills := 0
	// A few seconds, told by the backfill itself: a number of further commits.
	for next := 1; next < yearWindows/64; kills++ {
		next += 1 + random.IntN(7)
		waitFor(t, 5*time.Minute, "the backfill moves on", func() bool { return commits(t, dir) >= min(next, yearWindows/64) })
		w.kill(t)
		w = startWorker(t, s, source, now)
	}
	waitFor(t, time.Minute, "the job ends", func() bool {
		found := s.runs(t, id)
		return len(found) > 0 && strings.HasSuffix(found[0].Status, "COMPLETED")
	})
	runs := s.runs(t, id)
	longest := 0
	for _, r := range runs {
		n := 0
		_, err := fmt.Sscan(r.Length, &n)
		require.NoError(t, err)
		longest = max(longest, n)
	}
	require.Less(t, longest, maxEvents)
	require.Positive(t, longest)
	w.kill(t)
	s.stop(t)

	times := map[string]int{}
	readLog(t, dir, func(l logLine) {
		if l.Txn != nil && strings.HasPrefix(l.Txn.AppID, "w/") {
			times[l.Txn.AppID]++
		}
	})
	require.Len(t, times, yearWindows)
	for window, n := range times {
		require.Equal(t, 1, n, window)
	}
	requireServes(t, want, readStores(t, dir, "year_rows.sql"))
	t.Logf("planned in %v; %d windows, %d kills, %d runs, the longest history has %d events", planned, yearWindows, kills, len(runs), longest)
}
