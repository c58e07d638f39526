package online_test

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
)

var goldenTiles = map[string][]online.Tile{
	"none": nil,
	"some": {{Index: 0, State: []byte("a")}, {Index: 1, State: []byte{}}, {Index: 300, State: []byte{0, 0xff}}},
	"last": {{Index: math.MaxUint32, State: []byte("z")}},
}

func collect(value []byte) (tiles []online.Tile, err error) {
	for t, err := range online.Tiles(value) {
		if err != nil {
			return nil, err
		}
		tiles = append(tiles, t)
	}
	return tiles, nil
}

func TestTilesOfEarlierProgramsAreRead(t *testing.T) {
	stored := golden(t, "tiles.golden")
	require.Len(t, stored, len(goldenTiles))
	for name, tiles := range goldenTiles {
		value, err := online.AppendTiles(nil, tiles)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(stored[name]), hex.EncodeToString(value), name)
		got, err := collect(stored[name])
		require.NoError(t, err)
		require.Equal(t, tiles, got)
	}
}

func TestTilesRoundTripInAscendingOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var want []online.Tile
		next := uint64(0)
		for range rapid.IntRange(0, 6).Draw(rt, "tiles") {
			index := next + uint64(rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32()).Draw(rt, "skip"))
			if index > math.MaxUint32 {
				break
			}
			state := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "state")
			want = append(want, online.Tile{Index: uint32(index), State: state})
			next = index + 1
		}
		value, err := online.AppendTiles([]byte("before"), want)
		require.NoError(rt, err)
		got, err := collect(value[len("before"):])
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

func TestTilesOutOfOrderAreRefused(t *testing.T) {
	for _, second := range []uint32{0, 4, 5} {
		_, err := online.AppendTiles(nil, []online.Tile{{Index: 5}, {Index: second}})
		require.ErrorContains(t, err, "after tile 5")
	}
}

func TestDamagedTilesAreErrors(t *testing.T) {
	for name, value := range map[string][]byte{
		"nothing":                {},
		"another version":        {2},
		"no length":              {1, 0},
		"cut number":             {1, 0x80},
		"cut state":              {1, 0, 2, 'a'},
		"long form of an index":  {1, 0x80, 0x00, 0},
		"long form of a length":  {1, 0, 0x81, 0x00, 'a'},
		"index past 32 bits":     {1, 0xff, 0xff, 0xff, 0xff, 0x1f, 0},
		"sum past 32 bits":       {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0},
		"index past 64 bits":     {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0},
		"length beyond any data": {1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
	} {
		_, err := collect(value)
		require.ErrorIs(t, err, online.ErrDamaged, name)
	}
}

func TestTilesMayBeLeftEarly(t *testing.T) {
	value, err := online.AppendTiles(nil, goldenTiles["some"])
	require.NoError(t, err)
	for tile, err := range online.Tiles(value) {
		require.NoError(t, err)
		require.Equal(t, uint32(0), tile.Index)
		break
	}
}

func FuzzTiles(f *testing.F) {
	for _, encoded := range golden(f, "tiles.golden") {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tiles, err := collect(data)
		if err != nil {
			require.ErrorIs(t, err, online.ErrDamaged)
			return
		}
		again, err := online.AppendTiles(nil, tiles)
		require.NoError(t, err)
		require.Equal(t, data, again, "one encoding per list")
	})
}
