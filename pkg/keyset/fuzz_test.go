package keyset_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/keyset"
)

// Both decoders are given a body, to which the right checksum is added: what follows
// it is what is to be tried.
func sealed(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(bytes.Clone(body), sum[:]...)
}

func seeds(f *testing.F) (sets []*keyset.Set) {
	for _, keys := range [][][]byte{nil, {[]byte("a")}, {[]byte("a"), []byte("b\x00"), []byte("c")}} {
		sets = append(sets, newSet(f, keys))
	}
	return sets
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds(f) {
		encoded := s.Encode()
		f.Add(encoded[:len(encoded)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := keyset.Decode(sealed(body))
		if err != nil {
			require.ErrorIs(t, err, keyset.ErrDamaged)
			return
		}
		require.Equal(t, sealed(body), s.Encode())
		for i := range s.Len() {
			require.Equal(t, i, s.Search(s.Key(i)))
		}
	})
}

func FuzzDecodeHashed(f *testing.F) {
	for _, s := range seeds(f) {
		encoded := s.Hashed().Encode()
		f.Add(encoded[:len(encoded)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := keyset.DecodeHashed(sealed(body))
		if err != nil {
			require.ErrorIs(t, err, keyset.ErrDamaged)
			return
		}
		require.Equal(t, sealed(body), s.Encode())
	})
}
