package onlinetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// awkward are entities that are prefixes of each other, or look like ends and
// escapes of an encoding. In key order.
var awkward = []string{
	"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x01", "a\x00\xff", "a\x01", "aa", "a\xff", "b", "\xff", "\xff\xff",
}

func hour(n int64) window.Time { return window.Time(n * time.Hour.Microseconds()) }

func readRanges(t *testing.T, s online.Store) {
	entity := []byte("e")
	at := func(level uint8, block int64, writer string) online.Key {
		key := online.Key{Store: store, Entity: entity, Kind: online.KindTile, Level: level, Block: hour(block)}
		if writer != "" {
			key.Writer = []byte(writer)
		}
		return key
	}
	fence := online.Key{Store: store, Entity: entity, Kind: online.KindFence}
	row := online.Key{Store: store, Entity: entity, Kind: online.KindRow}
	streamRow := online.Key{Store: store, Entity: entity, Kind: online.KindRow, Writer: []byte("w")}
	all := []online.Key{
		fence,
		at(0, -2, ""), at(0, -1, ""), at(0, 0, ""), at(0, 0, "w"), at(0, 0, "w\x00"), at(0, 1, "\xff"), at(0, 2, ""),
		at(1, -2, ""), at(1, 0, ""), at(255, 0, ""),
		row, streamRow,
	}
	for _, key := range all {
		write(t, s, put(key, 1))
	}
	for _, c := range []struct {
		name   string
		blocks []online.Blocks
		row    bool
		want   []online.Key
	}{
		{"only the fence", nil, false, []online.Key{fence}},
		{"rows", nil, true, []online.Key{fence, row, streamRow}},
		{"from is in, to is out", []online.Blocks{{From: hour(-1), To: hour(1)}}, false,
			[]online.Key{fence, at(0, -1, ""), at(0, 0, ""), at(0, 0, "w"), at(0, 0, "w\x00")}},
		{"between two blocks", []online.Blocks{{From: hour(0) + 1, To: hour(1) + 1}}, false, []online.Key{fence, at(0, 1, "\xff")}},
		{"before 1970", []online.Blocks{{From: hour(-9), To: 0}}, false, []online.Key{fence, at(0, -2, ""), at(0, -1, "")}},
		{"nothing there", []online.Blocks{{From: hour(3), To: hour(9)}}, false, []online.Key{fence}},
		{"empty and reversed", []online.Blocks{{From: 0, To: 0}, {From: hour(1), To: hour(-1)}}, false, []online.Key{fence}},
		{"two levels", []online.Blocks{{Level: 1, From: hour(0), To: hour(1)}, {From: hour(2), To: hour(3)}}, true,
			[]online.Key{fence, at(0, 2, ""), at(1, 0, ""), row, streamRow}},
		{"all of time", []online.Blocks{{From: -1 << 63, To: 1<<63 - 1}, {Level: 1, From: -1 << 63, To: 1<<63 - 1}, {Level: 255, From: -1 << 63, To: 1<<63 - 1}}, true, all},
	} {
		got := read(t, s, online.Read{Store: store, Entity: entity, Blocks: c.blocks, Row: c.row})[0]
		require.Equal(t, c.want, keysOf(got), c.name)
	}

	write(t, s, online.Write{Key: row, Cell: online.Cell{Version: 2, Tombstone: true}, Condition: online.IfNotNewer})
	got := read(t, s, online.Read{Store: store, Entity: entity, Row: true})[0]
	require.Equal(t, []online.Key{fence, row, streamRow}, keysOf(got), "tombstones are among the items")
}

func overlappingRanges(t *testing.T, s online.Store) {
	want := []online.Key{tile("e", 0), tile("e", 1), tile("e", 2), tile("e", 3)}
	for _, key := range want {
		write(t, s, put(key, 1))
	}
	got := read(t, s, online.Read{Store: store, Entity: []byte("e"), Blocks: []online.Blocks{
		{From: hour(2), To: hour(4)}, {From: hour(0), To: hour(3)}, {From: hour(1), To: hour(2)}, {From: hour(2), To: hour(4)},
	}})[0]
	require.Equal(t, want, keysOf(got))
}

func readsInOrder(t *testing.T, s online.Store) {
	write(t, s, put(tile("b", 0), 2), put(tile("a", 0), 1))
	var reads []online.Read
	for _, entity := range []string{"b", "absent", "a", "b"} {
		reads = append(reads, online.Read{Store: store, Entity: []byte(entity), Blocks: []online.Blocks{{To: hour(1)}}})
	}
	got := read(t, s, reads...)
	require.Equal(t, []online.Key{tile("b", 0)}, keysOf(got[0]))
	require.Empty(t, got[1])
	require.Equal(t, []online.Key{tile("a", 0)}, keysOf(got[2]))
	require.Equal(t, got[0], got[3])
	require.Empty(t, read(t, s))
}

func entityIsolation(t *testing.T, s online.Store) {
	own := func(entity string) (keys []online.Key) {
		key := online.Key{Store: store, Kind: online.KindFence}
		if entity != "" {
			key.Entity = []byte(entity)
		}
		keys = append(keys, key)
		key.Kind, key.Block = online.KindTile, hour(1)
		keys = append(keys, key)
		key.Kind, key.Block, key.Writer = online.KindRow, 0, []byte("\xff")
		return append(keys, key)
	}
	write(t, s, put(online.Key{Store: store, Kind: online.KindStatus}, 1))
	for i, entity := range awkward {
		for _, key := range own(entity) {
			write(t, s, put(key, uint64(i+1)))
		}
	}
	for i, entity := range awkward {
		got := read(t, s, online.Read{Store: store, Entity: []byte(entity), Row: true, Blocks: []online.Blocks{{From: -1 << 63, To: 1<<63 - 1}}})[0]
		require.Equal(t, own(entity), keysOf(got), "%q", entity)
		for _, item := range got {
			require.Equal(t, uint64(i+1), item.Cell.Version)
		}
	}
}

func storeIsolation(t *testing.T, s online.Store) {
	own := func(store string) []online.Key {
		return []online.Key{
			{Store: store, Entity: []byte("e"), Kind: online.KindTile, Block: hour(1)},
			{Store: store, Kind: online.KindStatus},
			{Store: store, Kind: online.KindProgress, Writer: []byte("w")},
		}
	}
	stores := awkward[1:] // a store has a name
	for _, store := range stores {
		for _, key := range own(store) {
			write(t, s, put(key, 1))
		}
	}
	for i, store := range stores {
		require.Equal(t, own(store), keysOf(scan(t, s, store)), "%q", store)
		require.NoError(t, s.Drop(t.Context(), store))
		for j, other := range stores {
			want := own(other)
			if j <= i {
				want = []online.Key{}
			}
			require.Equal(t, want, keysOf(scan(t, s, other)), "%q after %q was dropped", other, store)
		}
	}
}
