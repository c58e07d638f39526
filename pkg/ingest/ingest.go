package ingest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNotFound is a staged frame that is not there, or no longer.
	ErrNotFound = errors.New("no such data frame")
	// ErrTooLarge is a frame past Options.FrameBytes.
	ErrTooLarge = errors.New("data frame is too large")
	// ErrRefused is an ingest that the table cannot take whatever the frame: it is a view,
	// or of a development workspace.
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

// Engine ingests data frames into feature tables. It is safe for concurrent use.
type Engine struct {
	Bucket  bucket.Bucket
	Tables  *materialize.Engine
	Fences  *forget.Store
	Options Options
}

// Frame is a data frame in the bucket. It is a small document, so that it can travel by
// reference.
type Frame struct {
	Workspace string       `json:"workspace"`
	Table     string       `json:"table"`
	Path      string       `json:"path"` // key in the bucket, which Tecton's API calls df_path
	Format    frame.Format `json:"format"`
	Bytes     int64        `json:"bytes"`
}

// Reserve returns a path that nobody has, for a frame of a table that is uploaded later.
// ErrRefused, or an error of the registry.
func (e *Engine) Reserve(ctx context.Context, workspace, table string) (path string, err error) {
	panic("todo")
}

// Stage writes a frame to a reserved path. What it holds is not judged yet. It may be
// staged again, as long as it was not accepted. ErrTooLarge.
func (e *Engine) Stage(ctx context.Context, path string, format frame.Format, r io.Reader) (Frame, error) {
	panic("todo")
}

// Find returns a staged frame of a table; ErrNotFound.
func (e *Engine) Find(ctx context.Context, workspace, table, path string) (Frame, error) {
	panic("todo")
}

// Ticket is the place of a frame in the order of ingests.
type Ticket struct {
	Frame
	// Sequence orders ingests of a table: at equal timestamps the greater wins.
	Sequence   int64 `json:"sequence"`
	Generation int64 `json:"generation"` // whose definition the frame is read by
	Fence      int64 `json:"fence"`      // of the table: what was erased since is left out
}

// Accept gives a frame its place, once: accepted again, it has the same. ErrRefused.
func (e *Engine) Accept(ctx context.Context, f Frame, now window.Time) (Ticket, error) { panic("todo") }

// BuildRequest asks to make files of an accepted frame.
type BuildRequest struct {
	Ticket
	Attempt    string // tells the files of two tries apart
	Now        window.Time
	OnProgress func(rows, spilledBytes int64) // may be nil
}

// Built is a frame whose rows are durable and invisible.
type Built struct {
	Manifest   string      `json:"manifest"` // key in the bucket
	Rows       int64       `json:"rows"`     // that are to be added
	Bytes      int64       `json:"bytes"`
	Duplicates int64       `json:"duplicates,omitempty"` // rows that a later row of the frame replaced
	Forgotten  int64       `json:"forgotten,omitempty"`  // rows that a fence held back
	Dropped    []string    `json:"dropped,omitempty"`    // columns that the table does not have
	Start      window.Time `json:"start,omitzero"`       // of the rows' timestamps, both inclusive
	End        window.Time `json:"end,omitzero"`
}

// Build reads, checks and sorts a frame and makes its files durable. frame.ErrData is
// the fault of the frame, named by row and column; nothing was written then.
func (e *Engine) Build(ctx context.Context, r BuildRequest) (Built, error) { panic("todo") }

// Commit makes a built frame visible offline. id is unique to the call.
func (e *Engine) Commit(ctx context.Context, t Ticket, manifest, id, job string, now window.Time) (offline.CommitResult, error) {
	panic("todo")
}

// Discard removes a staged frame and what was made on the way; what was committed stays.
func (e *Engine) Discard(ctx context.Context, f Frame) error { panic("todo") }

// Sweep removes frames of a workspace that were staged before a time, and were not
// ingested since.
func (e *Engine) Sweep(ctx context.Context, workspace string, before time.Time) (removed int64, err error) {
	panic("todo")
}
