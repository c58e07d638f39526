package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tilery/tilery/pkg/online"
)

// A page of a Scan ends at the first of these.
const (
	pageItems = 256
	pageBytes = 1 << 20
)

// Get implements online.Store.
func (s *Store) Get(ctx context.Context, key online.Key) (online.Cell, bool, error) {
	if err := online.CheckKey(key); err != nil {
		return online.Cell{}, false, err
	}
	if err := s.acquire(ctx); err != nil {
		return online.Cell{}, false, err
	}
	defer s.inUse.RUnlock()
	encoded := online.AppendKey(nil, key)
	value, closer, err := s.db.Get(encoded)
	if errors.Is(err, pebble.ErrNotFound) {
		return online.Cell{}, false, nil
	}
	if err != nil {
		return online.Cell{}, false, fmt.Errorf("read cell %x: %w", encoded, damage(err))
	}
	cell, err := online.DecodeCell(bytes.Clone(value))
	if err = errors.Join(err, closer.Close()); err != nil {
		return online.Cell{}, false, fmt.Errorf("read cell %x: %w", encoded, err)
	}
	return cell, true, nil
}

// Read implements online.Store. All reads of one call see one snapshot.
func (s *Store) Read(ctx context.Context, reads []online.Read) (out [][]online.Item, err error) {
	if err := online.CheckReads(reads); err != nil {
		return nil, err
	}
	if err := s.acquire(ctx); err != nil {
		return nil, err
	}
	defer s.inUse.RUnlock()
	cells, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, fmt.Errorf("read cells: %w", damage(err))
	}
	defer func() {
		if closeErr := cells.Close(); err == nil && closeErr != nil {
			out, err = nil, fmt.Errorf("read cells: %w", damage(closeErr))
		}
	}()

	out = make([][]online.Item, len(reads))
	for i, r := range reads {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if out[i], err = readEntity(cells, r); err != nil {
			return nil, fmt.Errorf("read cells of entity %x: %w", r.Entity, err)
		}
	}
	return out, nil
}

func readEntity(cells *pebble.Iterator, r online.Read) ([]online.Item, error) {
	var items []online.Item
	for _, in := range r.Ranges() {
		for ok := cells.SeekPrefixGE(in.From); ok && bytes.Compare(cells.Key(), in.To) < 0; ok = cells.Next() {
			item, err := decode(cells)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		if err := cells.Error(); err != nil {
			return nil, damage(err)
		}
	}
	return items, nil
}

// Scan implements online.Store. It reads ahead in pages, each a snapshot: a
// cell that is written during the scan may or may not be seen.
func (s *Store) Scan(ctx context.Context, store string) iter.Seq2[online.Item, error] {
	return func(yield func(online.Item, error) bool) {
		if err := checkStore(store); err != nil {
			yield(online.Item{}, err)
			return
		}
		for rest := online.StoreRange(store); rest.From != nil; {
			items, next, err := s.page(ctx, rest)
			if err != nil {
				yield(online.Item{}, fmt.Errorf("scan store %q: %w", store, err))
				return
			}
			for _, item := range items {
				if err := ctx.Err(); err != nil {
					yield(online.Item{}, err)
					return
				}
				if !yield(item, nil) {
					return
				}
			}
			rest.From = next
		}
	}
}

// page returns the first cells of a range, and where the next page begins: nil after the last.
func (s *Store) page(ctx context.Context, in online.Range) (items []online.Item, next []byte, err error) {
	if err := s.acquire(ctx); err != nil {
		return nil, nil, err
	}
	defer s.inUse.RUnlock()
	cells, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: in.From, UpperBound: in.To})
	if err != nil {
		return nil, nil, damage(err)
	}
	// What ended the iterator before the last cell shows when it is closed.
	defer func() {
		if closeErr := cells.Close(); err == nil && closeErr != nil {
			items, next, err = nil, nil, damage(closeErr)
		}
	}()

	size := 0
	for ok := cells.First(); ok; ok = cells.Next() {
		if len(items) == pageItems || size >= pageBytes {
			return items, bytes.Clone(cells.Key()), nil
		}
		item, err := decode(cells)
		if err != nil {
			return nil, nil, err
		}
		items = append(items, item)
		size += len(item.Cell.Value)
	}
	return items, nil, nil
}

// decode returns the cell that an iterator stands on, in memory of its own.
func decode(cells *pebble.Iterator) (online.Item, error) {
	key, err := online.DecodeKey(cells.Key())
	if err != nil {
		return online.Item{}, err
	}
	value, err := cells.ValueAndErr()
	if err != nil {
		return online.Item{}, fmt.Errorf("cell %x: %w", cells.Key(), damage(err))
	}
	cell, err := online.DecodeCell(bytes.Clone(value))
	if err != nil {
		return online.Item{}, fmt.Errorf("cell %x: %w", cells.Key(), err)
	}
	return online.Item{Key: key, Cell: cell}, nil
}
