package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// How much is deleted from: ten rows a person, of whom one in a hundred goes.
const (
	scalePeople = 1_000_000
	scaleNow    = "2001-02-01T00:00:00Z"

	scaleBefore = 12 // frames that are accepted before their keys are deleted; the first is ingested before
	scaleAfter  = 2  // that are accepted after it
)

// scaleSettings make many steps of a deletion, and the wait in it short.
const scaleSettings = `
online_timeout: 5s
retry: {failure_backoff: 1s}
deletion: {grace: 5s, batch_bytes: 4194304}
`

// TestDeletionAtScale deletes keys from a view of rows, one of tiles and a feature table.
// The view of rows and the table are written to meanwhile, and the worker is killed three
// times. Then other programs find none of the keys and all else as it was, and when the
// old versions have gone, no byte of a key is left in the bucket.
func TestDeletionAtScale(t *testing.T) {
	const seed = 20010109
	t.Logf("seed %d", seed)
	d := newScale(t, seed)
	d.fill(t)
	before := d.cells(t)

	d.deleteQuietly(t, "visits", before["visits"].deleted, "--datasets")
	d.requireDatasets(t, "visits", api.DeletedDataset{Name: "of-visits", Removed: true})
	after := d.deleteWhileWritten(t)
	d.requireDatasets(t, "purchases", api.DeletedDataset{Name: "of-purchases"})
	d.requireRows(t, "purchases", "false")
	d.requireRows(t, "visits", "false")
	d.requireRows(t, "accounts", fmt.Sprintf("frame >= %d", after))

	cells := d.cells(t)
	for _, view := range []string{"purchases", "visits"} {
		require.Zero(t, cells[view].deleted, view)
		requireSameCells(t, view, before[view].kept, cells[view].kept)
	}
	d.requireNewest(t, cells["accounts"].times, fmt.Sprintf("frame >= %d", after))

	d.deleteQuietly(t, "accounts", cells["accounts"].deleted)
	d.requireNothingLeft(t)
}

// scale is a stack whose worker is killed, with what it is to delete.
type scale struct {
	*stack
	source   string // of the views, with the frames and the keys
	settings string
	random   *rand.Rand
	worker   *workerProcess
	jobs     map[string]string // of the last deletion of a view
	frames   map[int]string    // the paths of frames that are accepted
	temporal sdk.Client
}

func newScale(t *testing.T, seed uint64) *scale {
	t.Helper()
	source := t.TempDir()
	query(t, "scale_data.sql", "to="+source, fmt.Sprintf("people=%d", scalePeople), fmt.Sprintf("frames=%d", scaleBefore+scaleAfter),
		"purchases="+scaleTables["purchases"].deleted, "visits="+scaleTables["visits"].deleted, "accounts="+scaleTables["accounts"].deleted)
	settings := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(settings, []byte(scaleSettings), 0o600))
	d := &scale{
		stack: startStackWith(t, t.TempDir(), "-temporal-only"), source: source, settings: settings,
		random: rand.New(rand.NewPCG(seed, 0)), jobs: map[string]string{}, frames: map[int]string{},
	}
	var err error
	d.temporal, err = sdk.DialContext(t.Context(), sdk.Options{
		HostPort: d.Endpoints.Temporal, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(d.temporal.Close)
	d.start(t)
	d.tilery(t, "apply", "testdata/scale", "--yes")
	return d
}

func (d *scale) start(t *testing.T) {
	t.Helper()
	d.worker = startWorker(t, d.stack, d.source, scaleNow, "-config", d.settings)
	d.Endpoints.HTTP = d.worker.http
}

func (d *scale) stopWorker(t *testing.T) {
	t.Helper()
	require.NoError(t, d.worker.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, d.worker.command.Wait())
}

func (d *scale) client() *client.Client { return client.New(d.Endpoints.HTTP) }

// fill fills the stores, and saves a dataset of each view.
func (d *scale) fill(t *testing.T) {
	t.Helper()
	d.ingest(t, 0)
	for _, view := range []string{"purchases", "visits"} {
		d.tilery(t, "materialize", view)
		d.tilery(t, "historical", view, "--spine", filepath.Join(d.source, view+"-spine.parquet"), "--timestamp-key", "ts", "--save-as", "of-"+view)
	}
	d.waitForJob(t, d.frames[0])
	for view := range scaleTables {
		deleted, all := d.rowsAt(t, view, -1)
		t.Logf("%s: %d rows, of which %d are to be deleted", view, all, deleted)
	}
}

// ingest has a frame accepted.
func (d *scale) ingest(t *testing.T, number int) {
	t.Helper()
	info, err := d.client().DataFrameInfo(t.Context(), api.DataFrameInfoRequest{Workspace: "prod", FeatureView: "accounts"})
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(d.source, fmt.Sprintf("frames/part=%d/*.parquet", number)))
	require.NoError(t, err)
	require.Len(t, files, 1)
	file, err := os.Open(files[0])
	require.NoError(t, err)
	defer file.Close()
	_, err = d.client().StageFrame(t.Context(), info.Path, file, frame.Parquet)
	require.NoError(t, err)
	_, err = d.client().IngestDataFrame(t.Context(), api.IngestRequest{Workspace: "prod", FeatureView: "accounts", Path: info.Path})
	require.NoError(t, err)
	d.frames[number] = info.Path
}

// waitForJob waits until a workflow has succeeded.
func (d *scale) waitForJob(t *testing.T, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, d.temporal.GetWorkflow(ctx, id, "").Get(ctx, nil), id)
}

// delete starts a deletion of the keys of a view.
func (d *scale) delete(t *testing.T, view string, flags ...string) {
	t.Helper()
	out := d.tilery(t, append([]string{"delete-keys", view, filepath.Join(d.source, view+".csv"), "--yes", "-o", "json"}, flags...)...)
	var started api.DeleteKeysResponse
	require.NoError(t, json.Unmarshal([]byte(out), &started), out)
	require.Len(t, started.JobIDs, 1)
	d.jobs[view] = started.JobIDs[0]
}

// deleteQuietly deletes the keys of a view while nothing else goes on: the receipt counts
// every cell.
func (d *scale) deleteQuietly(t *testing.T, view string, cells int, flags ...string) {
	t.Helper()
	d.start(t)
	d.delete(t, view, flags...)
	receipt := d.requireReceipt(t, view)
	require.Equal(t, int64(cells), receipt.Stores[0].Cells)
}

// deleteWhileWritten deletes the keys of the view of rows and of the table. Windows are
// built again and frames ingested meanwhile: begun before, they lose the keys; frames
// that are accepted later bring them back, and the result is the first of these. What is
// bought is to be forgotten, so later windows bring nothing back.
func (d *scale) deleteWhileWritten(t *testing.T) (after int) {
	t.Helper()
	d.tilery(t, "materialize", "purchases", "--overwrite", "--start", "2001-01-10", "--end", "2001-01-22", "--detach", "--commit-windows", "2",
		"--heartbeat-timeout", "5s")
	for number := 1; number < scaleBefore; number++ {
		d.ingest(t, number)
	}
	d.delete(t, "purchases", "--forget-until", "now")
	d.delete(t, "accounts")

	rewritten := 1 + d.random.IntN(4)
	d.killWhen(t, fmt.Sprintf("%d batches are rewritten", rewritten), func() bool {
		return files(t, d.dir, "deletions/prod/purchases", "-done.json") >= rewritten
	})
	d.killWhen(t, "the rows are erased", func() bool { return d.erased(t, "purchases") >= 0 })
	d.killWhen(t, "the cells are erased", func() bool { return files(t, d.dir, "deletions/prod/purchases", "-online.json") > 0 })

	waitFor(t, 5*time.Minute, "the table's rows are erased", func() bool { return d.erased(t, "accounts") >= 0 })
	after = scaleBefore
	for number := after; number < scaleBefore+scaleAfter; number++ {
		d.ingest(t, number)
	}
	for _, path := range d.frames {
		d.waitForJob(t, path)
	}
	d.waitForJob(t, "materialize/prod/purchases/2001-01-10T00:00:00Z-2001-01-22T00:00:00Z")
	for _, view := range []string{"purchases", "accounts"} {
		receipt := d.requireReceipt(t, view)
		if view == "purchases" {
			require.Equal(t, scalePeople/100, receipt.Keys)
		}
		windows, frames := d.committedAfter(t, view, d.erased(t, view))
		t.Logf("%s: %d windows and %d frames were committed after the erasure", view, windows, frames)
	}
	return after
}

// killWhen kills the worker at a point of the deletion of what was bought, and starts another.
func (d *scale) killWhen(t *testing.T, what string, reached func() bool) {
	t.Helper()
	waitFor(t, 5*time.Minute, what, reached)
	d.worker.kill(t)
	require.Zero(t, files(t, d.dir, "receipts/prod/purchases", ""), "the deletion has ended already")
	t.Logf("killed when %s", what)
	d.start(t)
}

// requireReceipt waits for the receipt of the last deletion of a view, and compares it
// with what delta-rs reads of the versions before and after.
func (d *scale) requireReceipt(t *testing.T, view string) (receipt api.DeletionReceipt) {
	t.Helper()
	d.waitForJob(t, "delete-keys/prod/"+view+"/"+d.jobs[view])
	receipt, err := d.client().DeletionReceipt(t.Context(), "prod", view, d.jobs[view])
	require.NoError(t, err)
	require.Len(t, receipt.Stores, 1)
	store := receipt.Stores[0]
	deleted, _ := d.rowsAt(t, view, store.Version-1)
	left, all := d.rowsAt(t, view, store.Version)
	require.Positive(t, deleted)
	require.Equal(t, deleted, store.Rows, view)
	require.Zero(t, left, view)
	require.Equal(t, all, store.VerifiedRows, view)
	require.NotNil(t, receipt.OldVersionsUntil)
	require.WithinDuration(t, receipt.DoneAt.Add(week+week/4), *receipt.OldVersionsUntil, time.Second)
	require.Nil(t, receipt.VacuumedAt)
	return receipt
}

// week is how long what was removed is kept.
const week = 7 * 24 * time.Hour

func (d *scale) requireDatasets(t *testing.T, view string, want ...api.DeletedDataset) {
	t.Helper()
	receipt, err := d.client().DeletionReceipt(t.Context(), "prod", view, d.jobs[view])
	require.NoError(t, err)
	require.Equal(t, want, receipt.Datasets)
	var listed struct {
		Datasets []struct{ Name string } `json:"datasets"`
	}
	require.NoError(t, json.Unmarshal([]byte(d.tilery(t, "datasets", "list", "-o", "json")), &listed))
	for _, dataset := range want {
		named := slices.ContainsFunc(listed.Datasets, func(l struct{ Name string }) bool { return l.Name == dataset.Name })
		require.Equal(t, dataset.Removed, !named, dataset.Name)
	}
}
