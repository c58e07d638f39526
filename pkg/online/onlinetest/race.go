package onlinetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/online"
)

const racers = 8

func racingVersions(t *testing.T, s online.Store) {
	const versions = 25 * racers
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	order := rand.New(rand.NewPCG(seed, 0)).Perm(versions)
	key := tile("hot", 0)
	race(t, func(ctx context.Context, racer int) error {
		for _, n := range order[racer*versions/racers : (racer+1)*versions/racers] {
			version := uint64(n + 1)
			done, err := s.Write(ctx, []online.Write{put(key, version), put(tile("cool", int64(version)), version)})
			if err != nil {
				return err
			}
			if version == versions && !done[0] {
				return fmt.Errorf("the highest version lost")
			}
			cell, ok, err := s.Get(ctx, key)
			if err != nil {
				return err
			}
			if !ok || cell.Version < version {
				return fmt.Errorf("version %d stored after version %d was written", cell.Version, version)
			}
		}
		return nil
	})
	cell, ok := get(t, s, key)
	require.True(t, ok)
	require.Equal(t, put(key, versions).Cell, cell)
	require.Len(t, scan(t, s, store), versions+1)
}

// racingCounters writes two counters in opposite orders, so that a driver that
// locks in the order of the call stands still.
func racingCounters(t *testing.T, s online.Store) {
	const increments = 20
	counters := [2]online.Key{tile("a", 0), tile("b", 0)}
	var total [2]atomic.Uint64
	race(t, func(ctx context.Context, racer int) error {
		for left := increments; left > 0; {
			first := racer % 2
			writes := make([]online.Write, 2)
			for i := range writes {
				w, err := increment(ctx, s, counters[(first+i)%2])
				if err != nil {
					return err
				}
				writes[i] = w
			}
			done, err := s.Write(ctx, writes)
			if err != nil {
				return err
			}
			for i, won := range done {
				if won {
					total[(first+i)%2].Add(1)
				}
			}
			if done[0] {
				left--
			}
		}
		return nil
	})
	for i, key := range counters {
		cell, _ := get(t, s, key)
		require.GreaterOrEqual(t, total[i].Load(), uint64(increments*racers/2))
		require.Equal(t, total[i].Load(), binary.BigEndian.Uint64(cell.Value))
	}
}

func increment(ctx context.Context, s online.Store, key online.Key) (online.Write, error) {
	cell, ok, err := s.Get(ctx, key)
	if err != nil {
		return online.Write{}, err
	}
	count := uint64(0)
	if ok {
		count = binary.BigEndian.Uint64(cell.Value)
	}
	w := swap(key, cell.Version, online.NewVersion())
	w.Cell.Value = binary.BigEndian.AppendUint64(nil, count+1)
	return w, nil
}

// racingDrop swaps cells while their store is dropped. Whichever comes first,
// none is left: a swap before the drop is dropped, one after it finds no cell.
func racingDrop(t *testing.T, s online.Store) {
	const rounds, cells = 30, 64
	for round := range rounds {
		puts, swaps := make([]online.Write, cells), make([]online.Write, cells)
		for i := range cells {
			puts[i], swaps[i] = put(tile("e", int64(i)), 5), swap(tile("e", int64(i)), 5, 6)
		}
		write(t, s, puts...)
		race(t, func(ctx context.Context, racer int) error {
			if racer == round%racers {
				return s.Drop(ctx, store)
			}
			_, err := s.Write(ctx, swaps)
			return err
		})
		require.Empty(t, scan(t, s, store))
	}
}

func strongReads(t *testing.T, s online.Store) {
	const versions = 30
	var returned [racers]atomic.Uint64 // by block: the highest version whose Write returned
	blocks := []online.Blocks{{From: hour(0), To: hour(racers)}}
	race(t, func(ctx context.Context, racer int) error {
		for version := uint64(1); version <= versions; version++ {
			if _, err := s.Write(ctx, []online.Write{put(tile("e", int64(racer)), version)}); err != nil {
				return err
			}
			returned[racer].Store(version)

			var want [racers]uint64
			for i := range want {
				want[i] = returned[i].Load()
			}
			items, err := s.Read(ctx, []online.Read{{Store: store, Entity: []byte("e"), Blocks: blocks}})
			if err != nil {
				return err
			}
			var got [racers]uint64
			for _, item := range items[0] {
				got[item.Key.Block/hour(1)] = item.Cell.Version
			}
			for i := range want {
				if got[i] < want[i] {
					return fmt.Errorf("read version %d of block %d after version %d was written", got[i], i, want[i])
				}
			}
		}
		return nil
	})
}

func race(t *testing.T, run func(ctx context.Context, racer int) error) {
	group, ctx := errgroup.WithContext(t.Context())
	for racer := range racers {
		group.Go(func() error { return run(ctx, racer) })
	}
	require.NoError(t, group.Wait())
}
