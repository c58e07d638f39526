package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/bucket/file"
	tilery "github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// deaths are the points of an ingest at which its worker is killed. Those come first
// after which Temporal waits for longest.
var deaths = []point{
	{"while a frame is uploaded", "^Close ingest/.*/frame-", 1, false},
	{"before a place in the order is claimed", "^PutIfAbsent ingest/.*/order/", 1, false},
	{"when the place is claimed and no ticket tells", "^PutIfAbsent ingest/.*/order/", 1, true},
	{"when the ticket is written", "^PutIfAbsent ingest/.*/ticket.json", 1, true},
	{"before the frame is removed", "^Delete ingest/.*/frames/", 1, false},
	{"when half of the frame is removed", "^Delete ingest/.*/frames/", 2, true},
	{"while the frame is read", "^GetRange ingest/.*/frame-", 2, false},
	{"before a data file is begun", "^Create offline/.*parquet", 1, false},
	{"before a data file is whole", "^Close offline/.*parquet", 2, false},
	{"when one data file of several is whole", "^Close offline/.*parquet", 1, true},
	{"before the manifest is written", "^PutIfAbsent ingest/.*/build-", 1, false},
	{"when the manifest is written", "^PutIfAbsent ingest/.*/build-", 1, true},
	{"before the commit", "^PutIfAbsent offline/.*/_delta_log/", 1, false},
	{"when the commit is there", "^PutIfAbsent offline/.*/_delta_log/", 1, true},
	{"before Temporal hears of a step", "^temporal RespondActivityTaskCompleted", 4, false},
	{"between the commit and the online store", "^write cells", 1, false},
	{"in the middle of the cells", "^write cells", 2, false},
	{"before the status is written", "^write status", 1, false},
	{"when the status is written", "^write status", 1, true},
}

// randomDeaths are at any call of an ingest, or of another one that goes on meanwhile.
const randomDeaths = 8

// maxFrames bounds the frames that are ingested until a worker dies: a random point may
// lie behind the last call that one of them causes.
const maxFrames = 4

// TestIngestsSurviveKillsAtNamedAndRandomPoints ingests frames full of ties while one
// worker after the other kills itself with SIGKILL, and nobody waits for the ingests that
// this holds up: they end in another order than they began. Every frame must be in both
// stores once, in the order of the tickets, as rows of an oracle that shares no code.
func TestIngestsSurviveKillsAtNamedAndRandomPoints(t *testing.T) {
	const seed = 20010108
	t.Logf("seed %d", seed)
	k := newIngestKiller(t, seed)
	calls := k.quietly(t)
	for _, p := range deaths {
		k.killAt(t, p)
	}
	for range randomDeaths {
		n := 1 + int(k.random.Float64()*float64(calls)) // a few calls more or less make no other point
		k.killAt(t, point{Name: fmt.Sprintf("call %d of %d", n, calls), N: n, After: k.random.IntN(2) == 1})
	}
	oracle := k.finish(t)
	requireTapsOnline(t, k.worker, oracle)
	k.requireTapsOffline(t, oracle)
	k.requireAllSucceeded(t)
	k.worker.stop(t)
	k.stack.stop(t)

	requireTaps(t, oracle.stored, foreignTaps(t, k.stack.dir, "taps_rows.sql"))
	latest := map[tap]bool{}
	for _, row := range oracle.latest {
		latest[row] = true
	}
	requireTaps(t, latest, foreignTaps(t, k.stack.dir, "taps_latest.sql"))
	b, err := file.Open(filepath.Join(k.stack.dir, "bucket"))
	require.NoError(t, err)
	path, err := filepath.Rel(filepath.Join(k.stack.dir, "bucket"), table(t, k.stack.dir))
	require.NoError(t, err)
	require.NoError(t, audit(t.Context(), b, filepath.ToSlash(path)))
	staged := "ingest/prod/" + tapsTable + "/frames"
	require.Equal(t, files(t, k.stack.dir, staged, "ticket.json"), files(t, k.stack.dir, staged, ""), "nothing but tickets stays staged")
	t.Logf("%d kills, %d frames, %d rows, of which %d count", len(deaths)+randomDeaths, len(k.frames), len(oracle.stored), len(latest))
}

// ingestKiller ingests frames by workers that die.
type ingestKiller struct {
	seed     uint64
	stack    *stack // Temporal alone
	temporal client.Client
	source   string
	random   *rand.Rand
	worker   *mortalWorker
	frames   []*tapsFrame
}

// tapsFrame is a frame on its way.
type tapsFrame struct {
	taps    []tap
	path    string // once it is reserved
	staged  bool
	started bool

	ended  chan struct{} // closed when the job has
	result struct{ Sequence, Rows, Duplicates int64 }
	err    error // of the job
}

func newIngestKiller(t *testing.T, seed uint64) *ingestKiller {
	t.Helper()
	s := startStackWith(t, t.TempDir(), "-temporal-only")
	dialed, err := client.DialContext(t.Context(), client.Options{
		HostPort: s.Endpoints.Temporal, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(dialed.Close)
	return &ingestKiller{seed: seed, stack: s, temporal: dialed, source: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0))}
}

func (k *ingestKiller) start(t *testing.T, p point) {
	t.Helper()
	k.worker = startMortal(t, k.stack, k.source, tapsNow, p)
	k.stack.Endpoints.HTTP = k.worker.http
}

// quietly makes the table and ingests a frame undisturbed; it returns how many calls
// that took.
func (k *ingestKiller) quietly(t *testing.T) (calls int) {
	t.Helper()
	k.start(t, point{})
	repository := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(repository, "features.yaml"), []byte(tapsYAML), 0o600))
	k.stack.tilery(t, "apply", repository, "--yes")
	f := k.frame()
	require.NoError(t, k.advance(t.Context(), f))
	k.wait(t, f)
	return k.worker.stop(t)
}

// killAt ingests frames until the worker has died at a point.
func (k *ingestKiller) killAt(t *testing.T, p point) {
	t.Helper()
	k.start(t, p)
	for range maxFrames {
		f := k.frame()
		if err := k.advance(t.Context(), f); err != nil {
			t.Logf("killed %s: %s", p.Name, k.worker.note(t))
			return
		}
		select {
		case <-k.worker.dead:
			t.Logf("killed %s: %s", p.Name, k.worker.note(t))
			return
		case <-f.ended:
		case <-time.After(upTime):
		}
	}
	require.Fail(t, "the worker lives on", p.Name)
}

// finish lets a worker live until every frame is ingested.
func (k *ingestKiller) finish(t *testing.T) *tapsOracle {
	t.Helper()
	k.start(t, point{})
	if last := k.frames[len(k.frames)-1]; !last.started {
		require.NoError(t, k.advance(t.Context(), last))
	}
	oracle, places := newTapsOracle(), map[int64]bool{}
	for _, f := range k.frames {
		k.wait(t, f)
		require.False(t, places[f.result.Sequence], "two frames have place %d", f.result.Sequence)
		places[f.result.Sequence] = true
		before := len(oracle.stored)
		oracle.add(f.taps, f.result.Sequence)
		require.Equal(t, int64(len(oracle.stored)-before), f.result.Rows)
		require.Equal(t, tapsRows-f.result.Rows, f.result.Duplicates)
	}
	return oracle
}

// frame is the newest one if its job is not started yet, and else another.
func (k *ingestKiller) frame() *tapsFrame {
	if n := len(k.frames); n > 0 && !k.frames[n-1].started {
		return k.frames[n-1]
	}
	f := &tapsFrame{ended: make(chan struct{})}
	k.frames = append(k.frames, f)
	f.taps = drawTaps(k.seed, len(k.frames))
	return f
}

// advance takes the steps of an ingest that were not answered yet. It fails when the
// worker dies; then the next one is asked.
func (k *ingestKiller) advance(ctx context.Context, f *tapsFrame) error {
	if k.worker.http == "" {
		return errors.New("the worker died before it served")
	}
	c := tilery.New(k.worker.http)
	if f.path == "" {
		info, err := c.DataFrameInfo(ctx, api.DataFrameInfoRequest{Workspace: "prod", FeatureView: tapsTable})
		if err != nil {
			return err
		}
		f.path = info.Path
	}
	if !f.staged {
		if _, err := c.StageFrame(ctx, f.path, strings.NewReader(tapsCSV(f.taps)), frame.CSV); err != nil {
			return err
		}
		f.staged = true
	}
	if _, err := c.IngestDataFrame(ctx, api.IngestRequest{Workspace: "prod", FeatureView: tapsTable, Path: f.path}); err != nil {
		return err
	}
	f.started = true
	go func() {
		f.err = k.temporal.GetWorkflow(ctx, f.path, "").Get(ctx, &f.result)
		close(f.ended)
	}()
	return nil
}

// wait waits until a job has succeeded.
func (k *ingestKiller) wait(t *testing.T, f *tapsFrame) {
	t.Helper()
	select {
	case <-f.ended:
		require.NoError(t, f.err, f.path)
	case <-k.worker.dead:
		require.Fail(t, "the worker ended", "%s", &k.worker.log)
	case <-time.After(3 * time.Minute):
		require.Fail(t, "the job does not end", f.path)
	}
}

// requireTapsOnline asks for every till.
func requireTapsOnline(t *testing.T, w *mortalWorker, oracle *tapsOracle) {
	t.Helper()
	c := tilery.New(w.http)
	now, err := time.Parse(time.RFC3339, tapsNow)
	require.NoError(t, err)
	for _, key := range allTills() {
		answer, err := c.GetFeatures(t.Context(), api.GetFeaturesParams{
			WorkspaceName: "prod", FeatureViewName: tapsTable, JoinKeyMap: map[string]any{"card": key.card, "shop": key.shop},
		})
		require.NoError(t, err)
		features := answer.Result.Features // by their names
		require.Len(t, features, 2)
		require.Equal(t, oracle.features(key, now), text(t, features[0])+" "+text(t, features[1]), "%+v", key)
	}
}

// requireTapsOffline asks for every till at the time of a row, a microsecond before one,
// and at any other time.
func (k *ingestKiller) requireTapsOffline(t *testing.T, oracle *tapsOracle) {
	t.Helper()
	var keys []till
	var times []time.Time
	spine := "card,shop,when\n"
	for _, key := range allTills() {
		instant := tapsFirst.Add(time.Duration(k.random.IntN(tapsInstants)) * tapsStep)
		for _, at := range []time.Time{
			instant, instant.Add(-time.Microsecond), tapsFirst.Add(time.Duration(k.random.Int64N(int64(tapsInstants * tapsStep)))).Truncate(time.Microsecond),
		} {
			keys, times = append(keys, key), append(times, at)
			spine += fmt.Sprintf("%d,%s,%s\n", key.card, key.shop, at.Format(time.RFC3339Nano))
		}
	}
	out := filepath.Join(t.TempDir(), "taps.ndjson")
	k.stack.tilery(t, "historical", tapsTable, "--spine", writeFrame(t, spine), "--timestamp-key", "when", "--out", out)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	n := 0
	for line := range strings.Lines(string(data)) {
		var row struct {
			Label json.RawMessage `json:"taps.label"`
			N     json.RawMessage `json:"taps.n"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.Equal(t, oracle.features(keys[n], times[n]), fmt.Sprintf("%s %s", row.Label, row.N), "%+v at %v", keys[n], times[n])
		n++
	}
	require.Len(t, keys, n)
}

// requireAllSucceeded asks the ledger and Temporal for the jobs: a frame has one.
func (k *ingestKiller) requireAllSucceeded(t *testing.T) {
	t.Helper()
	listed, err := tilery.New(k.worker.http).ListJobs(t.Context(), api.ListJobsRequest{Workspace: "prod", FeatureView: tapsTable, Limit: 1000})
	require.NoError(t, err)
	require.Len(t, listed.Jobs, len(k.frames))
	for _, job := range listed.Jobs {
		require.Equal(t, "INGEST", job.JobType)
		require.Equal(t, api.JobSuccess, job.State, "%+v", job)
	}
	count := func(query string) int {
		counted, err := k.temporal.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		require.NoError(t, err)
		return int(counted.GetCount())
	}
	waitFor(t, time.Minute, "Temporal lists every job as completed", func() bool {
		return count("WorkflowType = 'Ingest' AND ExecutionStatus = 'Completed'") == len(k.frames) && count("WorkflowType = 'Ingest'") == len(k.frames)
	})
}
