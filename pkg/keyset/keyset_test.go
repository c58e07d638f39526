package keyset_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/record"
)

func drawKeys(rt *rapid.T, label string) [][]byte {
	letters := rapid.SampledFrom([]byte{0, 1, 'a', 0xff})
	return rapid.SliceOfN(rapid.SliceOfN(letters, 1, 4), 0, 30).Draw(rt, label)
}

func newSet(t require.TestingT, keys [][]byte) *keyset.Set {
	s, err := keyset.New(keys)
	require.NoError(t, err)
	return s
}

func TestASetHoldsEachKeyOnceInByteOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		keys, others := drawKeys(rt, "keys"), drawKeys(rt, "others")
		given := slices.Clone(keys)
		s := newSet(rt, keys)
		require.Equal(rt, given, keys, "what is given is left as it is")
		want := map[string]bool{}
		for _, key := range keys {
			want[string(key)] = true
		}
		sorted := slices.Sorted(maps.Keys(want))
		require.Equal(rt, len(sorted), s.Len())
		for i, key := range sorted {
			require.Equal(rt, key, string(s.Key(i)))
		}
		hashed := s.Hashed()
		require.Equal(rt, s.Len(), hashed.Len())
		for _, key := range append(others, keys...) {
			require.Equal(rt, want[string(key)], s.Contains(key))
			require.Equal(rt, want[string(key)], hashed.Contains(key))
			at, _ := slices.BinarySearch(sorted, string(key))
			require.Equal(rt, at, s.Search(key))
		}
		require.Len(rt, slices.Collect(hashed.Hashes()), s.Len())
		for hash := range hashed.Hashes() {
			require.True(rt, slices.ContainsFunc(keys, func(key []byte) bool { return keyset.HashOf(key) == hash }))
		}
	})
}

func TestASetAndItsHashesRoundTripAndHaveADigestOfTheirContent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		keys := drawKeys(rt, "keys")
		s := newSet(rt, keys)
		slices.Reverse(keys)
		require.Equal(rt, s.Digest(), newSet(rt, append(keys, keys...)).Digest(), "whatever order they come in")
		back, err := keyset.Decode(s.Encode())
		require.NoError(rt, err)
		require.Equal(rt, s.Encode(), back.Encode())
		hashed, err := keyset.DecodeHashed(s.Hashed().Encode())
		require.NoError(rt, err)
		require.Equal(rt, s.Hashed().Encode(), hashed.Encode())
		require.Equal(rt, s.Hashed().Digest(), hashed.Digest())
		require.Equal(rt, s.Len(), hashed.Len())
		for _, key := range keys {
			require.True(rt, hashed.Contains(key))
		}
		more := newSet(rt, append(keys, []byte("another")))
		require.NotEqual(rt, s.Digest(), more.Digest())
		require.NotEqual(rt, s.Hashed().Digest(), more.Hashed().Digest())
		require.NotEqual(rt, s.Digest(), s.Hashed().Digest())
	})
}

func TestAnEncodedSetThatIsChangedAnywhereIsDamaged(t *testing.T) {
	t.Parallel()
	s := newSet(t, [][]byte{[]byte("a"), []byte("bc"), []byte("d")})
	for name, encoded := range map[string][]byte{"keys": s.Encode(), "hashes": s.Hashed().Encode()} {
		decode := func(data []byte) error { _, err := keyset.Decode(data); return err }
		other := func(data []byte) error { _, err := keyset.DecodeHashed(data); return err }
		if name == "hashes" {
			decode, other = other, decode
		}
		require.NoError(t, decode(encoded))
		require.ErrorIs(t, other(encoded), keyset.ErrDamaged, "one is not taken for the other")
		for i := range encoded {
			changed := bytes.Clone(encoded)
			changed[i] ^= 1
			require.ErrorIs(t, decode(changed), keyset.ErrDamaged, "%s, byte %d", name, i)
			require.ErrorIs(t, decode(encoded[:i]), keyset.ErrDamaged, "%s, %d bytes", name, i)
		}
		require.ErrorIs(t, decode(append(bytes.Clone(encoded), 0)), keyset.ErrDamaged)
		require.NotContains(t, string(s.Hashed().Encode()), "bc")
	}
}

func TestSetsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := keyset.New([][]byte{{}})
	require.ErrorIs(t, err, record.ErrKey)
	_, err = keyset.New([][]byte{make([]byte, record.MaxKeyBytes+1)})
	require.ErrorIs(t, err, record.ErrKey)
	longest, err := keyset.New([][]byte{make([]byte, record.MaxKeyBytes)})
	require.NoError(t, err)
	_, err = keyset.Decode(longest.Encode())
	require.NoError(t, err)

	keys := make([][]byte, keyset.MaxKeys+1)
	for i := range keys {
		keys[i] = fmt.Append(nil, i)
	}
	_, err = keyset.New(keys)
	require.ErrorIs(t, err, keyset.ErrTooMany)
	keys[0] = keys[1]
	s, err := keyset.New(keys)
	require.NoError(t, err, "the same key again does not count")
	require.Equal(t, keyset.MaxKeys, s.Len())
}
