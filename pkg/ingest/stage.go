package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/registry"
)

// maxUploads bounds how often a path is staged; each upload stays until the frame goes.
const maxUploads = 16

// Frame is a data frame in the bucket. It is a small document, so that it can travel by
// reference.
type Frame struct {
	Workspace string       `json:"workspace"`
	Table     string       `json:"table"`
	Path      string       `json:"path"`   // that was reserved; Tecton's API calls it df_path
	Object    string       `json:"object"` // key in the bucket of what was uploaded
	Format    frame.Format `json:"format"`
	Bytes     int64        `json:"bytes"`
}

// ID is unique to the path, 26 letters and digits.
func (f Frame) ID() string {
	p, _ := parsePath(f.Path)
	return p.id
}

// place returns where the frame is; ErrNotFound if it is not where it says.
func (f Frame) place() (place, error) {
	p, err := parsePath(f.Path)
	if err == nil && (p.workspace != f.Workspace || p.table != f.Table) {
		err = fmt.Errorf("%w: %s is not one for feature table %s of workspace %s", ErrNotFound, f.Path, f.Table, f.Workspace)
	}
	return p, err
}

// Reserve returns a path that nobody has, for a frame of a table that is uploaded later.
// ErrRefused, or an error of the registry.
func (e *Engine) Reserve(ctx context.Context, workspace, table string) (path string, err error) {
	if _, err := e.table(ctx, workspace, table); err != nil {
		return "", err
	}
	return newPlace(workspace, table).path(), nil
}

// Stage writes a frame to a reserved path. What it holds is not judged yet. It may be
// staged again, up to 16 times and as long as it was not accepted; the newest counts.
// ErrTooLarge, ErrRefused, ErrNotFound for a path that was not reserved.
func (e *Engine) Stage(ctx context.Context, path string, format frame.Format, r io.Reader) (Frame, error) {
	p, err := parsePath(path)
	if err != nil {
		return Frame{}, err
	}
	if _, err := frame.ParseFormat(string(format)); err != nil {
		return Frame{}, fmt.Errorf("%w: %w", frame.ErrData, err)
	}
	if _, err := e.table(ctx, p.workspace, p.table); errors.Is(err, registry.ErrNotFound) {
		return Frame{}, fmt.Errorf("%w: %s: %w", ErrNotFound, path, err)
	} else if err != nil {
		return Frame{}, err
	}
	if err := e.mayStage(ctx, p); err != nil {
		return Frame{}, err
	}
	key := p.uploadKey(format)
	bytes, err := e.upload(ctx, key, r)
	if err != nil {
		return Frame{}, fmt.Errorf("stage %s: %w", path, err)
	}
	return Frame{Workspace: p.workspace, Table: p.table, Path: path, Object: key, Format: format, Bytes: bytes}, nil
}

func (e *Engine) mayStage(ctx context.Context, p place) error {
	_, err := e.Bucket.Stat(ctx, p.ticketKey())
	switch {
	case err == nil:
		return fmt.Errorf("%w %s: it was accepted already: reserve another path", ErrRefused, p.path())
	case !errors.Is(err, bucket.ErrNotFound):
		return fmt.Errorf("stage %s: %w", p.path(), err)
	}
	uploads := 0
	for _, err := range e.Bucket.List(ctx, p.uploads(), "") {
		if err != nil {
			return fmt.Errorf("stage %s: %w", p.path(), err)
		}
		if uploads++; uploads == maxUploads {
			return fmt.Errorf("%w %s: it was staged %d times: reserve another path", ErrRefused, p.path(), maxUploads)
		}
	}
	return nil
}

func (e *Engine) upload(ctx context.Context, key string, r io.Reader) (int64, error) {
	limit := e.Options.withDefaults().FrameBytes
	w, err := e.Bucket.Create(ctx, key)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return n, w.Close()
}

// Find returns the newest frame that was staged at a path of a table; ErrNotFound.
func (e *Engine) Find(ctx context.Context, workspace, table, path string) (Frame, error) {
	out := Frame{Workspace: workspace, Table: table, Path: path}
	p, err := out.place()
	if err != nil {
		return Frame{}, err
	}
	var newest bucket.Info
	for info, err := range e.Bucket.List(ctx, p.uploads(), "") {
		if err != nil {
			return Frame{}, fmt.Errorf("find %s: %w", path, err)
		}
		if newest.Key == "" || info.ModTime.After(newest.ModTime) {
			newest = info
		}
	}
	if newest.Key == "" {
		return Frame{}, fmt.Errorf("%w: nothing was uploaded to %s, or it was removed since", ErrNotFound, path)
	}
	out.Object, out.Bytes = newest.Key, newest.Size
	out.Format, err = p.uploadFormat(newest.Key)
	return out, err
}
