package buckettest

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
)

// Run holds a driver against the contract. Open returns an empty bucket, and
// removes with t.Cleanup what must not stay; it is called once per subtest. Each
// write is expected to take milliseconds; there are some thousands.
func Run(t *testing.T, open func(t *testing.T) bucket.Bucket) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b bucket.Bucket)
	}{
		{"what was put is read whole and by range", testReads},
		{"an absent object is ErrNotFound", testAbsent},
		{"put overwrites", testPut},
		{"put-if-absent never overwrites", testPutIfAbsent},
		{"delete is final and repeatable", testDelete},
		{"too large is refused", testTooLarge},
		{"bad keys are refused by every method", testBadKeys},
		{"nothing is done after ctx has ended", testEndedContext},
		{"a reader at any offset sees the object", testReaderAt},
		{"an upload shows when it is closed", testCreate},
		{"an upload that failed or was aborted never shows", testCreateFails},
		{"readers of an overwritten object never see a mixture", testOverwriteWhole},
		{"list is in byte order of whole keys", testListOrder},
		{"list equals a sort of the matching keys", testListRandom},
		{"list can be stopped and resumed", testListResume},
		{"list refuses bad prefixes and ended contexts", testListErrors},
		{"B3 racing puts have one winner", func(t *testing.T, b bucket.Bucket) { Race(t, b, 50) }},
		{"B3 claim succeeds if and only if its bytes are there", testClaimFaults},
		{"B3 of claimers with lost answers one wins", testClaimRace},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func testReads(t *testing.T, b bucket.Bucket) {
	ctx := t.Context()
	before := time.Now()
	require.NoError(t, b.Put(ctx, "a/b", []byte("0123456789")))
	require.NoError(t, b.Put(ctx, "empty", nil))

	data, err := b.Get(ctx, "a/b")
	require.NoError(t, err)
	require.Equal(t, "0123456789", string(data))
	data, err = b.Get(ctx, "empty")
	require.NoError(t, err)
	require.Empty(t, data)

	info, err := b.Stat(ctx, "a/b")
	require.NoError(t, err)
	require.Equal(t, "a/b", info.Key)
	require.Equal(t, int64(10), info.Size)
	require.Equal(t, time.UTC, info.ModTime.Location())
	require.WithinDuration(t, before, info.ModTime, time.Hour, "clocks may differ, hours may not")

	for _, r := range []struct{ offset, length int64 }{{0, 10}, {0, 1}, {3, 4}, {9, 1}, {10, 0}} {
		data, err := b.GetRange(ctx, "a/b", r.offset, r.length)
		require.NoError(t, err, r)
		require.Equal(t, "0123456789"[r.offset:r.offset+r.length], string(data))
	}
	for _, r := range []struct{ offset, length int64 }{{0, 11}, {9, 2}, {11, 0}, {11, 1}, {1, 1<<63 - 1}} {
		_, err := b.GetRange(ctx, "a/b", r.offset, r.length)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, r)
	}
	for _, r := range []struct{ offset, length int64 }{{-1, 1}, {0, -1}} {
		_, err := b.GetRange(ctx, "a/b", r.offset, r.length)
		require.Error(t, err, r)
	}
}

func testAbsent(t *testing.T, b bucket.Bucket) {
	ctx := t.Context()
	require.NoError(t, b.Put(ctx, "folder/object", []byte("x")))
	for _, key := range []string{"absent", "absent/too", "folder", "folder/object/not-a-folder"} {
		_, err := b.Get(ctx, key)
		require.ErrorIs(t, err, bucket.ErrNotFound, key)
		_, err = b.GetRange(ctx, key, 0, 1)
		require.ErrorIs(t, err, bucket.ErrNotFound, key)
		_, err = b.Stat(ctx, key)
		require.ErrorIs(t, err, bucket.ErrNotFound, key)
		_, err = bucket.ReaderAt(ctx, b, key)
		require.ErrorIs(t, err, bucket.ErrNotFound, key)
		require.NoError(t, b.Delete(ctx, key), key)
		require.Empty(t, list(t, b, key+"/absent", ""))
	}
	require.Equal(t, []string{"folder/object"}, list(t, b, "", ""))
}

func testPut(t *testing.T, b bucket.Bucket) {
	for _, text := range []string{"first, the longest", "second", ""} {
		require.NoError(t, b.Put(t.Context(), "k", []byte(text)))
		requireObject(t, b, "k", text)
	}
	require.Equal(t, []string{"k"}, list(t, b, "", ""))
}

func testPutIfAbsent(t *testing.T, b bucket.Bucket) {
	ctx := t.Context()
	require.NoError(t, b.PutIfAbsent(ctx, "a/k", []byte("first")))
	require.ErrorIs(t, b.PutIfAbsent(ctx, "a/k", []byte("second")), bucket.ErrExists)
	require.ErrorIs(t, b.PutIfAbsent(ctx, "a/k", []byte("first")), bucket.ErrExists)
	requireObject(t, b, "a/k", "first")

	require.NoError(t, b.Put(ctx, "a/k", []byte("third")), "a put after a put-if-absent")
	requireObject(t, b, "a/k", "third")
	require.NoError(t, b.Put(ctx, "a/l", nil))
	require.ErrorIs(t, b.PutIfAbsent(ctx, "a/l", []byte("x")), bucket.ErrExists, "an empty object is an object")
	require.NoError(t, b.Delete(ctx, "a/k"))
	require.NoError(t, b.PutIfAbsent(ctx, "a/k", []byte("fourth")), "a deleted object is absent")
	requireObject(t, b, "a/k", "fourth")
}

func testDelete(t *testing.T, b bucket.Bucket) {
	ctx := t.Context()
	require.NoError(t, b.Put(ctx, "a/b/c", []byte("x")))
	for range 2 {
		require.NoError(t, b.Delete(ctx, "a/b/c"))
		_, err := b.Get(ctx, "a/b/c")
		require.ErrorIs(t, err, bucket.ErrNotFound)
		require.Empty(t, list(t, b, "", ""))
	}
	require.NoError(t, b.Put(ctx, "a/b/c", []byte("again")))
	requireObject(t, b, "a/b/c", "again")
}

func testTooLarge(t *testing.T, b bucket.Bucket) {
	data := make([]byte, bucket.MaxObjectBytes+1)
	require.ErrorIs(t, b.Put(t.Context(), "k", data), bucket.ErrTooLarge)
	require.ErrorIs(t, b.PutIfAbsent(t.Context(), "k", data), bucket.ErrTooLarge)
	require.ErrorIs(t, bucket.Claim(t.Context(), b, "k", data), bucket.ErrTooLarge)
	require.Empty(t, list(t, b, "", ""))
}

func testBadKeys(t *testing.T, b bucket.Bucket) {
	keys := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/.", "a/..", "a/../b", "a/./b",
		".tmp", ".tmp/a", ".a", "a b", "a\\b", "a\x00b", "a\nb", "a+b", "a:b", "é", "a*", "~", "\xff",
		strings.Repeat("a", 256), strings.Repeat("a/", 512) + "a",
	}
	for _, key := range keys {
		for op, err := range calls(t.Context(), b, key) {
			require.ErrorIs(t, err, bucket.ErrInvalidKey, "%s %q", op, key)
		}
	}
	require.Empty(t, list(t, b, "", ""))

	for _, key := range []string{strings.Repeat("a", 255), strings.Repeat("b/", 511) + "bb", "c/.d", "c/...", "c/=-_.A9"} {
		require.NoError(t, b.Put(t.Context(), key, []byte("x")))
		require.Equal(t, []string{key}, list(t, b, key, ""))
	}
}

func testEndedContext(t *testing.T, b bucket.Bucket) {
	require.NoError(t, b.Put(t.Context(), "k", []byte("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, key := range []string{"k", "l"} {
		for op, err := range calls(ctx, b, key) {
			require.ErrorIs(t, err, context.Canceled, "%s %s", op, key)
		}
	}
	require.Equal(t, []string{"k"}, list(t, b, "", ""))
	requireObject(t, b, "k", "x")
}

func testReaderAt(t *testing.T, b bucket.Bucket) {
	content := []byte(strings.Repeat("0123456789", 50))
	require.NoError(t, b.Put(t.Context(), "k", content))
	r, err := bucket.ReaderAt(t.Context(), b, "k")
	require.NoError(t, err)
	require.Equal(t, int64(len(content)), r.Size())
	require.NoError(t, iotest.TestReader(r, content))
}

// calls makes every call that takes a key, each expected to fail.
func calls(ctx context.Context, b bucket.Bucket, key string) map[string]error {
	errs := map[string]error{}
	_, errs["Get"] = b.Get(ctx, key)
	_, errs["GetRange"] = b.GetRange(ctx, key, 0, 1)
	_, errs["Stat"] = b.Stat(ctx, key)
	_, errs["Create"] = b.Create(ctx, key)
	_, errs["ReaderAt"] = bucket.ReaderAt(ctx, b, key)
	errs["Put"] = b.Put(ctx, key, []byte("bad"))
	errs["PutIfAbsent"] = b.PutIfAbsent(ctx, key, []byte("bad"))
	errs["Delete"] = b.Delete(ctx, key)
	errs["Claim"] = bucket.Claim(ctx, b, key, []byte("bad"))
	return errs
}

func requireObject(t *testing.T, b bucket.Bucket, key, want string) {
	t.Helper()
	data, err := b.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, string(data))
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Context() context.Context
}

func list(t tester, b bucket.Bucket, prefix, after string) []string {
	var keys []string
	for info, err := range b.List(t.Context(), prefix, after) {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}
