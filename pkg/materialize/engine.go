package materialize

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// ErrTooLarge is a window that does not fit into the configured memory and scratch
// space, or a part of one that nothing could hold.
var ErrTooLarge = errors.New("window is too large")

// Options bound one call of Build.
type Options struct {
	MemoryBytes  int64  // of the SQL engine; 0: 512 MiB
	BuilderBytes int64  // of the tiles or rows that it gathers, which are spilled past it; 0: two thirds of MemoryBytes
	ScratchBytes int64  // of spilled tiles or rows; 0: 20 times MemoryBytes
	Threads      int    // of the SQL engine; 0: 1
	ScratchDir   string // for spilling; empty: the system's
}

func (o Options) withDefaults() Options {
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 512 << 20
	}
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.BuilderBytes == 0 {
		o.BuilderBytes = o.MemoryBytes * 2 / 3
	}
	if o.ScratchBytes == 0 {
		o.ScratchBytes = o.MemoryBytes * 20
	}
	if o.ScratchDir == "" {
		o.ScratchDir = os.TempDir()
	}
	return o
}

// Engine materializes windows. It is safe for concurrent use.
type Engine struct {
	Bucket    bucket.Bucket
	Registry  *registry.Registry
	Sources   source.Batch
	Transform transform.Engine
	Offline   offline.Store
	Online    online.Store
	// Fences tell which rows deletions hold back; nil: none.
	Fences *forget.Store
	// Ledger tells what people hold back; without one nothing is held.
	Ledger      *ledger.Ledger
	Options     Options
	Maintenance Maintenance
}

// Progress is how far a step came; what it counts says the step.
type Progress struct {
	Rows     int64   `json:"rows"`
	Fraction float64 `json:"fraction,omitempty"` // of the SQL, 0 to 1
	// SpilledBytes is what a build has written to its scratch directory so far.
	SpilledBytes int64 `json:"spilled_bytes,omitempty"`
}

// Target returns the view as of a generation; 0 is the newest, whose store is the
// one that is filling if there is one.
func (e *Engine) Target(ctx context.Context, workspace string, generation int64, view string) (*Target, error) {
	g, err := e.generation(ctx, workspace, generation)
	if err != nil {
		return nil, err
	}
	return target(&g, view)
}

func target(g *registry.Generation, view string) (*Target, error) {
	v, err := g.View(view)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w: %w", g.Workspace, registry.ErrNotFound, err)
	}
	t, err := NewTarget(g.Workspace, g.Number, v)
	if err != nil {
		return nil, err
	}
	if stores, ok := g.Stores[view]; ok {
		t.Fingerprint = stores.Newest().Fingerprint
	}
	return t, nil
}

func (e *Engine) generation(ctx context.Context, workspace string, number int64) (registry.Generation, error) {
	if number == 0 {
		return e.Registry.Latest(ctx, workspace)
	}
	return e.Registry.Get(ctx, workspace, number)
}

// Table opens the target's offline table.
func (e *Engine) Table(ctx context.Context, t *Target, now window.Time) (offline.Table, error) {
	return e.Offline.Open(ctx, t.Table(now))
}

// snapshot returns the newest state of the target's offline table.
func (e *Engine) snapshot(ctx context.Context, t *Target, now window.Time) (offline.Snapshot, error) {
	table, err := e.Table(ctx, t, now)
	if err != nil {
		return offline.Snapshot{}, err
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return offline.Snapshot{}, fmt.Errorf("coverage of %s: %w", t.Store(), err)
	}
	return snapshot, nil
}
