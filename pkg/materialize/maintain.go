package materialize

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Maintenance says what maintenance keeps, and for how long in real time. Zero values
// mean the defaults. For how long data files stay that no snapshot needs is the
// offline store's own retention, since its writers go by it.
type Maintenance struct {
	Retention       time.Duration // of what jobs handed on: 7 days
	LogRetention    time.Duration // of versions in the log: 7 days
	StoreRetention  time.Duration // of stores that no definition uses: 7 days
	CheckpointEvery int64         // versions: 100
	TargetFileBytes int64         // of compacted files: 256 MiB
}

const week = 7 * 24 * time.Hour

// WithDefaults puts the defaults in place of what is zero.
func (m Maintenance) WithDefaults() Maintenance {
	return Maintenance{
		Retention:       cmp.Or(m.Retention, week),
		LogRetention:    cmp.Or(m.LogRetention, week),
		StoreRetention:  cmp.Or(m.StoreRetention, week),
		CheckpointEvery: cmp.Or(m.CheckpointEvery, 100),
		TargetFileBytes: m.TargetFileBytes, // the offline store has the default
	}
}

// epochRetention is how long cells stay after another filling took their place: more
// than the requests and the attempts take that may be in the middle.
const epochRetention = 24 * time.Hour

// MaintainRequest asks for one step of maintenance.
type MaintainRequest struct {
	ID         string // unique to this call, the same in each attempt
	Job        string // who asks
	DryRun     bool   // count what would be removed and change nothing
	OnProgress func(Progress)
}

func (r MaintainRequest) report(n int64) {
	if r.OnProgress != nil {
		r.OnProgress(Progress{Rows: n})
	}
}

// Maintained tells what one step did, or by a dry run would have done.
type Maintained struct {
	Removed int64    `json:"removed"`          // files, objects or fillings
	Added   int64    `json:"added,omitempty"`  // files
	Bytes   int64    `json:"bytes,omitempty"`  // of what was removed
	Stores  []string `json:"stores,omitempty"` // view/fingerprint, of those that are removed
	More    bool     `json:"more,omitempty"`   // another call would find work
}

// Existing returns the target's offline table; nil if there is none, since to open it
// would make it.
func (e *Engine) Existing(ctx context.Context, t *Target, now window.Time) (offline.Table, error) {
	for _, err := range e.Bucket.List(ctx, t.Table(now).Path+"/", "") {
		if err != nil {
			return nil, fmt.Errorf("look for the store of %s: %w", t.View.Name, err)
		}
		return e.Table(ctx, t, now)
	}
	return nil, nil
}

// Compact makes larger files of small ones. A dry run does not tell which.
func (e *Engine) Compact(ctx context.Context, t *Target, now window.Time, r MaintainRequest) (Maintained, error) {
	table, err := e.Existing(ctx, t, now)
	if err != nil || table == nil || r.DryRun {
		return Maintained{}, err
	}
	result, err := table.Compact(ctx, offline.CompactRequest{
		ID: r.ID, Job: r.Job, TargetBytes: e.Maintenance.TargetFileBytes, OnProgress: r.report,
	})
	return Maintained{Removed: int64(result.Removed), Added: int64(result.Added), Bytes: result.Bytes, More: result.More}, err
}

// TrimLog writes a checkpoint if the last one is old, and deletes old versions before
// one. A dry run does nothing.
func (e *Engine) TrimLog(ctx context.Context, t *Target, now window.Time, r MaintainRequest) (Maintained, error) {
	table, err := e.Existing(ctx, t, now)
	if err != nil || table == nil || r.DryRun {
		return Maintained{}, err
	}
	options := e.Maintenance.WithDefaults()
	if _, err := table.Checkpoint(ctx, options.CheckpointEvery); err != nil {
		return Maintained{}, err
	}
	result, err := table.CleanLog(ctx, options.LogRetention)
	return Maintained{Removed: int64(result.Deleted)}, err
}

// Vacuum deletes data files that the table does not need any more.
func (e *Engine) Vacuum(ctx context.Context, t *Target, now window.Time, r MaintainRequest) (Maintained, error) {
	table, err := e.Existing(ctx, t, now)
	if err != nil || table == nil {
		return Maintained{}, err
	}
	result, err := table.Vacuum(ctx, offline.VacuumRequest{ID: r.ID, Job: r.Job, DryRun: r.DryRun, OnProgress: r.report})
	return Maintained{Removed: int64(result.Files), Bytes: result.Bytes, More: result.More}, err
}

// DropCells removes the cells of fillings of the online store that were replaced long
// enough ago.
func (e *Engine) DropCells(ctx context.Context, t *Target, r MaintainRequest) (Maintained, error) {
	dropped, err := e.dropReplaced(ctx, t, realNow().Add(-epochRetention), r.DryRun)
	return Maintained{Removed: int64(dropped)}, err
}
