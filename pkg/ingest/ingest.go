package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
)

var (
	// ErrNotFound is a staged frame that is not there, or no longer.
	ErrNotFound = errors.New("no such data frame")
	// ErrTooLarge is a frame past Options.FrameBytes, or whose rows take more than
	// Options.ScratchBytes to sort.
	ErrTooLarge = errors.New("data frame is too large")
	// ErrRefused is an ingest that the table cannot take whatever the frame: it is a view,
	// of a development workspace, or was changed or removed since the frame was accepted,
	// or has forgotten which keys were erased since.
	ErrRefused = errors.New("cannot ingest")
)

// Options bound one ingest. Zero values mean the defaults.
type Options struct {
	FrameBytes   int64         // of a staged frame: 8 GiB
	MemoryBytes  int64         // of the rows that are sorted in memory: 256 MiB
	ScratchBytes int64         // of spilled rows: 64 GiB
	ScratchDir   string        // empty: the system's
	MaxFuture    time.Duration // how far after now a timestamp may lie: 10 minutes
}

func (o Options) withDefaults() Options {
	o.FrameBytes = cmp.Or(o.FrameBytes, 8<<30)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, 256<<20)
	o.ScratchBytes = cmp.Or(o.ScratchBytes, 64<<30)
	o.ScratchDir = cmp.Or(o.ScratchDir, os.TempDir())
	o.MaxFuture = cmp.Or(o.MaxFuture, 10*time.Minute)
	return o
}

// Engine ingests data frames into feature tables. It is safe for concurrent use.
type Engine struct {
	Bucket  bucket.Bucket
	Tables  *materialize.Engine
	Fences  *forget.Store // nil: nothing is held back
	Options Options
}

// table returns a feature table as the newest generation has it, if frames may be
// ingested into it.
func (e *Engine) table(ctx context.Context, workspace, name string) (*materialize.Target, error) {
	kind, err := e.Tables.Registry.Workspace(ctx, workspace)
	if err != nil {
		return nil, err
	}
	if !kind.Live {
		return nil, fmt.Errorf("%w into %s: workspace %s is a development workspace, in which nothing is stored", ErrRefused, name, workspace)
	}
	t, err := e.Tables.Target(ctx, workspace, 0, name)
	switch {
	case err != nil:
		return nil, err
	case !t.View.Ingested:
		return nil, fmt.Errorf("%w into %s: it is a feature view, whose rows come from its sources", ErrRefused, name)
	case !t.View.Offline:
		return nil, fmt.Errorf("%w into %s: it has offline: false, so there is no store to write to", ErrRefused, name)
	}
	return t, nil
}

// accepted returns the table of a ticket as the newest generation has it; ErrRefused if
// its rows are stored elsewhere by now.
func (e *Engine) accepted(ctx context.Context, t Ticket) (*materialize.Target, error) {
	target, err := e.table(ctx, t.Workspace, t.Table)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("%w into %s: it was removed since the data frame was accepted", ErrRefused, t.Table)
	}
	if err == nil && target.Fingerprint != t.Fingerprint {
		return nil, fmt.Errorf("%w into %s: its definition was changed since the data frame was accepted, by generation %d: ingest it again", ErrRefused, t.Table, t.Generation)
	}
	return target, err
}
