package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	sources "github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

const day = 24 * time.Hour

// Ages in days that the clock is moved on to. The store's retention is 7 days, so
// the checkpoint holds tombstones, and later all is old enough to be deleted.
const (
	checkpointAge = 6 * day
	vacuumAge     = 8 * day
)

// world is a bucket, the events, and an engine over both.
type world struct {
	dir    string
	events source
	engine *materialize.Engine
	ahead  time.Duration // of the store's clock
}

func newWorld(o options) (*world, error) {
	w := &world{dir: o.dir, events: source{filepath.Join(o.dir, "events"), o.seed}}
	for _, dir := range []string{"events", "scratch", "rows"} {
		if err := os.MkdirAll(filepath.Join(o.dir, dir), 0o700); err != nil {
			return nil, err
		}
	}
	bucket, err := file.Open(filepath.Join(o.dir, "bucket"))
	if err != nil {
		return nil, err
	}
	local, err := sources.NewLocal(w.events.dir)
	if err != nil {
		return nil, err
	}
	scratch := filepath.Join(o.dir, "scratch")
	w.engine = &materialize.Engine{
		Bucket: bucket, Sources: local, Transform: duckdb.Engine{},
		Offline: delta.New(bucket, delta.Options{
			ScratchDir: scratch, RowGroupRows: 500,
			Now: func() time.Time { return time.Now().Round(0).Add(w.ahead) },
		}),
		Options: materialize.Options{ScratchDir: scratch},
	}
	return w, nil
}

// step is a part of a table's history: windows [from, to) are built and committed,
// of the events of a revision.
type step struct {
	from, to int
	revision uint64
	empty    bool // the events of the windows are gone
}

// Windows 9 and 20 never have events, window 13 loses its own, and window 28 lies
// in a day that the last commits begin. What is overwritten after the compaction
// lies within files that it made.
var (
	before = []step{{from: 0, to: 9}, {from: 9, to: 10, empty: true}, {from: 10, to: 20}, {from: 20, to: 21, empty: true}, {from: 21, to: 24}}
	again  = []step{{from: 5, to: 8, revision: 1}, {from: 13, to: 14, revision: 1, empty: true}, {from: 5, to: 6, revision: 2}}
	after  = []step{{from: 24, to: 28}, {from: 28, to: windows}, {from: 2, to: 3, revision: 3}}
)

// writeTables writes the tables, and into dir what is to be read of them.
func writeTables(ctx context.Context, o options, out io.Writer) error {
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	var described []description
	for _, view := range views() {
		d, err := w.writeTable(ctx, view)
		if err != nil {
			return fmt.Errorf("table of %s: %w", view.Name, err)
		}
		described = append(described, d)
		fmt.Fprintf(out, "%s: %d columns; %d rows in %d files at version %d; checkpoint %d, %d objects of the log and %d files deleted\n",
			d.Name, len(d.Columns), d.Head.rows, d.Head.files, d.Head.Version, d.Checkpoint, d.deletedLog, d.deletedFiles)
	}
	return writeJSON(filepath.Join(w.dir, "tables.json"), described)
}

// writeTable lives through the history of a view's table. All views have the same
// events in the end.
func (w *world) writeTable(ctx context.Context, view feature.View) (description, error) {
	w.ahead = 0
	target, err := materialize.NewTarget("prod", 1, view)
	if err != nil {
		return description{}, err
	}
	t, err := w.engine.Table(ctx, target, start.Add(windows*schedule))
	if err != nil {
		return description{}, err
	}
	h := &history{world: w, target: target, table: t}
	if err := h.commit(ctx, before...); err != nil {
		return description{}, err
	}
	if _, err := t.Checkpoint(ctx, 1); err != nil { // which a later one replaces
		return description{}, err
	}
	if err := h.commit(ctx, again...); err != nil {
		return description{}, err
	}
	d := w.describe(target, t)
	if err := h.maintain(ctx, &d); err != nil {
		return description{}, err
	}
	if d.Earlier, err = w.dump(ctx, t, view.Name+"-earlier"); err != nil {
		return description{}, err
	}
	if err := h.commit(ctx, after...); err != nil {
		return description{}, err
	}
	d.Head, err = w.dump(ctx, t, view.Name+"-head")
	return d, err
}

// history is the table of a view while it is written.
type history struct {
	*world
	target *materialize.Target
	table  offline.Table
	ids    int
}

func (h *history) id() string {
	h.ids++
	return fmt.Sprintf("%s-%d", h.target.View.Name, h.ids)
}

func (h *history) commit(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		for n := s.from; n < s.to; n++ {
			if err := h.events.write(n, s.revision, s.empty); err != nil {
				return err
			}
		}
		id := h.id()
		builds, err := h.engine.Build(ctx, h.target, h.table, materialize.BuildRequest{
			Range: window.Interval{Start: at(s.from).Start, End: at(s.to - 1).End}, OneRun: true,
			ReadAt: start.Add(365*day) + window.Time(h.ids), Attempt: id,
		})
		if err != nil {
			return err
		}
		result, err := h.table.Commit(ctx, offline.Commit{ID: id, Job: "readers", Generation: 1, Overwrite: true, Builds: builds})
		if err != nil {
			return err
		}
		for i, outcome := range result.Outcomes {
			if outcome != offline.Committed {
				return fmt.Errorf("window %v is %s", builds[i].Window, outcome)
			}
		}
	}
	return nil
}

// maintain does all the maintenance, and checks that none of it was idle.
func (h *history) maintain(ctx context.Context, d *description) error {
	compacted, err := h.table.Compact(ctx, offline.CompactRequest{ID: h.id(), Job: "readers", MinFiles: 3})
	if err != nil {
		return err
	}
	h.ahead = checkpointAge
	if d.Checkpoint, err = h.table.Checkpoint(ctx, 1); err != nil {
		return err
	}
	h.ahead = vacuumAge
	cleaned, err := h.table.CleanLog(ctx, day)
	if err != nil {
		return err
	}
	vacuumed, err := h.table.Vacuum(ctx, offline.VacuumRequest{ID: h.id(), Job: "readers"})
	if err != nil {
		return err
	}
	if compacted.Removed == 0 || compacted.Version != d.Checkpoint || cleaned.Oldest != d.Checkpoint || vacuumed.Files < compacted.Removed {
		return fmt.Errorf("maintenance was idle: compaction %+v, checkpoint %d, log %+v, vacuum %+v", compacted, d.Checkpoint, cleaned, vacuumed)
	}
	d.deletedLog, d.deletedFiles = cleaned.Deleted, vacuumed.Files
	for version := range d.Checkpoint {
		name := filepath.Join(d.Path, "_delta_log", fmt.Sprintf("%020d.json", version))
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("version %d is still there: %w", version, err)
		}
	}
	return nil
}
