package pebble_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
)

// Many writes at once, over stores that have cells between their keys, at them, or none.
func TestWritesOfManyKeysTakePlaceAsOneByOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, many := open(t, dir+"/one"), open(t, dir+"/many")
	defer func() { require.NoError(t, one.Close()); require.NoError(t, many.Close()) }()
	rapid.Check(t, func(rt *rapid.T) {
		ctx := t.Context()
		for _, s := range []online.Store{one, many} {
			require.NoError(rt, s.Drop(ctx, "prod/view"))
		}
		for range rapid.IntRange(1, 4).Draw(rt, "calls") {
			start := rapid.Uint16Range(0, 300).Draw(rt, "first key")
			step := rapid.Uint16Range(1, 3).Draw(rt, "step")
			var writes []online.Write
			for i := range rapid.Uint16Range(1, 150).Draw(rt, "writes") {
				write := online.Write{
					Key:       online.Key{Store: "prod/view", Entity: binary.BigEndian.AppendUint16(nil, start+i*step), Kind: online.KindRow},
					Cell:      online.Cell{Version: 5, Value: []byte{byte(i)}},
					Condition: online.IfVersion,
				}
				if rapid.Bool().Draw(rt, "if not newer") {
					write.Condition, write.Cell.Version = online.IfNotNewer, rapid.Uint64Range(4, 6).Draw(rt, "version")
				}
				writes = append(writes, write)
			}
			var want []bool
			for _, w := range writes {
				done, err := one.Write(ctx, []online.Write{w})
				require.NoError(rt, err)
				want = append(want, done...)
			}
			writes = rapid.Permutation(writes).Draw(rt, "writes in any order")
			done, err := many.Write(ctx, writes)
			require.NoError(rt, err)
			for i, w := range writes {
				at := (binary.BigEndian.Uint16(w.Key.Entity) - start) / step
				require.Equal(rt, want[at], done[i])
			}
		}
		require.Equal(rt, cells(rt, t, one), cells(rt, t, many))
	})
}

func cells(rt *rapid.T, t *testing.T, s online.Store) (out []online.Item) {
	for item, err := range s.Scan(t.Context(), "prod/view") {
		require.NoError(rt, err)
		out = append(out, item)
	}
	return out
}
