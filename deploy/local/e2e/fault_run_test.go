package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/worker/host"
	"github.com/tilery/tilery/workflows"
)

// The backfill that is disturbed: three windows in two commits.
const (
	faultsView    = "user_clicks"
	faultsClock   = "fixed:2001-01-04T00:00:00Z"
	faultsWindows = 3
	faultsEnd     = 3 * time.Minute // of a job; a lost answer of a short activity costs one
)

// lane runs backfills one after the other in a namespace of its own.
type lane struct {
	address   string // of Temporal
	namespace string
	client    client.Client
	root      string // for data directories
	sources   string
	registry  string // of the bucket, to begin with
	jobs      int    // so far
}

// configuration has timeouts that soon end a call that is to hang, and none that
// a busy machine exceeds.
func (l *lane) configuration(dir string, w way) (config.Config, error) {
	c, err := config.Load("", func(name string) string {
		return map[string]string{
			"TILERY_DATA_DIR": dir, "TILERY_SOURCE_ROOT": l.sources, "TILERY_CLOCK": faultsClock, "TILERY_HTTP_LISTEN": "127.0.0.1:0",
			"TILERY_TEMPORAL_ADDRESS": l.address, "TILERY_TEMPORAL_NAMESPACE": l.namespace,
		}[name]
	})
	c.Retry.FailureBackoff = 100 * time.Millisecond
	c.BucketTimeout, c.OnlineTimeout = time.Minute, time.Minute
	if w == hang {
		c.BucketTimeout, c.OnlineTimeout, c.Temporal.Timeout = 500*time.Millisecond, 500*time.Millisecond, time.Second
	}
	return c, err
}

// backfill runs the job over new directories, with the injector in the way, and
// returns what the stores hold after it.
func (l *lane) backfill(ctx context.Context, i *injector) (contents []string, err error) {
	dir, err := os.MkdirTemp(l.root, "run-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := l.configuration(dir, i.way)
	if err != nil {
		return nil, err
	}
	h, err := host.StartWith(ctx, c, slog.New(slog.DiscardHandler), i.hooks())
	if err != nil {
		return nil, err
	}
	// Not before the start, at which a host reconciles the workspaces that it finds.
	err = os.CopyFS(filepath.Join(c.Bucket, "registry"), os.DirFS(l.registry))
	if err == nil {
		i.record()
		err = l.run(ctx)
		i.stop()
	}
	if err = errors.Join(err, h.Stop()); err != nil {
		return nil, err
	}
	return readContents(ctx, c)
}

func (l *lane) run(ctx context.Context) error {
	l.jobs++
	ctx, cancel := context.WithTimeout(ctx, faultsEnd)
	defer cancel()
	start := window.FromTime(january)
	end := start.Add(faultsWindows * 24 * time.Hour)
	job, err := l.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: fmt.Sprintf("faults-%d", l.jobs), TaskQueue: workflows.TaskQueueControl, WorkflowTaskTimeout: 2 * time.Second,
	}, workflows.Materialize, workflows.MaterializeInput{
		Workspace: "prod", View: faultsView, StartTime: &start, EndTime: &end,
		Parallelism: 1, CommitWindows: 2, HeartbeatTimeout: feature.Duration(3 * time.Second),
	})
	if err != nil {
		return err
	}
	var result workflows.MaterializeResult
	if err := job.Get(ctx, &result); err != nil {
		return errors.Join(err, l.client.TerminateWorkflow(context.WithoutCancel(ctx), job.GetID(), "", "it took too long"))
	}
	return nil
}

// readContents lists what the stores of a host that was stopped hold: rows,
// coverage and cells, without the versions and ids that differ from run to run.
func readContents(ctx context.Context, c config.Config) ([]string, error) {
	b, err := file.Open(c.Bucket)
	if err != nil {
		return nil, err
	}
	engine := &materialize.Engine{Registry: registry.New(b), Offline: delta.New(b, delta.Options{ScratchDir: c.Scratch})}
	target, err := engine.Target(ctx, "prod", 0, faultsView)
	if err != nil {
		return nil, err
	}
	table, err := engine.Table(ctx, target, window.FromTime(january))
	if err != nil {
		return nil, err
	}
	if err := audit(ctx, b, table.Spec().Path); err != nil {
		return nil, err
	}
	contents, err := readTable(ctx, table)
	if err != nil {
		return nil, err
	}
	cells, err := readCells(ctx, c.Online, target)
	return append(contents, cells...), err
}

// audit checks that no commit stands in the log twice (B3) and no window was
// committed twice (B2, B4). That live files exist (B1) shows when they are read.
func audit(ctx context.Context, b bucket.Bucket, table string) error {
	seen := map[string]bool{}
	once := func(what string) error {
		if seen[what] {
			return fmt.Errorf("%s stands twice in the log", what)
		}
		seen[what] = true
		return nil
	}
	for info, err := range b.List(ctx, table+"/_delta_log/", "") {
		if err != nil {
			return err
		}
		data, err := b.Get(ctx, info.Key)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			var action struct {
				CommitInfo *struct {
					Tilery struct {
						ID string `json:"commit_id"`
					}
				}
				Add *struct{ Path string }
				Txn *struct{ AppID string }
			}
			if err := json.Unmarshal([]byte(line), &action); err != nil {
				return err
			}
			switch {
			case action.CommitInfo != nil:
				err = once("commit " + action.CommitInfo.Tilery.ID)
			case action.Add != nil:
				err = once("file " + action.Add.Path)
			case action.Txn != nil:
				err = once("window " + action.Txn.AppID)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func readTable(ctx context.Context, table offline.Table) ([]string, error) {
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, f := range snapshot.Files {
		reader, err := table.OpenFile(ctx, f)
		if err != nil {
			return nil, err
		}
		for {
			rec, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, errors.Join(err, reader.Close())
			}
			text, err := rec.MarshalJSON()
			var objects []json.RawMessage
			if err == nil {
				err = json.Unmarshal(text, &objects)
			}
			if err != nil {
				return nil, errors.Join(err, reader.Close())
			}
			for _, object := range objects {
				rows = append(rows, string(object))
			}
		}
		if err := reader.Close(); err != nil {
			return nil, err
		}
	}
	slices.Sort(rows)
	return append(rows, fmt.Sprintf("covered %v", snapshot.Covered)), nil
}

func readCells(ctx context.Context, dir string, target *materialize.Target) (cells []string, err error) {
	store, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	status, _, ok, err := online.ReadStatus(ctx, store, target.Store())
	if err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("there is a status: %v", ok))
	}
	cells = append(cells, fmt.Sprintf("covered online %v watermark %v", status.Covered, status.Watermark))
	for item, err := range store.Scan(ctx, target.CellStore(status.Epoch)) {
		if err != nil {
			return nil, err
		}
		item.Key.Store = ""
		cells = append(cells, fmt.Sprintf("%+v tombstone %v value %x", item.Key, item.Cell.Tombstone, item.Cell.Value))
	}
	return cells, nil
}
