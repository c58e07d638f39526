package pebble_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/window"
)

const (
	benchEntities = 10_000
	benchTiles    = 8   // of each entity
	benchValue    = 256 // bytes
)

func benchWrites(cells int, version uint64) []online.Write {
	writes := make([]online.Write, cells)
	for i := range writes {
		writes[i] = online.Write{
			Key: online.Key{
				Store: "bench", Entity: binary.BigEndian.AppendUint64(nil, uint64(i/benchTiles)), Kind: online.KindTile,
				Block: window.Time(i % benchTiles),
			},
			Cell:      online.Cell{Version: version, Value: make([]byte, benchValue)},
			Condition: online.IfNotNewer,
		}
	}
	return writes
}

func benchStore(b *testing.B) *pebble.Store {
	s := open(b, b.TempDir())
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	writes := benchWrites(benchEntities*benchTiles, 1)
	for len(writes) > 0 {
		n := min(len(writes), online.MaxWrites)
		_, err := s.Write(context.Background(), writes[:n])
		require.NoError(b, err)
		writes = writes[n:]
	}
	return s
}

func BenchmarkReadEntityOf8Tiles(b *testing.B) {
	s := benchStore(b)
	n := uint64(0)
	for b.Loop() {
		n = (n + 7919) % benchEntities
		items, err := s.Read(context.Background(), []online.Read{{
			Store: "bench", Entity: binary.BigEndian.AppendUint64(nil, n), Blocks: []online.Blocks{{To: benchTiles}},
		}})
		require.NoError(b, err)
		require.Len(b, items[0], benchTiles)
	}
}

func BenchmarkReadAbsentEntity(b *testing.B) {
	s := benchStore(b)
	n := uint64(benchEntities)
	for b.Loop() {
		n++
		items, err := s.Read(context.Background(), []online.Read{{
			Store: "bench", Entity: binary.BigEndian.AppendUint64(nil, n), Blocks: []online.Blocks{{To: benchTiles}},
		}})
		require.NoError(b, err)
		require.Empty(b, items[0])
	}
}

func BenchmarkWrite1000Cells(b *testing.B) {
	s := benchStore(b)
	version := uint64(1)
	for b.Loop() {
		version++
		done, err := s.Write(context.Background(), benchWrites(1000, version))
		require.NoError(b, err)
		require.NotContains(b, done, false)
	}
}
