package delta_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

var noon = window.FromTime(time.Date(2001, 1, 5, 12, 0, 0, 0, time.UTC))

func hour(n int) window.Interval {
	start := noon.Add(time.Duration(n) * time.Hour)
	return window.Interval{Start: start, End: start.Add(time.Hour)}
}

func readAt(n int) window.Time { return noon.Add(1000*time.Hour + time.Duration(n)*time.Second) }

func open(t *testing.T, b bucket.Bucket, opts delta.Options) offline.Table {
	table, err := delta.New(b, opts).Open(t.Context(), offlinetest.Spec())
	require.NoError(t, err)
	return table
}

// rowsAt returns one row per time, in order.
func rowsAt(times ...window.Time) []offlinetest.Row {
	var rows []offlinetest.Row
	for i, at := range times {
		rows = append(rows, offlinetest.Row{User: fmt.Sprintf("user-%02d", i), At: at, N: int64(i)})
	}
	return rows
}

func build(t *testing.T, table offline.Table, w window.Interval, at window.Time, rows []offlinetest.Row) offline.Build {
	b, err := offlinetest.Write(t.Context(), table, w, at, rows)
	require.NoError(t, err)
	return b
}

func commit(t *testing.T, table offline.Table, id string, overwrite bool, builds ...offline.Build) offline.CommitResult {
	result, err := table.Commit(t.Context(), offline.Commit{ID: id, Overwrite: overwrite, Builds: builds})
	require.NoError(t, err)
	return result
}

func logKey(version int) string {
	return fmt.Sprintf("%s/_delta_log/%020d.json", offlinetest.Spec().Path, version)
}

// lines returns the actions of a version.
func lines(t *testing.T, b bucket.Bucket, version int) []string {
	data, err := b.Get(t.Context(), logKey(version))
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// put overwrites an object, or makes one, as a faulty store or another writer might.
func put(t *testing.T, b bucket.Bucket, key string, text string) {
	require.NoError(t, b.Put(t.Context(), key, []byte(text)))
}

// reopen returns what opening the table and a first snapshot fail with.
func reopen(t *testing.T, b bucket.Bucket) error {
	table, err := delta.New(b, delta.Options{}).Open(t.Context(), offlinetest.Spec())
	if err != nil {
		return err
	}
	_, err = table.Snapshot(t.Context())
	return err
}

func exists(t *testing.T, b bucket.Bucket, key string) bool {
	_, err := b.Stat(t.Context(), key)
	if err != nil {
		require.ErrorIs(t, err, bucket.ErrNotFound)
	}
	return err == nil
}
