package delta

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// older reads states and changes that the newest state no longer remembers.
type older struct {
	gate chan struct{} // as history's
	// state is that after the last reading, and base where that began: who reads a
	// log in parts, in order, has each version read once.
	state *state
	base  string // key
}

// changes returns what the versions in (after, upTo] did, of which s is the last or
// one that follows. ErrHistoryGone: the log does not hold them any more.
func (h *history) changes(ctx context.Context, s *state, after, upTo int64) ([]offline.Change, error) {
	if after >= s.oldest() {
		return s.changes(after, upTo), nil
	}
	var out []offline.Change
	err := h.visit(ctx, s, after, func(past *state) (err error) {
		out, err = h.replayChanges(ctx, past, after, upTo)
		return err
	})
	return out, err
}

// snapshotAt returns the state at a version that s, the newest, follows. ErrHistoryGone:
// the log does not tell it any more.
func (h *history) snapshotAt(ctx context.Context, s *state, number int64) (out offline.Snapshot, err error) {
	switch {
	case number < 0 || number > s.number:
		return out, fmt.Errorf("there are versions 0 to %d", s.number)
	case number == s.number:
		return s.snapshot(), nil
	}
	err = h.visit(ctx, s, number, func(past *state) error {
		if err := h.replay(ctx, past, number); err != nil {
			return err
		}
		out = past.snapshot()
		return nil
	})
	return out, err
}

// visit calls move with a state at or before a version, which move replays further.
// What it learns counts unless visit fails. s is the newest state.
func (h *history) visit(ctx context.Context, s *state, number int64, move func(past *state) error) error {
	select {
	case <-h.old.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { h.old.gate <- struct{}{} }()

	past := h.old.state
	h.old.state = nil // useless after an error
	if past == nil || past.number > number {
		var err error
		if past, err = h.restoreAt(ctx, number); err != nil {
			return err
		}
		h.old.base = versionKey(h.path, 0)
		if past.number >= 0 {
			h.old.base = checkpointKey(h.path, past.number)
		}
	}
	err := move(past)
	if err == nil {
		// A cleanup deletes the base first. While it is there, none of the versions
		// was deleted, so that another could have been put in its place.
		_, err = h.bucket.Stat(ctx, h.old.base)
	}
	if errors.Is(err, bucket.ErrNotFound) {
		return fmt.Errorf("%w: %s", offline.ErrHistoryGone, err.Error())
	}
	if err == nil && past.number < s.oldest() {
		past.past = nil
		h.old.state = past
	}
	return err
}

// restoreAt returns the state of the newest checkpoint at or before a version, or
// of no table.
func (h *history) restoreAt(ctx context.Context, number int64) (*state, error) {
	found, err := h.list(ctx, -1)
	if err != nil {
		return nil, err
	}
	n := 0
	for n < len(found.checkpoints) && found.checkpoints[n] <= number {
		n++
	}
	s, reasons, err := h.restoreNewest(ctx, listing{checkpoints: found.checkpoints[:n]})
	if err != nil || s != nil {
		return s, err
	}
	if found.first > 0 {
		return nil, fmt.Errorf("%w: it begins with version %d, and of checkpoints up to version %d none can be read %q",
			offline.ErrHistoryGone, found.first, number, reasons)
	}
	return h.empty.clone(horizon{}), nil
}

// replayChanges moves s, which is nobody else's, to upTo and returns what the
// versions after the given one did.
func (h *history) replayChanges(ctx context.Context, s *state, after, upTo int64) (out []offline.Change, err error) {
	if err := h.replay(ctx, s, after); err != nil {
		return nil, err
	}
	for s.number < upTo {
		from := s.number
		if err := h.replay(ctx, s, min(upTo, from+keptChanges)); err != nil {
			return nil, err
		}
		out = append(out, s.changes(from, s.number)...)
	}
	return out, nil
}
