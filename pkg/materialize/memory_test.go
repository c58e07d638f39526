package materialize_test

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tilery/tilery/pkg/online"
)

// memoryStore is an online store for tests that need hundreds with the same cells.
type memoryStore struct {
	mu    sync.Mutex
	cells map[flatKey]online.Item
}

// flatKey is an online.Key that can be compared.
type flatKey struct {
	store, entity, writer string
	kind                  online.Kind
	level                 uint8
	block                 int64
}

func flat(k online.Key) flatKey {
	return flatKey{k.Store, string(k.Entity), string(k.Writer), k.Kind, k.Level, int64(k.Block)}
}

func newMemoryStore() *memoryStore { return &memoryStore{cells: map[flatKey]online.Item{}} }

func (m *memoryStore) clone() *memoryStore {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memoryStore{cells: maps.Clone(m.cells)}
}

func (m *memoryStore) Get(_ context.Context, key online.Key) (online.Cell, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	item, ok := m.cells[flat(key)]
	return item.Cell, ok, nil
}

func (m *memoryStore) Read(_ context.Context, reads []online.Read) ([][]online.Item, error) {
	out := make([][]online.Item, len(reads))
	for i, r := range reads {
		out[i] = m.sorted(func(k online.Key) bool {
			if k.Store != r.Store || !bytes.Equal(k.Entity, r.Entity) {
				return false
			}
			return k.Kind == online.KindFence || k.Kind == online.KindRow && r.Row ||
				k.Kind == online.KindTile && slices.ContainsFunc(r.Blocks, func(b online.Blocks) bool {
					return b.Level == k.Level && b.From <= k.Block && k.Block < b.To
				})
		})
	}
	return out, nil
}

func (m *memoryStore) sorted(keep func(online.Key) bool) (out []online.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, item := range m.cells {
		if keep(item.Key) {
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b online.Item) int {
		return cmp.Or(bytes.Compare(a.Key.Entity, b.Key.Entity), cmp.Compare(a.Key.Kind, b.Key.Kind),
			cmp.Compare(a.Key.Level, b.Key.Level), cmp.Compare(a.Key.Block, b.Key.Block), bytes.Compare(a.Key.Writer, b.Key.Writer))
	})
	return out
}

func (m *memoryStore) Write(_ context.Context, writes []online.Write) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := make([]bool, len(writes))
	for i, w := range writes {
		stored := m.cells[flat(w.Key)].Cell.Version
		done[i] = w.Condition == online.IfNotNewer && stored <= w.Cell.Version ||
			w.Condition == online.IfVersion && stored == w.Expected
		if done[i] {
			m.cells[flat(w.Key)] = online.Item{Key: w.Key, Cell: w.Cell}
		}
	}
	return done, nil
}

func (m *memoryStore) Scan(_ context.Context, store string) iter.Seq2[online.Item, error] {
	return func(yield func(online.Item, error) bool) {
		for _, item := range m.sorted(func(k online.Key) bool { return k.Store == store }) {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (m *memoryStore) Drop(_ context.Context, store string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.cells, func(_ flatKey, item online.Item) bool { return item.Key.Store == store })
	return nil
}

func (m *memoryStore) DropTree(_ context.Context, store string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.cells, func(_ flatKey, item online.Item) bool {
		return item.Key.Store == store || strings.HasPrefix(item.Key.Store, store+"/")
	})
	return nil
}

// lose forgets all stores at once, as a machine does with its disk.
func (m *memoryStore) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.cells)
}

func (m *memoryStore) Close() error { return nil }
