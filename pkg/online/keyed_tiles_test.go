package online_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
)

// encoded returns the encoding of one tile.
func encoded(t require.TestingT, index uint32, state string) []byte {
	value, err := online.AppendTiles(nil, []online.Tile{{Index: index, State: []byte(state)}})
	require.NoError(t, err)
	return value
}

func goldenKeyedTiles(t require.TestingT) map[string][]online.KeyedTiles {
	return map[string][]online.KeyedTiles{
		"none": nil,
		"some": {{Key: []byte{0}, Tiles: encoded(t, 0, "a")}, {Key: []byte{0, 0}, Tiles: encoded(t, 300, "")}, {Key: []byte("b"), Tiles: encoded(t, 7, "\x00\xff")}},
		"long": {{Key: bytes.Repeat([]byte{'k'}, 200), Tiles: encoded(t, 1, "s")}},
	}
}

func collectByKey(value []byte) (keys []online.KeyedTiles, err error) {
	for k, err := range online.TilesByKey(value) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func TestKeyedTilesOfEarlierProgramsAreRead(t *testing.T) {
	stored := golden(t, "keyed_tiles.golden")
	require.Len(t, stored, len(goldenKeyedTiles(t)))
	for name, keys := range goldenKeyedTiles(t) {
		value, err := online.AppendKeyedTiles(nil, keys)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(stored[name]), hex.EncodeToString(value), name)
		got, err := collectByKey(stored[name])
		require.NoError(t, err)
		require.Equal(t, keys, got)
	}
}

func TestKeyedTilesRoundTripInTheOrderOfKeys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var want []online.KeyedTiles
		for _, key := range rapid.SliceOfNDistinct(rapid.SliceOfN(rapid.Byte(), 1, 4), 0, 6, func(key []byte) string { return string(key) }).Draw(rt, "keys") {
			want = append(want, online.KeyedTiles{Key: key, Tiles: encoded(rt, rapid.Uint32().Draw(rt, "index"), rapid.String().Draw(rt, "state"))})
		}
		given, err := online.AppendKeyedTiles([]byte("before"), want)
		ascending := true
		for i := 1; i < len(want); i++ {
			ascending = ascending && bytes.Compare(want[i-1].Key, want[i].Key) < 0
		}
		if !ascending {
			require.ErrorContains(rt, err, "after key")
			return
		}
		require.NoError(rt, err)
		got, err := collectByKey(given[len("before"):])
		require.NoError(rt, err)
		require.Equal(rt, want, got)
	})
}

func TestKeysWithoutAnOrderOrTilesAreRefused(t *testing.T) {
	one := encoded(t, 0, "")
	for text, keys := range map[string][]online.KeyedTiles{
		"key 61 after key 61": {{Key: []byte("a"), Tiles: one}, {Key: []byte("a"), Tiles: one}},
		"key 61 after key 62": {{Key: []byte("b"), Tiles: one}, {Key: []byte("a"), Tiles: one}},
		"key  after key ":     {{Tiles: one}},
		"without tiles":       {{Key: []byte("a"), Tiles: []byte{1}}},
	} {
		_, err := online.AppendKeyedTiles(nil, keys)
		require.ErrorContains(t, err, text)
	}
}

func TestDamagedKeyedTilesAreErrors(t *testing.T) {
	for name, value := range map[string][]byte{
		"nothing":                {},
		"plain tiles":            encoded(t, 0, "a"),
		"another version":        {3},
		"cut number":             {2, 0x80},
		"cut key":                {2, 2, 'a'},
		"empty key":              {2, 0, 3, 1, 0, 0},
		"no tiles":               {2, 1, 'a', 1, 1},
		"no length of tiles":     {2, 1, 'a'},
		"cut tiles":              {2, 1, 'a', 3, 1, 0},
		"long form of a length":  {2, 0x81, 0x00, 'a', 3, 1, 0, 0},
		"length beyond any data": {2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"a key twice":            {2, 1, 'a', 3, 1, 0, 0, 1, 'a', 3, 1, 0, 0},
		"keys that descend":      {2, 1, 'b', 3, 1, 0, 0, 1, 'a', 3, 1, 0, 0},
	} {
		_, err := collectByKey(value)
		require.ErrorIs(t, err, online.ErrDamaged, name)
	}
	value, err := online.AppendKeyedTiles(nil, goldenKeyedTiles(t)["some"])
	require.NoError(t, err)
	_, err = collect(value)
	require.ErrorIs(t, err, online.ErrDamaged, "keyed tiles are no plain ones")
}

func TestKeyedTilesMayBeLeftEarly(t *testing.T) {
	value, err := online.AppendKeyedTiles(nil, goldenKeyedTiles(t)["some"])
	require.NoError(t, err)
	for k, err := range online.TilesByKey(value) {
		require.NoError(t, err)
		require.Equal(t, []byte{0}, k.Key)
		break
	}
}

func FuzzKeyedTiles(f *testing.F) {
	for _, value := range golden(f, "keyed_tiles.golden") {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := collectByKey(data)
		if err != nil {
			require.ErrorIs(t, err, online.ErrDamaged)
			return
		}
		again, err := online.AppendKeyedTiles(nil, keys)
		require.NoError(t, err)
		require.Equal(t, data, again, "one encoding per list")
	})
}
