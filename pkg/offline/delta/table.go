package delta

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// table implements offline.Table.
type table struct {
	spec    offline.Spec // with the table's own partition
	bucket  bucket.Bucket
	opts    Options
	history *history
	fences  fenceSets
}

// Spec implements offline.Table.
func (t *table) Spec() offline.Spec { return t.spec }

// NewWriter implements offline.Table.
func (t *table) NewWriter(ctx context.Context, w window.Interval, readAt window.Time, attempt string) (offline.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if t.spec.Sequence != "" {
		return nil, fmt.Errorf("write window %v of %q: its rows belong to no window", w, t.spec.Path)
	}
	out, err := newWriter(t, w, readAt, attempt)
	if err != nil {
		return nil, fmt.Errorf("write window %v of %q: %w", w, t.spec.Path, err)
	}
	return out, nil
}

// Snapshot implements offline.Table.
func (t *table) Snapshot(ctx context.Context) (offline.Snapshot, error) {
	s, err := t.history.advance(ctx, false)
	if err != nil {
		return offline.Snapshot{}, fmt.Errorf("snapshot of %q: %w", t.spec.Path, err)
	}
	return s.snapshot(), nil
}

// SnapshotAt implements offline.Table.
func (t *table) SnapshotAt(ctx context.Context, version int64) (offline.Snapshot, error) {
	s, err := t.history.advance(ctx, false)
	if err != nil {
		return offline.Snapshot{}, fmt.Errorf("snapshot of %q: %w", t.spec.Path, err)
	}
	out, err := t.history.snapshotAt(ctx, s, version)
	if err != nil {
		return offline.Snapshot{}, fmt.Errorf("snapshot of %q at version %d: %w", t.spec.Path, version, err)
	}
	return out, nil
}

// Changes implements offline.Table.
func (t *table) Changes(ctx context.Context, after, upTo int64) ([]offline.Change, error) {
	s, err := t.history.advance(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("changes of %q: %w", t.spec.Path, err)
	}
	if after < 0 || upTo < after || upTo > s.number {
		return nil, fmt.Errorf("changes of %q: versions (%d, %d] of %d are asked for", t.spec.Path, after, upTo, s.number)
	}
	out, err := t.history.changes(ctx, s, after, upTo)
	if err != nil {
		return nil, fmt.Errorf("changes of %q in versions (%d, %d]: %w", t.spec.Path, after, upTo, err)
	}
	return out, nil
}

// OpenFile implements offline.Table.
func (t *table) OpenFile(ctx context.Context, f offline.File) (offline.Reader, error) {
	return t.openFile(ctx, f, offline.Selection{})
}

func (t *table) openFile(ctx context.Context, f offline.File, s offline.Selection) (*reader, error) {
	r, err := openReader(ctx, t.bucket, t.spec, f, s)
	if errors.Is(err, bucket.ErrNotFound) && t.wasRemoved(ctx, f) {
		return nil, fmt.Errorf("open file %s of %q: %w: it was removed and vacuumed", f.Path, t.spec.Path, offline.ErrHistoryGone)
	}
	if err != nil {
		return nil, fmt.Errorf("open file %s of %q: %w", f.Path, t.spec.Path, err)
	}
	return r, nil
}

// wasRemoved reports whether f was committed and is no longer live.
func (t *table) wasRemoved(ctx context.Context, f offline.File) bool {
	s, err := t.history.advance(ctx, false)
	if err != nil || f.Seq == 0 {
		return false
	}
	_, live := s.files[f.Path]
	return !live
}
