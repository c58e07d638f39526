package onlinetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

func conditions(t *testing.T, s online.Store) {
	const version = 10
	for n, c := range []struct {
		name      string
		stored    uint64 // 0: absent
		condition online.Condition
		expected  uint64
		want      bool
	}{
		{"not newer: absent", 0, online.IfNotNewer, 0, true},
		{"not newer: older", version - 1, online.IfNotNewer, 0, true},
		{"not newer: equal", version, online.IfNotNewer, 0, true},
		{"not newer: newer", version + 1, online.IfNotNewer, 0, false},
		{"not newer: newer by the highest bit", 1 << 63, online.IfNotNewer, 0, false},
		{"version: absent as expected", 0, online.IfVersion, 0, true},
		{"version: absent, one expected", 0, online.IfVersion, 3, false},
		{"version: none expected", 3, online.IfVersion, 0, false},
		{"version: as expected, older", 3, online.IfVersion, 3, true},
		{"version: as expected, equal", version, online.IfVersion, version, true},
		{"version: as expected, newer", 1<<63 + 1, online.IfVersion, 1<<63 + 1, true},
		{"version: older than expected", 3, online.IfVersion, 4, false},
		{"version: newer than expected", 5, online.IfVersion, 4, false},
		{"version: other by the highest bit", 1<<63 + 1, online.IfVersion, 1, false},
	} {
		for _, tombstone := range []bool{false, true} {
			if c.stored == 0 && tombstone {
				continue
			}
			name := fmt.Sprintf("%s, tombstone %v", c.name, tombstone)
			key := tile(name, int64(n))
			before := online.Cell{Version: c.stored, Tombstone: tombstone, Value: []byte("before")}
			if c.stored > 0 {
				write(t, s, online.Write{Key: key, Cell: before, Condition: online.IfVersion})
			}
			after := online.Cell{Version: version, Value: []byte("after")}
			done, err := s.Write(t.Context(), []online.Write{{Key: key, Cell: after, Condition: c.condition, Expected: c.expected}})
			require.NoError(t, err, name)
			require.Equal(t, []bool{c.want}, done, name)

			got, ok := get(t, s, key)
			require.Equal(t, c.stored > 0 || c.want, ok, name)
			switch {
			case c.want:
				require.Equal(t, after, got, name)
			case ok:
				require.Equal(t, before, got, name)
			}
		}
	}
}

func removals(t *testing.T, s online.Store) {
	const version = 10
	for name, c := range map[string]struct {
		stored    uint64 // 0: absent
		tombstone bool
		want      bool
	}{
		"absent":                       {0, false, true},
		"older":                        {version - 1, false, true},
		"equal":                        {version, false, true},
		"newer":                        {version + 1, false, false},
		"newer by the highest bit":     {1 << 63, false, false},
		"an older tombstone":           {version - 1, true, true},
		"a tombstone of that version":  {version, true, true},
		"a tombstone of a newer write": {version + 1, true, false},
	} {
		for _, kind := range []online.Kind{online.KindTile, online.KindRow} {
			key := online.Key{Store: store, Entity: []byte(name), Kind: kind}
			beside := online.Key{Store: store, Entity: []byte(name), Kind: kind, Writer: []byte("w")}
			write(t, s, put(beside, 1))
			before := online.Cell{Version: c.stored, Tombstone: c.tombstone}
			if c.stored > 0 {
				write(t, s, online.Write{Key: key, Cell: before, Condition: online.IfVersion})
			}
			for range 2 { // repeated, it changes nothing
				done, err := s.Write(t.Context(), []online.Write{remove(key, version)})
				require.NoError(t, err, name)
				require.Equal(t, []bool{c.want}, done, name)
				got, ok := get(t, s, key)
				require.Equal(t, !c.want, ok, name)
				want := []online.Key{beside}
				if ok {
					require.Equal(t, before, got, name)
					want = []online.Key{key, beside}
				}
				blocks := []online.Blocks{{From: hour(0), To: hour(1)}}
				items := read(t, s, online.Read{Store: store, Entity: key.Entity, Blocks: blocks, Row: true})[0]
				items = slices.DeleteFunc(items, func(i online.Item) bool { return i.Key.Kind != kind })
				require.Equal(t, want, keysOf(items), name)
			}
			if c.want {
				write(t, s, put(key, 1)) // nothing is left that an older writer could lose to
			}
		}
	}
}

func wholeCells(t *testing.T, s online.Store) {
	key := online.Key{Store: store, Entity: []byte("e"), Kind: online.KindRow, Writer: []byte("w")}
	for _, cell := range []online.Cell{
		{Version: 1},
		{Version: 2, Tombstone: true},
		{Version: 3, Fence: 1<<64 - 1, Position: []byte{0, 0xff}, MaxTime: -1, Value: []byte{0}},
		{Version: 1<<64 - 1, Fence: 1, Position: []byte("p"), MaxTime: 1<<63 - 1, Tombstone: true, Value: []byte("v")},
	} {
		write(t, s, online.Write{Key: key, Cell: cell, Condition: online.IfNotNewer})
		got, ok := get(t, s, key)
		require.True(t, ok)
		require.Equal(t, cell, got)
		want := []online.Item{{Key: key, Cell: cell}}
		require.Equal(t, want, read(t, s, online.Read{Store: store, Entity: key.Entity, Row: true})[0])
		require.Equal(t, want, scan(t, s, store))
	}
}

func independentWrites(t *testing.T, s online.Store) {
	a, b, c := tile("e", 1), tile("e", 2), tile("f", 1)
	write(t, s, put(b, 5))
	writes := []online.Write{put(a, 4), put(b, 4), swap(c, 0, 4), remove(tile("f", 2), 4)}
	for _, want := range [][]bool{{true, false, true, true}, {true, false, false, true}} {
		done, err := s.Write(t.Context(), writes)
		require.NoError(t, err)
		require.Equal(t, want, done, "a write that is repeated")
		for key, version := range map[*online.Key]uint64{&a: 4, &b: 5, &c: 4} {
			cell, ok := get(t, s, *key)
			require.True(t, ok)
			require.Equal(t, version, cell.Version)
		}
	}
	done, err := s.Write(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, done)
}
