package onlinetest

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// modelStore is the contract on a list: keys are compared field by field.
type modelStore []online.Item

func (m *modelStore) find(key online.Key) int {
	return slices.IndexFunc(*m, func(item online.Item) bool { return compareKeys(item.Key, key) == 0 })
}

func (m *modelStore) write(w online.Write) bool {
	at := m.find(w.Key)
	stored := uint64(0)
	if at >= 0 {
		stored = (*m)[at].Cell.Version
	}
	if w.Condition == online.IfNotNewer && stored > w.Cell.Version || w.Condition == online.IfVersion && stored != w.Expected {
		return false
	}
	if w.Remove {
		if at >= 0 {
			*m = slices.Delete(*m, at, at+1)
		}
		return true
	}
	if at < 0 {
		*m = append(*m, online.Item{})
		at = len(*m) - 1
	}
	(*m)[at] = online.Item{Key: w.Key, Cell: w.Cell}
	return true
}

func (m *modelStore) sorted(keep func(online.Key) bool) []online.Item {
	var out []online.Item
	for _, item := range *m {
		if keep(item.Key) {
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b online.Item) int { return compareKeys(a.Key, b.Key) })
	return out
}

func (m *modelStore) read(r online.Read) []online.Item {
	return m.sorted(func(key online.Key) bool {
		if key.Store != r.Store || ofStore(key) == 1 || !bytes.Equal(key.Entity, r.Entity) {
			return false
		}
		if key.Kind != online.KindTile {
			return key.Kind == online.KindFence || r.Row
		}
		return slices.ContainsFunc(r.Blocks, func(b online.Blocks) bool {
			return b.Level == key.Level && b.From <= key.Block && key.Block < b.To
		})
	})
}

// ofStore is 1 for the kinds without an entity; they come last.
func ofStore(key online.Key) int {
	if key.Kind == online.KindStatus || key.Kind == online.KindProgress {
		return 1
	}
	return 0
}

func compareKeys(a, b online.Key) int {
	return cmp.Or(
		cmp.Compare(a.Store, b.Store), cmp.Compare(ofStore(a), ofStore(b)), bytes.Compare(a.Entity, b.Entity), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Level, b.Level), cmp.Compare(a.Block, b.Block), bytes.Compare(a.Writer, b.Writer),
	)
}

var modelStores = []string{"a", "a\x00", "ab"}

func drawBytes(rt *rapid.T, label string) []byte {
	b := []byte(rapid.SampledFrom([]string{"", "e", "e\x00", "e\x00\x01", "\xff"}).Draw(rt, label))
	if len(b) == 0 {
		return nil
	}
	return b
}

func drawBlock(rt *rapid.T, label string) window.Time {
	return rapid.SampledFrom([]window.Time{-1 << 63, -256, -1, 0, 1, 256, 1<<63 - 1}).Draw(rt, label)
}

func drawKey(rt *rapid.T) online.Key {
	key := online.Key{
		Store: rapid.SampledFrom(modelStores).Draw(rt, "store"),
		Kind:  online.Kind(rapid.IntRange(int(online.KindStatus), int(online.KindRow)).Draw(rt, "kind")),
	}
	if ofStore(key) == 0 {
		key.Entity = drawBytes(rt, "entity")
	}
	switch key.Kind {
	case online.KindTile:
		key.Level = rapid.Uint8Range(0, 1).Draw(rt, "level")
		key.Block = drawBlock(rt, "block")
		key.Writer = drawBytes(rt, "writer")
	case online.KindRow:
		key.Writer = drawBytes(rt, "writer")
	case online.KindProgress:
		key.Writer = []byte("w")
	}
	return key
}

func drawWrites(rt *rapid.T) []online.Write {
	var writes []online.Write
	for range rapid.IntRange(1, 8).Draw(rt, "writes") {
		w := online.Write{
			Key:       drawKey(rt),
			Cell:      online.Cell{Version: rapid.Uint64Range(1, 4).Draw(rt, "version"), Tombstone: rapid.Bool().Draw(rt, "tombstone")},
			Condition: online.IfNotNewer,
		}
		switch rapid.IntRange(0, 3).Draw(rt, "how") {
		case 0:
			w.Condition, w.Expected = online.IfVersion, rapid.Uint64Range(0, 4).Draw(rt, "expected")
		case 1:
			w.Remove, w.Cell.Tombstone = true, false
		}
		if !slices.ContainsFunc(writes, func(other online.Write) bool { return compareKeys(other.Key, w.Key) == 0 }) {
			writes = append(writes, w)
		}
	}
	return writes
}

func drawRead(rt *rapid.T) online.Read {
	r := online.Read{Store: rapid.SampledFrom(modelStores).Draw(rt, "store"), Entity: drawBytes(rt, "entity"), Row: rapid.Bool().Draw(rt, "row")}
	for range rapid.IntRange(0, 3).Draw(rt, "ranges") {
		r.Blocks = append(r.Blocks, online.Blocks{Level: rapid.Uint8Range(0, 1).Draw(rt, "level"), From: drawBlock(rt, "from"), To: drawBlock(rt, "to")})
	}
	return r
}

func model(t *testing.T, s online.Store) {
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		for _, store := range modelStores {
			require.NoError(rt, s.Drop(ctx, store))
		}
		var m modelStore
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				writes := drawWrites(rt)
				want := make([]bool, len(writes))
				for i, w := range writes {
					want[i] = m.write(w)
				}
				got, err := s.Write(ctx, writes)
				require.NoError(rt, err)
				require.Equal(rt, want, got)
			},
			"get": func(rt *rapid.T) {
				key := drawKey(rt)
				cell, ok := get(rt, s, key)
				at := m.find(key)
				require.Equal(rt, at >= 0, ok)
				if ok {
					require.Equal(rt, m[at].Cell, cell)
				}
			},
			"read": func(rt *rapid.T) {
				reads := []online.Read{drawRead(rt), drawRead(rt)}
				for i, got := range read(rt, s, reads...) {
					require.Equal(rt, m.read(reads[i]), got)
				}
			},
			"drop": func(rt *rapid.T) {
				store := rapid.SampledFrom(modelStores).Draw(rt, "store")
				require.NoError(rt, s.Drop(ctx, store))
				m = slices.DeleteFunc(m, func(item online.Item) bool { return item.Key.Store == store })
			},
			"scan": func(rt *rapid.T) {
				store := rapid.SampledFrom(modelStores).Draw(rt, "store")
				require.Equal(rt, m.sorted(func(key online.Key) bool { return key.Store == store }), scan(rt, s, store))
			},
		})
	})
}
