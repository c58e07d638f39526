package repository_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature/repository"
)

// directory returns a new directory with these files.
func directory(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

func TestReadTakesDefinitionsAndLeavesTheRest(t *testing.T) {
	dir := directory(t, map[string]string{
		"b.yaml": "b", "a/x.sql": "x", "a/deep/y.yml": "y", "c.YAML": "no", "README.md": "no", "a.yaml.bak": "no",
		".hidden.yaml": "no", ".git/config.yaml": "no", "a/.cache/z.sql": "no",
	})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(dir, "b.yaml"), filepath.Join(dir, "link.yaml")))
	want := []repository.File{{Path: "a/deep/y.yml", Content: "y"}, {Path: "a/x.sql", Content: "x"}, {Path: "b.yaml", Content: "b"}, {Path: "link.yaml", Content: "b"}}
	files, err := repository.Read(dir)
	require.NoError(t, err)
	require.Equal(t, want, files)

	link := filepath.Join(t.TempDir(), ".link")
	require.NoError(t, os.Symlink(dir, link))
	files, err = repository.Read(link)
	require.NoError(t, err)
	require.Equal(t, want, files)
}

func TestReadRefusesWhatIsNoRepository(t *testing.T) {
	_, err := repository.Read(directory(t, map[string]string{"a.sql": "SELECT 1", "a.txt": ""}))
	require.ErrorContains(t, err, ": no .yaml files")

	dir := directory(t, map[string]string{"a.yaml": ""})
	_, err = repository.Read(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = repository.Read(filepath.Join(dir, "a.yaml"))
	require.ErrorContains(t, err, "not a directory")

	require.NoError(t, os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "broken.yaml")))
	_, err = repository.Read(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "broken.yaml")

	dir = directory(t, nil)
	require.NoError(t, os.Symlink("/dev/null", filepath.Join(dir, "device.yaml")))
	_, err = repository.Read(dir)
	require.ErrorContains(t, err, "device.yaml is not a regular file")
}

func TestReadEndsAtItsLimits(t *testing.T) {
	dir := directory(t, map[string]string{"a.yaml": "", "b.sql": strings.Repeat("x", repository.MaxBytes)})
	files, err := repository.Read(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)
	_, err = repository.Parse(files)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.sql"), []byte("x"), 0o600))
	_, err = repository.Read(dir)
	require.ErrorIs(t, err, repository.ErrTooLarge)

	// A file that has no end, as far as this test can tell, is not read to it.
	require.NoError(t, os.Truncate(filepath.Join(dir, "c.sql"), 1<<40))
	_, err = repository.Read(dir)
	require.ErrorIs(t, err, repository.ErrTooLarge)

	dir = t.TempDir()
	for i := range repository.MaxFiles {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", i)), nil, 0o600))
	}
	files, err = repository.Read(dir)
	require.NoError(t, err)
	require.Len(t, files, repository.MaxFiles)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.yaml"), nil, 0o600))
	_, err = repository.Read(dir)
	require.ErrorIs(t, err, repository.ErrTooLarge)
	_, err = repository.Parse(append(files, repository.File{Path: "one.yaml"}))
	require.ErrorIs(t, err, repository.ErrTooLarge)
}
