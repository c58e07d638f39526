package onlinetest

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

// Run tests the stores that open returns. Each is new and empty, and is closed here.
func Run(t *testing.T, open func(t *testing.T) online.Store) {
	for _, property := range []struct {
		name string
		hold func(t *testing.T, s online.Store)
	}{
		{"a write takes place if and only if its condition holds", conditions},
		{"a removal leaves nothing of a cell that is not newer", removals},
		{"a written cell comes back whole", wholeCells},
		{"each write of a call stands by itself", independentWrites},
		{"of racing writes that are not newer the highest version wins", racingVersions},
		{"no compare and set is lost", racingCounters},
		{"reads see every write that returned before they began", strongReads},
		{"a read returns the fence, the blocks asked for and the rows asked for", readRanges},
		{"overlapping block ranges return a cell once", overlappingRanges},
		{"reads are answered in order", readsInOrder},
		{"entities do not leak into each other", entityIsolation},
		{"stores do not leak into each other", storeIsolation},
		{"a scan yields every cell in key order", scanOrder},
		{"a scan may be left and its cells written meanwhile", scanAndWrite},
		{"a drop removes every cell of a store", drop},
		{"a drop of a tree removes the stores below and no others", dropTree},
		{"a drop leaves nothing of a write whose condition it ended", racingDrop},
		{"calls at the limits pass", atLimits},
		{"calls past the limits are refused", pastLimits},
		{"keys, cells and calls without meaning are refused", refusals},
		{"a cancelled call fails", cancelled},
		{"a closed store fails", closed},
		{"any calls give what a model gives", model},
	} {
		t.Run(property.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() { _ = s.Close() }) // one property closes it itself
			property.hold(t, s)
		})
	}
}

const store = "workspace/view/fingerprint"

func tile(entity string, block int64) online.Key {
	return online.Key{Store: store, Entity: []byte(entity), Kind: online.KindTile, Block: hour(block)}
}

func put(key online.Key, version uint64) online.Write {
	value := binary.BigEndian.AppendUint64(nil, version)
	return online.Write{Key: key, Cell: online.Cell{Version: version, Value: value}, Condition: online.IfNotNewer}
}

func remove(key online.Key, version uint64) online.Write {
	return online.Write{Key: key, Remove: true, Cell: online.Cell{Version: version}, Condition: online.IfNotNewer}
}

func swap(key online.Key, expected, version uint64) online.Write {
	w := put(key, version)
	w.Condition, w.Expected = online.IfVersion, expected
	return w
}

// tb is what *testing.T and *rapid.T share.
type tb interface {
	require.TestingT
	Context() context.Context
}

// write carries out writes and requires that all take place.
func write(t tb, s online.Store, writes ...online.Write) {
	done, err := s.Write(t.Context(), writes)
	require.NoError(t, err)
	require.Len(t, done, len(writes))
	require.NotContains(t, done, false)
}

func get(t tb, s online.Store, key online.Key) (online.Cell, bool) {
	cell, ok, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	return cell, ok
}

func read(t tb, s online.Store, reads ...online.Read) [][]online.Item {
	items, err := s.Read(t.Context(), reads)
	require.NoError(t, err)
	require.Len(t, items, len(reads))
	return items
}

func scan(t tb, s online.Store, store string) []online.Item {
	var out []online.Item
	for item, err := range s.Scan(t.Context(), store) {
		require.NoError(t, err)
		out = append(out, item)
	}
	return out
}

func keysOf(items []online.Item) []online.Key {
	out := make([]online.Key, len(items))
	for i, item := range items {
		out[i] = item.Key
	}
	return out
}
