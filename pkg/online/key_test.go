package online_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

var goldenKeys = map[string]online.Key{
	"status":   {Store: "s\x00t", Kind: online.KindStatus},
	"progress": {Store: "s", Kind: online.KindProgress, Writer: []byte{0, 0xff}},
	"fence":    {Store: "s", Entity: []byte{'e', 0, 1}, Kind: online.KindFence},
	"tile":     {Store: "s", Entity: []byte("e"), Kind: online.KindTile, Level: 2, Block: -1, Writer: []byte("w")},
	"row":      {Store: "s", Kind: online.KindRow},
}

// golden returns the stored encodings of a file with lines of name and hex.
func golden(t testing.TB, file string) map[string][]byte {
	text, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	out := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[name], err = hex.DecodeString(digits)
		require.NoError(t, err)
	}
	return out
}

func TestKeysOfEarlierProgramsAreRead(t *testing.T) {
	stored := golden(t, "keys.golden")
	require.Len(t, stored, len(goldenKeys))
	for name, key := range goldenKeys {
		require.Equal(t, hex.EncodeToString(stored[name]), hex.EncodeToString(online.AppendKey(nil, key)), name)
		got, err := online.DecodeKey(stored[name])
		require.NoError(t, err)
		require.Equal(t, key, got)
	}
}

func drawBytes(rt *rapid.T, label string) []byte {
	b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xfe, 0xff}), 0, 4).Draw(rt, label)
	if len(b) == 0 {
		return nil
	}
	return b
}

func drawKey(rt *rapid.T) online.Key {
	key := online.Key{
		Store: "s" + string(drawBytes(rt, "store")),
		Kind:  rapid.SampledFrom([]online.Kind{online.KindStatus, online.KindProgress, online.KindFence, online.KindTile, online.KindRow}).Draw(rt, "kind"),
	}
	if !ofStore(key) {
		key.Entity = drawBytes(rt, "entity")
	}
	switch key.Kind {
	case online.KindProgress:
		key.Writer = append(drawBytes(rt, "writer"), 'w')
	case online.KindRow:
		key.Writer = drawBytes(rt, "writer")
	case online.KindTile:
		key.Level = rapid.Uint8().Draw(rt, "level")
		key.Block = window.Time(rapid.Int64().Draw(rt, "block"))
		key.Writer = drawBytes(rt, "writer")
	}
	return key
}

func ofStore(key online.Key) bool {
	return key.Kind == online.KindStatus || key.Kind == online.KindProgress
}

func compareKeys(a, b online.Key) int {
	last := map[bool]int{true: 1}
	return cmp.Or(
		cmp.Compare(a.Store, b.Store), cmp.Compare(last[ofStore(a)], last[ofStore(b)]), bytes.Compare(a.Entity, b.Entity),
		cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Block, b.Block), bytes.Compare(a.Writer, b.Writer),
	)
}

func TestEncodedKeysRoundTripAndKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawKey(rt), drawKey(rt)
		encodedA, encodedB := online.AppendKey(nil, a), online.AppendKey([]byte("before"), b)[len("before"):]
		got, err := online.DecodeKey(encodedA)
		require.NoError(rt, err)
		require.Equal(rt, a, got)
		require.Equal(rt, compareKeys(a, b), bytes.Compare(encodedA, encodedB))

		prefixA, prefixB := encodedA[:online.SplitKey(encodedA)], encodedB[:online.SplitKey(encodedB)]
		same := a.Store == b.Store && ofStore(a) == ofStore(b) && bytes.Equal(a.Entity, b.Entity)
		require.Equal(rt, same, bytes.Equal(prefixA, prefixB), "cells share their prefix with their entity's cells only")

		in := online.StoreRange(a.Store)
		inside := bytes.Compare(in.From, encodedB) <= 0 && bytes.Compare(encodedB, in.To) < 0
		require.Equal(rt, a.Store == b.Store, inside)
	})
}

// A prefix of a key that is cut short must still order keys, since a driver
// makes such keys as bounds.
func TestSplitKeyKeepsTheOrderOfAnyBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := append([]byte{1}, drawBytes(rt, "a")...), append([]byte{1}, drawBytes(rt, "b")...)
		for _, cut := range []*[]byte{&a, &b} {
			if rapid.Bool().Draw(rt, "of a key") {
				key := online.AppendKey(nil, drawKey(rt))
				*cut = key[:rapid.IntRange(0, len(key)).Draw(rt, "length")]
			}
		}
		prefixA, prefixB := a[:online.SplitKey(a)], b[:online.SplitKey(b)]
		require.Equal(rt, len(prefixA), online.SplitKey(prefixA))
		if c := bytes.Compare(prefixA, prefixB); c != 0 {
			require.Equal(rt, c, bytes.Compare(a, b))
		}
	})
}

func TestTruncatedKeysAreDamagedOrOtherKeys(t *testing.T) {
	for name, key := range goldenKeys {
		encoded := online.AppendKey(nil, key)
		for n := range encoded {
			got, err := online.DecodeKey(encoded[:n])
			if err != nil {
				require.ErrorIs(t, err, online.ErrDamaged, name)
				continue
			}
			require.Equal(t, encoded[:n], online.AppendKey(nil, got), "the writer ends a key, and a shorter one is a writer too")
			require.NotEqual(t, key, got)
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	for _, encoded := range golden(f, "keys.golden") {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		require.LessOrEqual(t, online.SplitKey(data), len(data))
		key, err := online.DecodeKey(data)
		if err != nil {
			require.ErrorIs(t, err, online.ErrDamaged)
			return
		}
		require.Equal(t, data, online.AppendKey(nil, key), "one encoding per key")
	})
}
