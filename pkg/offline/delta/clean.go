package delta

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// CleanLog implements offline.Maintainer. It deletes all that the log holds of
// versions before the newest checkpoint that is older than keep: a version that is
// younger was put into a hole, since the checkpoint came after all others.
//
// It goes by the order of versions, so that what is left is the end of the log
// whenever it is stopped: a listing shows no gap, and while a checkpoint is there,
// so are the versions after it. A listing that was made before may name what is
// gone: its reader lists again, and finds the checkpoint.
//
// Keep must be at least 20 times Options.SnapshotAge: whoever has listed the log
// within 10 times that age goes by it without asking for a checkpoint.
// Without a checkpoint that is old enough, Checkpoint is -1 in the result.
func (t *table) CleanLog(ctx context.Context, keep time.Duration) (offline.CleanResult, error) {
	result, err := t.history.clean(ctx, keep)
	if err != nil {
		return offline.CleanResult{}, fmt.Errorf("clean log of %q: %w", t.spec.Path, err)
	}
	return result, nil
}

func (h *history) clean(ctx context.Context, keep time.Duration) (offline.CleanResult, error) {
	if least := 2 * h.opts.trustAge(); keep < least {
		return offline.CleanResult{}, fmt.Errorf("%v are to be kept, at least %v are needed", keep, least)
	}
	old := window.FromTime(h.opts.Now().Add(-keep))
	base, err := h.oldCheckpoint(ctx, old)
	if err != nil {
		return offline.CleanResult{}, err
	}
	if base.number < 0 {
		return offline.CleanResult{Checkpoint: -1}, nil
	}
	// Other readers may go by the hint, so it must not name what is deleted.
	if err := h.putHint(ctx, base); err != nil {
		return offline.CleanResult{}, err
	}
	deleted, err := h.deleteBefore(ctx, base.number)
	return offline.CleanResult{Checkpoint: base.number, Deleted: deleted, Oldest: base.number}, err
}

// oldCheckpoint returns the state of the newest checkpoint that was written before
// a time and can be read, or of no table.
func (h *history) oldCheckpoint(ctx context.Context, before window.Time) (*state, error) {
	found, err := h.list(ctx, -1)
	if err != nil {
		return nil, err
	}
	for _, number := range slices.Backward(found.checkpoints) {
		info, err := h.bucket.Stat(ctx, checkpointKey(h.path, number))
		if err != nil {
			return nil, fmt.Errorf("look at checkpoint: %w", err)
		}
		if window.FromTime(info.ModTime) > before {
			continue
		}
		s, _, err := h.restoreNewest(ctx, listing{checkpoints: []int64{number}})
		if err != nil || s != nil {
			return s, err
		}
	}
	return h.empty, nil
}

// deleteBefore deletes what the log holds of versions before a number, and returns
// how many objects those were.
func (h *history) deleteBefore(ctx context.Context, number int64) (deleted int, err error) {
	for info, err := range h.bucket.List(ctx, logFolder(h.path), "") {
		if err != nil {
			return deleted, fmt.Errorf("list log: %w", err)
		}
		of, _, ok := parseLogKey(h.path, info.Key)
		if ok && of >= number {
			break
		}
		if !ok {
			continue
		}
		if err := h.bucket.Delete(ctx, info.Key); err != nil {
			return deleted, fmt.Errorf("delete: %w", err)
		}
		deleted++
	}
	return deleted, nil
}
