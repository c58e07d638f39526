package materialize

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/online"
)

// entitiesPerRead bounds the cells that are in memory at once: each entity may have a
// tile cell for every block of its history.
const entitiesPerRead = 8

// ViewStores returns the stores of a view or feature table as of the newest generation,
// each with the definition that it was filled with last: the one that serves, the one that
// is filling, and those that are retired and were not removed. registry.ErrNotFound, if
// it is not defined.
func (e *Engine) ViewStores(ctx context.Context, workspace, view string) ([]*Target, error) {
	g, err := e.Registry.Latest(ctx, workspace)
	if err != nil {
		return nil, err
	}
	stores, err := e.storesOf(ctx, &g, view)
	if err != nil {
		return nil, err
	}
	out := stores.All()
	for _, retired := range g.Stores[view].Retired {
		was, err := e.Registry.Get(ctx, workspace, retired.Generation)
		if err != nil {
			return nil, fmt.Errorf("definition of retired store %s of %s: %w", retired.Fingerprint, view, err)
		}
		t, err := target(&was, view)
		if err != nil {
			return nil, fmt.Errorf("retired store %s: %w", retired.Fingerprint, err)
		}
		t.Fingerprint = retired.Fingerprint
		out = append(out, t)
	}
	return out, nil
}

// EraseCells has no cell of the keys up to a version of the log say anything any more, in
// each filling of the store that may have cells, and returns how many it has changed. The
// cells become tombstones of that version, which an older applier cannot write over; with
// remove they go for good, and so do tombstones of what the store has applied since. That
// is for when no older applier can be there any more. It can be repeated. onProgress
// counts keys, in each filling, and may be nil.
func (e *Engine) EraseCells(ctx context.Context, t *Target, keys *keyset.Set, version int64, remove bool, onProgress func(keys int64)) (int64, error) {
	epochs, applied, err := e.epochs(ctx, t)
	if err != nil {
		return 0, err
	}
	var cells, looked int64
	for _, epoch := range epochs {
		c := &cellEraser{
			engine: e, store: t.CellStore(epoch), version: uint64(version), remove: remove, tombstones: uint64(applied),
			done: func(keys, wrote int) {
				cells += int64(wrote)
				if looked += int64(keys); onProgress != nil {
					onProgress(looked)
				}
			},
		}
		if err := c.erase(ctx, keys); err != nil {
			return cells, fmt.Errorf("erase cells of %s: %w", c.store, err)
		}
	}
	return cells, nil
}

// ScanCells calls fn for every cell of every filling of the store, tombstones included.
func (e *Engine) ScanCells(ctx context.Context, t *Target, fn func(entity []byte, version uint64) error) error {
	epochs, _, err := e.epochs(ctx, t)
	if err != nil {
		return err
	}
	for _, epoch := range epochs {
		for item, err := range e.Online.Scan(ctx, t.CellStore(epoch)) {
			if err != nil {
				return fmt.Errorf("scan cells of %s: %w", t.Store(), err)
			}
			if err := fn(item.Key.Entity, item.Cell.Version); err != nil {
				return err
			}
		}
	}
	return nil
}

// epochs returns the fillings of a store that may have cells, and the version that the
// one follows which is read.
func (e *Engine) epochs(ctx context.Context, t *Target) (epochs []string, applied int64, err error) {
	status, _, ok, err := online.ReadStatus(ctx, e.Online, t.Store())
	if err != nil || !ok {
		return nil, 0, err
	}
	epochs = []string{status.Epoch}
	if status.Next != nil {
		epochs = append(epochs, status.Next.Epoch)
	}
	for _, r := range status.Replaced {
		epochs = append(epochs, r.Epoch)
	}
	return epochs, status.Applied, nil
}

// cellEraser puts tombstones over cells, or removes them.
type cellEraser struct {
	engine  *Engine
	store   string
	version uint64 // of the tombstones, and the newest of a cell that is erased
	done    func(keys, cells int)

	remove     bool   // the cells, and put no tombstones
	tombstones uint64 // with remove: the newest version of a tombstone that goes, too
}

func (c *cellEraser) erase(ctx context.Context, keys *keyset.Set) error {
	for from := 0; from < keys.Len(); from += entitiesPerRead {
		to := min(from+entitiesPerRead, keys.Len())
		var reads []online.Read
		for i := from; i < to; i++ {
			reads = append(reads, online.Read{
				Store: c.store, Entity: keys.Key(i), Row: true, Blocks: []online.Blocks{{From: math.MinInt64, To: math.MaxInt64}},
			})
		}
		stored, err := c.engine.Online.Read(ctx, reads)
		if err != nil {
			return err
		}
		wrote, err := c.write(ctx, slices.Concat(stored...))
		if err != nil {
			return err
		}
		c.done(to-from, wrote)
	}
	return nil
}

// write erases cells, and returns how many it has changed.
func (c *cellEraser) write(ctx context.Context, items []online.Item) (wrote int, err error) {
	var writes []online.Write
	for _, item := range items {
		upTo := c.version
		if c.remove && item.Cell.Tombstone {
			upTo = max(upTo, c.tombstones)
		}
		done := !c.remove && item.Cell.Tombstone && item.Cell.Version == c.version
		if done || item.Cell.Version > upTo || item.Key.Kind == online.KindFence {
			continue
		}
		w := online.Write{Key: item.Key, Condition: online.IfNotNewer, Cell: online.Cell{Version: c.version, Tombstone: true}}
		if c.remove {
			w.Remove, w.Cell = true, online.Cell{Version: item.Cell.Version}
		}
		writes = append(writes, w)
	}
	for part := range slices.Chunk(writes, keysPerWrite) {
		won, err := c.engine.Online.Write(ctx, part)
		if err != nil {
			return wrote, err
		}
		for _, w := range won {
			if w {
				wrote++
			}
		}
	}
	return wrote, nil
}
