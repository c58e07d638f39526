package pebble_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/online/pebble"
)

func TestConformance(t *testing.T) {
	onlinetest.Run(t, func(t *testing.T) online.Store { return open(t, t.TempDir()) })
}

func open(t testing.TB, dir string) *pebble.Store {
	s, err := pebble.Open(dir, pebble.Options{})
	require.NoError(t, err)
	return s
}

func TestOpenMakesTheDirectoryInItsParent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "online")
	require.NoError(t, open(t, dir).Close())
	require.NoError(t, open(t, dir).Close())

	_, err := pebble.Open(filepath.Join(dir, "a", "b"), pebble.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotErrorIs(t, err, pebble.ErrInUse)
}

func TestOpenTwiceIsInUse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "online")
	s := open(t, dir)
	link := dir + "-link"
	require.NoError(t, os.Symlink(dir, link))
	for _, name := range []string{dir, link} {
		_, err := pebble.Open(name, pebble.Options{})
		require.ErrorIs(t, err, pebble.ErrInUse)
		require.ErrorContains(t, err, "stop that one")
	}
	require.NoError(t, s.Close())
	require.NoError(t, open(t, link).Close())
}
