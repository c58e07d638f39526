package materialize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// erasure is keys that a version of the log has erased.
type erasure struct {
	version int64
	keys    *keyset.Set
}

// followErasure notes the keys that a version has erased. If these are not to be had any
// more, the files tell whose rows went.
func (s *step) followErasure(ctx context.Context, change offline.Change) error {
	if !change.Online {
		return nil
	}
	data, err := s.engine.Bucket.Get(ctx, change.Erased.Object)
	if errors.Is(err, bucket.ErrNotFound) {
		s.touch(change)
		for _, f := range slices.Concat(change.Added, change.Removed) {
			s.windows = append(s.windows, s.covered.Intersect(window.NewSet(timesOf(f)))...)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("keys that were erased: %w", err)
	}
	keys, err := keyset.Decode(data)
	if err != nil {
		return fmt.Errorf("keys that were erased: %s: %w", change.Erased.Object, err)
	}
	s.erased = append(s.erased, erasure{change.Version, keys})
	return nil
}

// erasedCells counts keys whose cells were erased, and the cells.
func (s *step) erasedCells(keys, cells int) {
	s.looked += int64(keys)
	s.wrote(cells)
}

// erase puts tombstones over the cells of erased keys. They have the version of the
// erasure: that snapshot has no row of the keys. What came later is in files that were
// touched since, and so is what was added before it and has no cell yet.
func (s *step) erase(ctx context.Context) error {
	for _, e := range s.erased {
		c := &cellEraser{
			engine: s.engine, store: s.target.CellStore(s.status.Epoch), version: uint64(e.version), done: s.erasedCells,
		}
		if err := c.erase(ctx, e.keys); err != nil {
			return fmt.Errorf("cells of keys that version %d erased: %w", e.version, err)
		}
	}
	return nil
}
