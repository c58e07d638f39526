package onlinetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

func scanOrder(t *testing.T, s online.Store) {
	require.Empty(t, scan(t, s, store))
	var want []online.Key
	for _, entity := range awkward {
		key := online.Key{Store: store}
		if entity != "" {
			key.Entity = []byte(entity)
		}
		key.Kind = online.KindFence
		want = append(want, key)
		key.Kind = online.KindTile
		for _, level := range []uint8{0, 1, 255} {
			for _, block := range []int64{-256, -1, 0, 1, 256} {
				key.Level, key.Block = level, hour(block)
				for _, writer := range [][]byte{nil, {0}, []byte("w"), {0xff}} {
					key.Writer = writer
					want = append(want, key)
				}
			}
		}
		want = append(want, online.Key{Store: store, Entity: key.Entity, Kind: online.KindRow})
	}
	want = append(want,
		online.Key{Store: store, Kind: online.KindStatus},
		online.Key{Store: store, Kind: online.KindProgress, Writer: []byte("v")},
		online.Key{Store: store, Kind: online.KindProgress, Writer: []byte("w")})

	writes := make([]online.Write, len(want))
	for i, key := range slices.Backward(want) {
		writes[len(want)-1-i] = put(key, uint64(i+1))
	}
	for part := range slices.Chunk(writes, 500) {
		write(t, s, part...)
	}
	got := scan(t, s, store)
	require.Equal(t, want, keysOf(got))
	for i, item := range got {
		require.Equal(t, put(item.Key, uint64(i+1)).Cell, item.Cell)
	}
}

func scanAndWrite(t *testing.T, s online.Store) {
	const cells = 1000
	writes := make([]online.Write, cells)
	for i := range writes {
		writes[i] = put(tile("e", int64(i)), 1)
	}
	write(t, s, writes...)
	for _, err := range s.Scan(t.Context(), store) {
		require.NoError(t, err)
		break
	}
	seen := 0
	for item, err := range s.Scan(t.Context(), store) {
		require.NoError(t, err)
		require.Equal(t, tile("e", int64(seen)), item.Key)
		if seen%100 == 0 {
			write(t, s, put(item.Key, 2))
		}
		seen++
	}
	require.Equal(t, cells, seen)
}

func drop(t *testing.T, s online.Store) {
	ctx := t.Context()
	require.NoError(t, s.Drop(ctx, store), "a store that is not there")
	keys := []online.Key{
		{Store: store, Kind: online.KindStatus},
		{Store: store, Kind: online.KindProgress, Writer: []byte("w")},
		{Store: store, Entity: []byte("e"), Kind: online.KindFence},
	}
	for i := range 600 {
		keys = append(keys, tile(fmt.Sprint(i), 0))
	}
	for _, version := range []uint64{9, 1} { // the older version: nothing is left that it could lose to
		for part := range slices.Chunk(keys, 500) {
			var writes []online.Write
			for _, key := range part {
				writes = append(writes, put(key, version))
			}
			write(t, s, writes...)
		}
		require.NoError(t, s.Drop(ctx, store))
		require.Empty(t, scan(t, s, store))
		require.Empty(t, read(t, s, online.Read{Store: store, Entity: []byte("e")})[0])
		for _, key := range keys[:5] {
			_, ok := get(t, s, key)
			require.False(t, ok)
		}
	}
}

func dropTree(t *testing.T, s online.Store) {
	ctx := t.Context()
	require.NoError(t, s.DropTree(ctx, store), "stores that are not there")
	at := func(name string) online.Key { return online.Key{Store: name, Kind: online.KindStatus} }
	dropped := []string{store, store + "/epoch", store + "/epoch/below", store + "/\x00", store + "/"}
	kept := []string{store + "0", store + "-epoch", store + "\x00/epoch", store[:len(store)-1], "workspace/view", "workspace/view/other/epoch"}
	for _, name := range append(dropped, kept...) {
		entity := at(name)
		entity.Kind, entity.Entity = online.KindRow, []byte("e")
		write(t, s, put(at(name), 1), put(entity, 1))
	}
	require.NoError(t, s.DropTree(ctx, store))
	for _, name := range dropped {
		require.Empty(t, scan(t, s, name), name)
	}
	for _, name := range kept {
		require.Len(t, scan(t, s, name), 2, name)
	}
}
