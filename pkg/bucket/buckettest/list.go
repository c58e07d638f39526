package buckettest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
)

func testListOrder(t *testing.T, b bucket.Bucket) {
	// '-' and '.' sort before '/', '0' after it.
	keys := []string{"a-b", "a-b.c/d", "a.b", "a/-", "a/b", "a/b-", "a/c/d", "a/c0", "a0", "a=", "aa/b", "b"}
	for _, key := range slices.Backward(keys) {
		require.NoError(t, b.Put(t.Context(), key, []byte(key)))
	}
	require.Equal(t, keys, list(t, b, "", ""))
	require.Equal(t, []string{"a/-", "a/b", "a/b-", "a/c/d", "a/c0"}, list(t, b, "a/", ""))
	require.Equal(t, []string{"a/b", "a/b-"}, list(t, b, "a/b", ""))
	require.Equal(t, []string{"a/b-", "a/c/d"}, list(t, b, "a/", "a/b")[:2])
	require.Equal(t, []string{"a0", "a=", "aa/b", "b"}, list(t, b, "", "a/\xff"))
	require.Empty(t, list(t, b, "a/c/d/", ""))
	for info, err := range b.List(t.Context(), "", "") {
		require.NoError(t, err)
		require.Equal(t, int64(len(info.Key)), info.Size)
		require.False(t, info.ModTime.IsZero())
	}
}

func testListRandom(t *testing.T, b bucket.Bucket) {
	// Few letters, so that prefixes are shared and the bytes around '/' meet it.
	segment := rapid.StringMatching(`[ab0=_-][ab0=_.-]{0,2}`)
	path := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), "/")
	})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		root := fmt.Sprintf("run%d/", run) // instead of a new bucket each time
		var keys []string
		for _, key := range rapid.SliceOfN(path, 0, 20).Draw(t, "keys") {
			if !slices.ContainsFunc(keys, func(other string) bool { return overlap(key, other) }) {
				require.NoError(t, b.Put(t.Context(), root+key, nil))
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		near := path
		if len(keys) > 0 {
			near = rapid.OneOf(path, rapid.SampledFrom(keys))
		}
		for range 5 {
			prefix, after := cut(t, near.Draw(t, "prefix")), cut(t, near.Draw(t, "after"))
			var want []string
			for _, key := range keys {
				if strings.HasPrefix(key, prefix) && key > after {
					want = append(want, root+key)
				}
			}
			require.Equal(t, want, list(t, b, root+prefix, root+after), "prefix %q after %q", prefix, after)
		}
	})
}

// overlap reports whether two keys are equal or one is a folder of the other.
func overlap(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

func cut(t *rapid.T, s string) string { return s[:rapid.IntRange(0, len(s)).Draw(t, "cut")] }

func testListResume(t *testing.T, b bucket.Bucket) {
	want := make([]string, 0, 60)
	for i := range 60 {
		key := fmt.Sprintf("p/%d/%02d", i/10, i)
		require.NoError(t, b.Put(t.Context(), key, nil))
		want = append(want, key)
	}
	var got []string
	for len(got) < len(want) {
		after := ""
		if len(got) > 0 {
			after = got[len(got)-1]
		}
		page := 0
		for info, err := range b.List(t.Context(), "p/", after) {
			require.NoError(t, err)
			got = append(got, info.Key)
			if page++; page == 7 {
				break
			}
		}
		require.Positive(t, page, "the listing ended after %v", got)
	}
	require.Equal(t, want, got)
}

func testListErrors(t *testing.T, b bucket.Bucket) {
	require.NoError(t, b.Put(t.Context(), "k", nil))
	for _, prefix := range []string{"/", ".", "..", "../", ".tmp", ".tmp/", "a//", "a/../", "a/./b", "a b", "\xff"} {
		n := 0
		for _, err := range b.List(t.Context(), prefix, "") {
			require.ErrorIs(t, err, bucket.ErrInvalidKey, prefix)
			n++
		}
		require.Equal(t, 1, n, prefix)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range b.List(ctx, "", "") {
		require.ErrorIs(t, err, context.Canceled)
		n++
	}
	require.Equal(t, 1, n)
}
