package e2e_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// files counts the files of a folder of the bucket whose paths have a text.
func files(t *testing.T, dir, folder, text string) int {
	t.Helper()
	n := 0
	root := filepath.Join(dir, "bucket", folder)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(strings.TrimPrefix(path, root), text) {
			n++
		}
		return err
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return n
}

// storesOf are the folders of a view's stores that have anything in them.
func storesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "bucket", "offline", "prod", view))
	require.NoError(t, err)
	for _, entry := range entries {
		if files(t, dir, filepath.Join("offline", "prod", view, entry.Name()), "") > 0 {
			names = append(names, entry.Name())
		}
	}
	return names
}

// rowsOf are the rows of the view's only store, as DuckDB reads them.
func rowsOf(t *testing.T, dir string) [][]any {
	t.Helper()
	stores := storesOf(t, dir)
	require.Len(t, stores, 1)
	return query(t, "rows.sql", "table="+filepath.Join(dir, "bucket", "offline", "prod", view, stores[0]), "extension="+extension)
}

// hourlyRepository is the example with windows of an hour, without its tests, which
// are of days.
func hourlyRepository(t *testing.T) string {
	t.Helper()
	dir := repositoryWith(t, "batch_schedule: 1d", "batch_schedule: 1h")
	path := filepath.Join(dir, "features.yaml")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	definitions, _, found := strings.Cut(string(content), "\ntests:")
	require.True(t, found)
	require.NoError(t, os.WriteFile(path, []byte(definitions+"\n"), 0o600))
	return dir
}

type maintained struct {
	Compacted, Into int
	Vacuumed        int
	RemovedStores   []string `json:"removed_stores"`
}

func (s *stack) maintain(t *testing.T, flags ...string) (done maintained) {
	t.Helper()
	out := s.tilery(t, append([]string{"maintain", view, "-o", "json"}, flags...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &done), out)
	return done
}

// maintenanceJobs are the states of the view's maintenance in the ledger, the newest first.
func (s *stack) maintenanceJobs(t *testing.T) (states []string) {
	t.Helper()
	var rows []struct {
		Type   string `json:"TYPE"`
		Status string `json:"STATUS"`
		Start  string `json:"WINDOW_START_TIME"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.tilery(t, "materialization-status", view, "-o", "json")), &rows))
	for _, row := range rows {
		if row.Type == "MAINTENANCE" {
			require.Equal(t, "N/A", row.Start)
			states = append(states, row.Status)
		}
	}
	return states
}

// TestMaintenanceOfAViewWithManySmallFiles compacts a view whose windows are hours, and
// removes its old store when a week has gone since another one took its place: in the
// middle the machine is switched off. Readers of the table and of the online store see
// the same before and after.
func TestMaintenanceOfAViewWithManySmallFiles(t *testing.T) {
	dir := t.TempDir()
	settings := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("maintenance: {checkpoint_every: 5}\n"), 0o600))
	begin := func() *stack {
		return startStackWith(t, dir, "-config", settings, "-source-root", examples, "-clock", "fixed:2001-02-01T00:00:00Z")
	}
	s := begin()
	hourly := hourlyRepository(t)
	s.tilery(t, "apply", hourly, "--yes")
	const from = "2001-01-24"
	s.tilery(t, "materialize", view, "--start", from, "--commit-windows", "1")
	before, err := s.vector(t.Context())
	require.NoError(t, err)
	numbers(t, before)
	rows := rowsOf(t, dir)
	small := files(t, dir, "offline", "time_partition=")
	require.Greater(t, small, 150)
	require.Zero(t, files(t, dir, "offline", ".checkpoint."))

	all := files(t, dir, "", "")
	require.Zero(t, s.maintain(t, "--dry-run").Compacted)
	require.Equal(t, all, files(t, dir, "", ""), "a dry run changes nothing")
	done := s.maintain(t)
	require.Equal(t, small+done.Into, files(t, dir, "offline", "time_partition="), "what was replaced stays for a week")
	require.Greater(t, done.Compacted, 10*done.Into)
	require.Equal(t, 1, files(t, dir, "offline", ".checkpoint."))
	require.Equal(t, 1, files(t, dir, "offline", "_last_checkpoint"))
	require.Equal(t, []string{"SUCCESS"}, s.maintenanceJobs(t))
	require.Equal(t, rows, rowsOf(t, dir))
	after, err := s.vector(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)

	old := storesOf(t, dir)
	require.Len(t, old, 1)
	sql := filepath.Join(hourly, "airport_delays.sql")
	content, err := os.ReadFile(sql)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(sql, append(content, "\n-- anew\n"...), 0o600))
	s.tilery(t, "apply", hourly, "--yes")
	s.tilery(t, "materialize", view, "--start", from)
	serving, filling := s.stores(t)
	require.Equal(t, [2]int64{3, 0}, [2]int64{serving, filling})
	require.Empty(t, s.maintain(t).RemovedStores)
	require.Len(t, storesOf(t, dir), 2)
	s.stop(t)

	aWeekAgo := time.Now().Add(-8 * 24 * time.Hour)
	generations, err := filepath.Glob(filepath.Join(dir, "bucket", "registry", "prod", "*.json"))
	require.NoError(t, err)
	for _, generation := range generations {
		require.NoError(t, os.Chtimes(generation, aWeekAgo, aWeekAgo))
	}
	s = begin()
	require.Equal(t, []string{view + "/" + old[0]}, s.maintain(t, "--dry-run").RemovedStores)
	require.Len(t, storesOf(t, dir), 2)
	s.tilery(t, "maintain", view, "--detach")
	s.kill(t)

	s = begin()
	waitFor(t, 2*time.Minute, "the maintenance ends", func() bool {
		states := s.maintenanceJobs(t)
		return len(states) == 3 && states[0] == "SUCCESS"
	})
	require.NotContains(t, storesOf(t, dir), old[0])
	require.Len(t, storesOf(t, dir), 1)
	now, err := s.vector(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, now)
	require.Equal(t, rows, rowsOf(t, dir))
	s.stop(t)
}
