package pebble

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
)

// A process that dies leaves its writes to the system; a machine that dies
// keeps what was synced. The file system of this test forgets all else.
func TestAcknowledgedWritesSurvivePowerLoss(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	files := vfs.NewCrashableMem()
	require.NoError(t, files.MkdirAll("online", 0o755))
	root, err := files.OpenDir("/")
	require.NoError(t, err)
	require.NoError(t, root.Sync())
	key := func(n int) online.Key {
		return online.Key{Store: "s", Entity: []byte{byte(n)}, Kind: online.KindTile}
	}
	var want [16]uint64
	for version := uint64(1); version <= 40; version++ {
		s, err := open("online", files, Options{})
		require.NoError(t, err)
		for n := range want {
			cell, ok, err := s.Get(ctx, key(n))
			require.NoError(t, err)
			require.Equal(t, want[n] > 0, ok)
			require.Equal(t, want[n], cell.Version)
		}
		for range 3 {
			n := random.IntN(len(want))
			done, err := s.Write(ctx, []online.Write{{Key: key(n), Cell: online.Cell{Version: version}, Condition: online.IfNotNewer}})
			require.NoError(t, err)
			require.Equal(t, []bool{true}, done)
			want[n] = version
		}
		if random.IntN(5) == 0 { // last, so that no later sync covers for it
			require.NoError(t, s.Drop(ctx, "s"))
			clear(want[:])
		}
		crashed := files.CrashClone(vfs.CrashCloneCfg{})
		require.NoError(t, s.Close())
		files = crashed
	}
}
