package delta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
)

// Checkpoint implements offline.Maintainer. It returns -1 when there is no
// checkpoint and none is due.
func (t *table) Checkpoint(ctx context.Context, every int64) (int64, error) {
	number, err := t.history.checkpoint(ctx, max(every, 1))
	if err != nil {
		return 0, fmt.Errorf("checkpoint of %q: %w", t.spec.Path, err)
	}
	return number, nil
}

func (h *history) checkpoint(ctx context.Context, every int64) (int64, error) {
	s, err := h.advance(ctx, true)
	if err != nil {
		return 0, err
	}
	newest, err := h.newestCheckpoint(ctx)
	if err != nil {
		return 0, err
	}
	if s.number-newest.number >= every {
		if err := h.putCheckpoint(ctx, s); err != nil {
			return 0, err
		}
		newest = s
	}
	if newest.number < 0 {
		return -1, nil
	}
	// Also when it is another call's, which may have been stopped before the hint.
	return newest.number, h.putHint(ctx, newest)
}

// newestCheckpoint returns the state of the newest checkpoint that can be read, or
// of no table.
func (h *history) newestCheckpoint(ctx context.Context) (*state, error) {
	found, err := h.list(ctx, -1)
	if err != nil {
		return nil, err
	}
	s, _, err := h.restoreNewest(ctx, found)
	if err == nil && s == nil {
		return h.empty, nil
	}
	return s, err
}

// putCheckpoint writes s as an object, unless it is there.
func (h *history) putCheckpoint(ctx context.Context, s *state) error {
	data, err := s.encode(h.horizon(s))
	if err != nil {
		return err
	}
	key := checkpointKey(h.path, s.number)
	err = bucket.Claim(ctx, h.bucket, key, data)
	if !errors.Is(err, bucket.ErrExists) {
		return err
	}
	if _, err := h.restore(ctx, s.number); err == nil {
		return nil // the same, by another clock: it holds other tombstones
	}
	// Nobody can read it, so nobody misses it.
	if err := h.bucket.Put(ctx, key, data); err != nil {
		return fmt.Errorf("replace %s, which cannot be read: %w", key, err)
	}
	return nil
}

// lastCheckpoint is Delta's hint at the newest checkpoint.
type lastCheckpoint struct {
	Version int64 `json:"version"`
	Size    int64 `json:"size"` // rows of it; some readers want the field
}

func hintKey(table string) string { return logFolder(table) + "_last_checkpoint" }

// hint returns the version that the hint names; -1: it names none.
func (h *history) hint(ctx context.Context) (int64, error) {
	data, err := h.bucket.Get(ctx, hintKey(h.path))
	if errors.Is(err, bucket.ErrNotFound) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read hint: %w", err)
	}
	return parseHint(data), nil
}

func parseHint(data []byte) int64 {
	last := lastCheckpoint{Version: -1}
	if json.Unmarshal(data, &last) != nil {
		return -1
	}
	return max(last.Version, -1)
}

// putHint makes the hint name the checkpoint of s, unless it names a newer one.
func (h *history) putHint(ctx context.Context, s *state) error {
	named, err := h.hint(ctx)
	if err != nil {
		return err
	}
	if named >= s.number {
		_, err := h.bucket.Stat(ctx, checkpointKey(h.path, named))
		if !errors.Is(err, bucket.ErrNotFound) {
			return err
		}
	}
	data, err := json.Marshal(lastCheckpoint{Version: s.number, Size: s.rows(h.horizon(s))})
	if err != nil {
		return fmt.Errorf("encode hint: %w", err)
	}
	if err := h.bucket.Put(ctx, hintKey(h.path), data); err != nil {
		return fmt.Errorf("write hint: %w", err)
	}
	return nil
}
