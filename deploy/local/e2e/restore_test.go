package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOnlineStoreIsRestoredFromTheBucket deletes the online store of a stack in
// mid-life and fills it again: every cell and every vector is what it was.
func TestOnlineStoreIsRestoredFromTheBucket(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(undisturbed(t).dir)))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "online")))
	s := startStack(t, dir)
	_, err := s.try("get-online", view, "--key", "origin=ATL")
	require.ErrorContains(t, err, "no materialized data in the online store")

	require.Contains(t, s.tilery(t, "restore-online"), view)
	edge := january.AddDate(0, 1, 0)
	got := map[cell]features{}
	s.readOnline(t, "ATL", edge, got)
	s.readOnline(t, "nowhere", edge, got)
	want := judged(t, "oracle.sql", []time.Time{edge})
	for c := range want {
		if c.airport != "ATL" {
			delete(want, c)
		}
	}
	requireSame(t, want, got)
	_, err = s.try("restore-online", "nothing")
	require.ErrorContains(t, err, `no feature view "nothing"`)
	s.stop(t)
	requireEqualState(t, undisturbed(t), readState(t, dir))
}
