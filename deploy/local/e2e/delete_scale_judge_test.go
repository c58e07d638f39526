package e2e_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/worker/host"
)

// scaleTable tells other programs about a table.
type scaleTable struct {
	columns string
	deleted string // a condition in SQL, which is true for rows of the keys
	source  string // files with the same rows, below the source
}

var scaleTables = map[string]scaleTable{
	"purchases": {"person, ts, amount, n, label", "person LIKE '%-erase-me-%'", "purchases/*/*.parquet"},
	"visits":    {"member, tile_start, sum_pages", "member % 1000000000000 = 777777777777", "visits.parquet"},
	"accounts":  {"account, device, ts, n, frame", "(account LIKE '%-erase-me-%' OR account LIKE '%-shared-%' AND device = 1)", "frames/*/*.parquet"},
}

// scaleTexts are in the deleted keys, and in no others that are deleted whole.
var scaleTexts = []string{"-erase-me-", "777777777777"}

// tablePath is the directory of a view's only table.
func (d *scale) tablePath(t *testing.T, view string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.dir, "bucket/offline/prod", view, "*"))
	require.NoError(t, err)
	require.Len(t, found, 1, "stores")
	return found[0]
}

// rowsAt returns how many rows of deleted keys, and how many in all, delta-rs finds in a
// version of a table, -1 for the newest.
func (d *scale) rowsAt(t *testing.T, view string, version int64) (deleted, all int64) {
	t.Helper()
	at := ""
	if version >= 0 {
		at = strconv.FormatInt(version, 10)
	}
	rows := query(t, "scale_count.sql", "deleted="+scaleTables[view].deleted, "engine=delta-rs", "table="+d.tablePath(t, view), "version="+at)
	return integer(t, rows[0][0]), integer(t, rows[0][1])
}

// requireRows compares a table with its source, less the deleted keys, but for rows that
// an exception in SQL is true for.
func (d *scale) requireRows(t *testing.T, view, exception string) {
	t.Helper()
	of := scaleTables[view]
	from := "read_parquet('" + filepath.Join(d.source, of.source) + "')"
	if view == "visits" {
		from = "(SELECT member, date_trunc('day', ts) AS tile_start, sum(pages)::BIGINT AS sum_pages FROM " + from + " GROUP BY ALL)"
	}
	want := query(t, "scale_digest.sql", "columns="+of.columns, "from="+from, "where=(NOT "+of.deleted+" OR "+exception+")")
	got := query(t, "scale_digest.sql", "columns="+of.columns, "from=delta_scan('"+d.tablePath(t, view)+"')", "where=true", "extension="+extension)
	require.Equal(t, want, got, "rows of %s, and their digest", view)
	t.Logf("%s: %v rows are those of the source", view, got[0][0])
}

// commits reads the log of a view's table.
func (d *scale) commits(t *testing.T, view string, each func(version int64, c scaleCommit)) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.dir, "bucket/offline/prod", view, "*/_delta_log/*.json"))
	require.NoError(t, err)
	for _, file := range found {
		version, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(file), ".json"), 10, 64)
		require.NoError(t, err)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range bytes.Lines(data) {
			var l struct {
				CommitInfo *struct{ Tilery scaleCommit }
			}
			require.NoError(t, json.Unmarshal(line, &l), file)
			if l.CommitInfo != nil {
				each(version, l.CommitInfo.Tilery)
			}
		}
	}
}

// scaleCommit is what a version of a table tells people.
type scaleCommit struct {
	Windows, Appends []any
	Erased           *struct{ Rows int64 }
}

// erased returns the version of the newest erasure of a table, -1 before there is one.
func (d *scale) erased(t *testing.T, view string) (newest int64) {
	t.Helper()
	newest = -1
	d.commits(t, view, func(version int64, c scaleCommit) {
		if c.Erased != nil {
			newest = max(newest, version)
		}
	})
	return newest
}

func (d *scale) committedAfter(t *testing.T, view string, erased int64) (windows, frames int) {
	t.Helper()
	d.commits(t, view, func(version int64, c scaleCommit) {
		if version > erased {
			windows, frames = windows+len(c.Windows), frames+len(c.Appends)
		}
	})
	return windows, frames
}

// requireNothingLeft lets the retention pass, and has the views maintained. Then the keys
// are nowhere in the bucket, but for the dataset that was not to be touched.
func (d *scale) requireNothingLeft(t *testing.T) {
	t.Helper()
	d.stopWorker(t)
	require.NotEmpty(t, d.search(t, "offline"), "old versions are there")
	d.letTimePass(t, 10*24*time.Hour)
	for _, path := range d.search(t, "") {
		require.True(t, strings.HasPrefix(path, "datasets/"), path)
	}
	for view, of := range scaleTables {
		everyFile := "read_parquet('" + d.tablePath(t, view) + "/*/*.parquet', union_by_name = true)"
		rows := query(t, "scale_digest.sql", "columns=1", "from="+everyFile, "where="+of.deleted)
		require.Zero(t, integer(t, rows[0][0]), "rows in data files of %s, live or not", view)
	}

	d.start(t)
	d.tilery(t, "datasets", "delete", "of-purchases")
	d.stopWorker(t)
	require.Empty(t, d.search(t, ""))
	d.stop(t)
	d.requireOnlyOnlineFiles(t)
}

// letTimePass maintains the views by a worker that is so much ahead of the time, over
// objects that are as old.
func (d *scale) letTimePass(t *testing.T, ahead time.Duration) {
	t.Helper()
	then := time.Now().Add(-ahead)
	require.NoError(t, filepath.WalkDir(filepath.Join(d.dir, "bucket"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Chtimes(path, then, then)
	}))
	c, err := config.Load(d.settings, func(name string) string {
		return map[string]string{
			"TILERY_DATA_DIR": d.dir, "TILERY_SOURCE_ROOT": d.source, "TILERY_CLOCK": "fixed:" + scaleNow, "TILERY_HTTP_LISTEN": "127.0.0.1:0",
			"TILERY_TEMPORAL_ADDRESS": d.Endpoints.Temporal,
		}[name]
	})
	require.NoError(t, err)
	h, err := host.StartWith(t.Context(), c, slog.New(slog.DiscardHandler), host.Hooks{Now: func() time.Time { return time.Now().Add(ahead) }})
	require.NoError(t, err)
	d.Endpoints.HTTP = h.Address()
	for view := range scaleTables {
		d.tilery(t, "maintain", view)
		receipts, err := d.client().DeletionReceipts(t.Context(), "prod", view, 0)
		require.NoError(t, err)
		require.NotEmpty(t, receipts)
		for _, receipt := range receipts {
			require.NotNil(t, receipt.VacuumedAt, view)
		}
	}
	require.NoError(t, h.Stop())
}

// search returns the files below a folder of the bucket that hold a key.
func (d *scale) search(t *testing.T, folder string) (paths []string) {
	t.Helper()
	command := exec.Command(python, append([]string{"testdata/search.py", filepath.Join(d.dir, "bucket", folder)}, scaleTexts...)...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	require.NoError(t, err, "%s", &problems)
	for line := range bytes.Lines(out) {
		var row []string
		require.NoError(t, json.Unmarshal(line, &row))
		paths = append(paths, row...)
	}
	return paths
}

// requireOnlyOnlineFiles looks through what the stack has beside the bucket: the database
// of Temporal, which keeps what workflows were told, and what the worker has spilled. Files
// of the online store may hold what was removed from it until it is compacted.
func (d *scale) requireOnlyOnlineFiles(t *testing.T) {
	t.Helper()
	beside := map[string]int{} // files, by the directory
	require.NoError(t, filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(path, d.dir+"/"), "/")
		content, err := os.ReadFile(path)
		if slices.ContainsFunc(scaleTexts, func(text string) bool { return bytes.Contains(content, []byte(text)) }) {
			beside[name]++
		}
		return err
	}))
	t.Logf("files of the online store that are not compacted yet: %d", beside["online"])
	delete(beside, "online")
	require.Empty(t, beside)
}
