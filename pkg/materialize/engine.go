package materialize

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// ErrTooLarge is a window that does not fit into the configured memory.
var ErrTooLarge = errors.New("window is too large")

// Options bound one call of Build.
type Options struct {
	MemoryBytes  int64  // of the SQL engine; 0: 512 MiB
	BuilderBytes int64  // of the tiles or rows that it gathers; 0: two thirds of MemoryBytes
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
	// Ledger tells what people hold back; without one nothing is held.
	Ledger  *ledger.Ledger
	Options Options
}

// Progress is how far a step came; what it counts says the step.
type Progress struct {
	Rows     int64   `json:"rows"`
	Fraction float64 `json:"fraction,omitempty"` // of the SQL, 0 to 1
}

// Target returns the view as of a generation; 0 is the newest.
func (e *Engine) Target(ctx context.Context, workspace string, generation int64, view string) (*Target, error) {
	g, err := e.generation(ctx, workspace, generation)
	if err != nil {
		return nil, err
	}
	v, err := g.View(view)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w: %w", workspace, registry.ErrNotFound, err)
	}
	return NewTarget(workspace, g.Number, v)
}

// OnlineViews returns the views of the newest generation whose online store
// follows an offline one; only the named one if a name is given, which is ErrRange
// if it has no online store.
func (e *Engine) OnlineViews(ctx context.Context, workspace, name string) ([]*Target, error) {
	if name != "" {
		t, err := e.Target(ctx, workspace, 0, name)
		if err != nil {
			return nil, err
		}
		if !t.View.Online {
			return nil, fmt.Errorf("%w: view %s has online: false", ErrRange, name)
		}
		return []*Target{t}, nil
	}
	g, err := e.Registry.Latest(ctx, workspace)
	if err != nil {
		return nil, err
	}
	var out []*Target
	for _, definition := range g.BatchFeatureViews {
		if !definition.Online {
			continue
		}
		view, err := g.View(definition.Name)
		if err != nil {
			return nil, err
		}
		t, err := NewTarget(workspace, g.Number, view)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
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
