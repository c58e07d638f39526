package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tilery/tilery/pkg/online"
)

// Write implements online.Store. The writes of one call are one atomic batch.
func (s *Store) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	keys, err := online.WriteKeys(writes)
	if err != nil {
		return nil, err
	}
	if err := s.acquire(ctx); err != nil {
		return nil, err
	}
	defer s.inUse.RUnlock()
	unlock := s.locks.lock(keys)
	defer unlock()

	vacant, err := s.vacant(ctx, keys)
	if err != nil {
		return nil, err
	}
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }() // releases memory; it cannot fail
	done := make([]bool, len(writes))
	var cell []byte
	for i, w := range writes {
		stored := uint64(0)
		if !vacant {
			if stored, err = s.version(keys[i]); err != nil {
				return nil, err
			}
		}
		if done[i] = holds(w, stored); !done[i] {
			continue
		}
		switch {
		case w.Remove && stored == 0:
		case w.Remove:
			err = batch.Delete(keys[i], nil)
		default:
			cell = online.AppendCell(cell[:0], w.Cell)
			err = batch.Set(keys[i], cell, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("write cell %x: %w", keys[i], err)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if batch.Empty() {
		return done, nil
	}
	if err := batch.Commit(pebble.Sync); err != nil {
		return nil, fmt.Errorf("write %d cells: %w", batch.Count(), err)
	}
	return done, nil
}

// Drop implements online.Store. It waits for the writes under way, since a
// condition that was checked before it does not hold after it.
func (s *Store) Drop(ctx context.Context, store string) error {
	return s.drop(ctx, store, online.StoreRange(store))
}

// DropTree implements online.Store, as Drop.
func (s *Store) DropTree(ctx context.Context, store string) error {
	return s.drop(ctx, store, online.TreeRanges(store)...)
}

func (s *Store) drop(ctx context.Context, store string, ranges ...online.Range) error {
	if err := checkStore(store); err != nil {
		return err
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.inUse.RUnlock()
	unlock := s.locks.lockAll()
	defer unlock()
	for _, r := range ranges {
		if err := s.db.DeleteRange(r.From, r.To, pebble.Sync); err != nil {
			return fmt.Errorf("drop store %q: %w", store, err)
		}
	}
	return nil
}

// holds reports whether w takes place over a cell of version stored (0: absent).
func holds(w online.Write, stored uint64) bool {
	if w.Condition == online.IfVersion {
		return stored == w.Expected
	}
	return stored <= w.Cell.Version
}

// manyKeys is how many are worth a look at all that lies between them.
const manyKeys = 64

// vacant reports whether it is known that none of the keys is stored, nor anything between
// them, as is so when a store is filled: a look-up of each takes most of the time then.
func (s *Store) vacant(ctx context.Context, keys [][]byte) (_ bool, err error) {
	if len(keys) < manyKeys {
		return false, nil
	}
	least, greatest := slices.MinFunc(keys, bytes.Compare), slices.MaxFunc(keys, bytes.Compare)
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: least, UpperBound: append(bytes.Clone(greatest), 0)})
	if err != nil {
		return false, fmt.Errorf("read cells from %x: %w", least, damage(err))
	}
	found := it.First()
	if err := errors.Join(damage(it.Error()), damage(it.Close())); err != nil {
		return false, fmt.Errorf("read cells from %x: %w", least, err)
	}
	return !found, nil
}

// version returns the version stored under an encoded key, 0 if there is none.
func (s *Store) version(key []byte) (uint64, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read cell %x: %w", key, damage(err))
	}
	cell, err := online.DecodeCell(value)
	if err = errors.Join(err, closer.Close()); err != nil {
		return 0, fmt.Errorf("read cell %x: %w", key, err)
	}
	return cell.Version, nil
}

func checkStore(store string) error {
	return online.CheckKey(online.Key{Store: store, Kind: online.KindStatus})
}
