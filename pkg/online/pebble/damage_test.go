package pebble

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

func TestDamagedCellIsAnErrorAndNeverAnAnswer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := Open(t.TempDir(), Options{})
	require.NoError(t, err)
	defer s.Close()
	key := online.Key{Store: "s", Entity: []byte("e"), Kind: online.KindRow}
	write := []online.Write{{Key: key, Cell: online.Cell{Version: 1, Value: []byte("value")}, Condition: online.IfNotNewer}}
	encoded := online.AppendKey(nil, key)
	for name, damaged := range map[string]struct{ key, cell []byte }{
		"cell": {encoded, []byte("not a cell")},
		"key":  {append(online.AppendKey(nil, online.Key{Store: "s", Entity: []byte("e"), Kind: online.KindFence}), 0), online.AppendCell(nil, write[0].Cell)},
	} {
		require.NoError(t, s.db.Set(damaged.key, damaged.cell, pebble.Sync))
		if name == "cell" {
			_, _, err = s.Get(ctx, key)
			require.ErrorIs(t, err, online.ErrDamaged)
			_, err = s.Write(ctx, write)
			require.ErrorIs(t, err, online.ErrDamaged)
			items, err := s.Read(ctx, []online.Read{{Store: "s", Entity: []byte("e"), Row: true}})
			require.ErrorIs(t, err, online.ErrDamaged)
			require.Nil(t, items)
		}
		for _, err := range s.Scan(ctx, "s") {
			require.ErrorIs(t, err, online.ErrDamaged, name)
		}
		require.NoError(t, s.Drop(ctx, "s"), "what is damaged can be dropped and built again")
	}
	done, err := s.Write(ctx, write)
	require.NoError(t, err)
	require.Equal(t, []bool{true}, done)
}
