package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// listing is what the log's folder shows after some version.
type listing struct {
	first, last int64    // versions; -1: none
	checkpoints []int64  // in one file, ascending
	foreign     []string // keys of checkpoints in forms that are not read
}

// newest returns the version of the newest checkpoint; -1: there is none.
func (l listing) newest() int64 {
	if len(l.checkpoints) == 0 {
		return -1
	}
	return l.checkpoints[len(l.checkpoints)-1]
}

// list lists the versions after one, and the checkpoints after it.
func (h *history) list(ctx context.Context, after int64) (listing, error) {
	from := ""
	if after >= 0 {
		from = versionKey(h.path, after)
	}
	return h.listFrom(ctx, from)
}

func (h *history) listFrom(ctx context.Context, key string) (listing, error) {
	found := listing{first: -1, last: -1}
	for info, err := range h.bucket.List(ctx, logFolder(h.path), key) {
		if err != nil {
			return listing{}, fmt.Errorf("list log: %w", err)
		}
		number, kind, ok := parseLogKey(h.path, info.Key)
		switch {
		case !ok:
			continue
		case kind == versionKind:
			found.last = number
			if found.first < 0 {
				found.first = number
			}
		case kind == checkpointKind:
			found.checkpoints = append(found.checkpoints, number)
		case strings.HasPrefix(kind, "checkpoint."):
			found.foreign = append(found.foreign, info.Key)
		}
		if len(found.checkpoints)+len(found.foreign) > maxVersionsPerRead {
			return listing{}, fmt.Errorf("log has more than %d checkpoints", maxVersionsPerRead)
		}
	}
	return found, nil
}

// load returns the newest state: that of the newest checkpoint that can be read, or
// of no table, and the versions after it.
func (h *history) load(ctx context.Context) (*state, error) {
	hint, err := h.hint(ctx)
	if err != nil {
		return nil, err
	}
	from := ""
	if hint >= 0 {
		from = numberKey(h.path, hint)
	}
	for {
		found, err := h.listFrom(ctx, from)
		if err != nil {
			return nil, err
		}
		s, reasons, err := h.restoreNewest(ctx, found)
		switch {
		case err != nil:
			return nil, err
		case s != nil:
			return s, h.replay(ctx, s, found.last)
		case from == "":
			return h.loadFirst(ctx, found.last, reasons)
		}
		from = "" // the hint names what is not there
	}
}

// loadFirst is load for a log without checkpoints that can be read, for the given reasons.
func (h *history) loadFirst(ctx context.Context, last int64, reasons []error) (*state, error) {
	if len(reasons) > 0 {
		last = max(last, 0) // there was a table
	}
	s := h.empty.clone(horizon{})
	err := h.replay(ctx, s, last)
	if errors.Is(err, bucket.ErrNotFound) && len(reasons) > 0 {
		return nil, fmt.Errorf("versions were cleaned away, and no checkpoint can be read: %w", errors.Join(reasons...))
	}
	return s, err
}

// restoreNewest returns the state of the newest checkpoint that can be read, nil if
// there is none, and what is wrong with those after it.
func (h *history) restoreNewest(ctx context.Context, found listing) (_ *state, reasons []error, err error) {
	for _, number := range slices.Backward(found.checkpoints) {
		s, err := h.restore(ctx, number)
		if err == nil {
			return s, reasons, nil
		}
		if !errors.Is(err, offline.ErrCorrupt) && !errors.Is(err, offline.ErrMismatch) && !errors.Is(err, bucket.ErrNotFound) {
			return nil, nil, err
		}
		reasons = append(reasons, err)
	}
	for _, key := range found.foreign {
		reasons = append(reasons, fmt.Errorf("%w: %s has a form that is not read", offline.ErrMismatch, key))
	}
	return nil, reasons, nil
}

// restore returns the state that a checkpoint holds.
func (h *history) restore(ctx context.Context, number int64) (*state, error) {
	key := checkpointKey(h.path, number)
	data, err := h.bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", offline.ErrMismatch, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	s := h.empty.clone(horizon{})
	if err := s.restore(ctx, h.layout, number, data); err != nil {
		return nil, fmt.Errorf("decode %s: %w", key, err)
	}
	return s, nil
}
