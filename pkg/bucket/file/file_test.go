package file_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
)

func keys(t *testing.T, b *file.Bucket) []string {
	var keys []string
	for info, err := range b.List(t.Context(), "", "") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

func TestOpenMakesAPrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		_, err := file.Open(dir)
		require.NoError(t, err)
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|0o700, info.Mode())
}

func TestOpenRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := file.Open(path)
	require.ErrorContains(t, err, path)
	_, err = file.Open(filepath.Join(path, "below"))
	require.ErrorContains(t, err, path)
}

func TestOpenRemovesTemporaryFilesOlderThanADay(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "k", []byte("x")))
	temp := filepath.Join(dir, ".tmp")
	old, young := filepath.Join(temp, "old"), filepath.Join(temp, "young")
	for path, age := range map[string]time.Duration{
		old: 25 * time.Hour, young: 23 * time.Hour, filepath.Join(dir, "k"): 1000 * time.Hour,
	} {
		require.NoError(t, os.WriteFile(path, []byte("left by a killed writer"), 0o600))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, at, at))
	}

	b, err = file.Open(dir)
	require.NoError(t, err)
	require.NoFileExists(t, old)
	require.FileExists(t, young)
	require.Equal(t, []string{"k"}, keys(t, b), "temporary files are invisible, objects of any age stay")
}

func TestWritesLeaveNoTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, b.Put(ctx, "k", nil))
	require.NoError(t, b.PutIfAbsent(ctx, "a/k", nil))
	require.ErrorIs(t, b.PutIfAbsent(ctx, "a/k", nil), bucket.ErrExists)
	require.ErrorIs(t, b.PutIfAbsent(ctx, "k/below", nil), bucket.ErrInvalidKey)
	closed, err := b.Create(ctx, "w")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	aborted, err := b.Create(ctx, "w")
	require.NoError(t, err)
	aborted.Abort()
	temps, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	require.NoError(t, err)
	require.Empty(t, temps)
}

func TestAKeyCannotContinueAnother(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, b.Put(ctx, "a/b/c", []byte("x")))
	for _, key := range []string{"a", "a/b", "a/b/c/d", "a/b/c/d/e"} {
		require.ErrorIs(t, b.Put(ctx, key, nil), bucket.ErrInvalidKey, key)
		err := b.PutIfAbsent(ctx, key, nil)
		require.ErrorIs(t, err, bucket.ErrInvalidKey, key)
		require.NotErrorIs(t, err, bucket.ErrExists, "nobody won %s", key)
		require.ErrorIs(t, bucket.Claim(ctx, b, key, nil), bucket.ErrInvalidKey, key)
		require.NoError(t, b.Delete(ctx, key))
	}
	require.Equal(t, []string{"a/b/c"}, keys(t, b))

	require.NoError(t, b.Delete(ctx, "a/b/c"))
	require.NoError(t, b.Delete(ctx, "a/b"), "an empty folder is no object")
	require.DirExists(t, filepath.Join(dir, "a", "b"), "folders stay")
	require.NoError(t, b.Put(ctx, "a/b/c/d", nil), "a deleted object makes room for a folder")
	require.Equal(t, []string{"a/b/c/d"}, keys(t, b))
}

func TestForeignFilesAreNotShown(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "k", nil))
	for _, name := range []string{"a file", "k~", ".hidden", "lost+found"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".git", "refs"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".git", "refs", "head"), nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(dir, "k"), filepath.Join(dir, "link")))
	require.Equal(t, []string{"k"}, keys(t, b))
	_, err = b.Stat(t.Context(), "link")
	require.ErrorIs(t, err, bucket.ErrNotFound)
}

func TestGetRefusesWhatIsTooLarge(t *testing.T) {
	dir := t.TempDir()
	b, err := file.Open(dir)
	require.NoError(t, err)
	path := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, bucket.MaxObjectBytes+1))

	_, err = b.Get(t.Context(), "large")
	require.ErrorIs(t, err, bucket.ErrTooLarge)
	data, err := b.GetRange(t.Context(), "large", bucket.MaxObjectBytes-1, 2)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0}, data)
	require.ErrorIs(t, bucket.Claim(t.Context(), b, "large", []byte("own")), bucket.ErrExists)
}
