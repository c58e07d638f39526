package delta_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

const week = 7 * 24 * time.Hour

// wallClock is real time, moved on by what a test lets pass.
type wallClock struct{ passed atomic.Int64 }

func (c *wallClock) now() time.Time { return time.Now().Add(time.Duration(c.passed.Load())).Round(0) }

func (c *wallClock) pass(d time.Duration) { c.passed.Add(int64(d)) }

func checkpointKey(version int) string {
	return strings.TrimSuffix(logKey(version), "json") + "checkpoint.parquet"
}

var hintKey = offlinetest.Spec().Path + "/_delta_log/_last_checkpoint"

func checkpoint(t *testing.T, table offline.Table, every int64) int64 {
	version, err := table.Checkpoint(t.Context(), every)
	require.NoError(t, err)
	return version
}

// clean writes a checkpoint of the head, lets it grow old, and cleans the log.
func clean(t *testing.T, table offline.Table, c *wallClock) offline.CleanResult {
	checkpoint(t, table, 1)
	c.pass(week + time.Hour)
	result, err := table.CleanLog(t.Context(), week)
	require.NoError(t, err)
	return result
}

// whole is all that can be asked of a table.
type whole struct {
	snapshot offline.Snapshot
	rows     []offlinetest.Row
}

func all(t *testing.T, table offline.Table) whole {
	s, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	rows, err := offlinetest.ReadRows(t.Context(), table, s.Files)
	require.NoError(t, err)
	return whole{s, rows}
}

func TestATableIsTheSameWithoutItsFirstVersions(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	opts := delta.Options{Now: c.now}
	follower, table := open(t, b, opts), open(t, b, opts)
	put(t, b, logKey(4), `{"txn":{"appId":"fence","version":2}}`)
	before := all(t, open(t, b, opts))
	require.Equal(t, offline.CleanResult{Checkpoint: 4, Deleted: 4, Oldest: 4}, clean(t, table, c))
	require.Equal(t, []string{checkpointKey(4), logKey(4), hintKey}, logOf(t, b))
	for name, table := range map[string]offline.Table{"opened": open(t, b, opts), "the one that cleaned": table, "one that followed": follower} {
		require.Equal(t, before, all(t, table), name)
	}
	var hint map[string]int64
	data, err := b.Get(t.Context(), hintKey)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &hint))
	require.Equal(t, map[string]int64{"version": 4, "size": 2 + 1 + 3 + 2 + 1}, hint, "protocol, metaData, fence, windows, files, tombstone")

	for deleted := range 2 {
		again, err := table.CleanLog(t.Context(), week)
		require.NoError(t, err)
		require.Equal(t, offline.CleanResult{Checkpoint: 4, Deleted: deleted, Oldest: 4}, again)
		put(t, b, logKey(2), "what a committer who stood still puts into a hole")
	}
	require.Equal(t, before, all(t, open(t, b, opts)))
	other := open(t, b, opts)
	next := build(t, other, hour(0), readAt(3), rowsAt(hour(0).Start))
	next.Fence = 2
	result := commit(t, other, "next", true, next)
	require.Equal(t, offline.CommitResult{Version: 5, Outcomes: []offline.Outcome{offline.Committed}}, result)
	for _, table := range []offline.Table{table, follower, open(t, b, opts)} {
		require.Equal(t, all(t, other), all(t, table))
		changes, err := table.Changes(t.Context(), 4, 5)
		require.NoError(t, err)
		require.Len(t, changes[0].Removed, 1)
		require.Equal(t, before.snapshot.Files[0].Rows, changes[0].Removed[0].Rows)
	}
}

func TestCheckpointsAreWrittenWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	table := open(t, b, delta.Options{})
	require.EqualValues(t, -1, checkpoint(t, table, 5))
	require.Len(t, logOf(t, b), 4)
	require.EqualValues(t, 3, checkpoint(t, table, 4))
	require.Len(t, logOf(t, b), 6)
	require.EqualValues(t, 3, checkpoint(t, table, 0))
	commit(t, table, "four", false, build(t, table, hour(5), readAt(1), nil))
	require.EqualValues(t, 3, checkpoint(t, open(t, b, delta.Options{}), 2))
	require.EqualValues(t, 4, checkpoint(t, open(t, b, delta.Options{}), 1))
	require.Len(t, logOf(t, b), 8)

	require.NoError(t, b.Delete(t.Context(), hintKey))
	require.EqualValues(t, 4, checkpoint(t, table, 9))
	require.True(t, exists(t, b, hintKey), "as after a call that was stopped before it")
}

func TestOnlyWhatAnOldCheckpointReplacesIsCleaned(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	table := open(t, b, delta.Options{Now: c.now})
	c.pass(week + time.Hour)
	result, err := table.CleanLog(t.Context(), week)
	require.NoError(t, err)
	require.Equal(t, offline.CleanResult{Checkpoint: -1}, result, "without a checkpoint")
	require.Len(t, logOf(t, b), 4)

	checkpoint(t, table, 1)
	result, err = table.CleanLog(t.Context(), 2*week)
	require.NoError(t, err)
	require.Equal(t, offline.CleanResult{Checkpoint: -1}, result, "with a young one")
	_, err = table.CleanLog(t.Context(), 20*time.Minute-1)
	require.ErrorContains(t, err, "at least 20m0s")
	require.Len(t, logOf(t, b), 6)
}

func TestATornCheckpointIsPassedOver(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	table := open(t, b, delta.Options{Now: c.now})
	checkpoint(t, table, 1)
	commit(t, table, "four", false, build(t, table, hour(5), readAt(1), rowsAt(hour(5).Start)))
	want := all(t, table)
	checkpoint(t, table, 1)
	for name, tear := range torn {
		t.Run(name, func(t *testing.T) {
			memory, err := buckettest.MemoryOf(t.Context(), b)
			require.NoError(t, err)
			whole, err := b.Get(t.Context(), checkpointKey(4))
			require.NoError(t, err)
			put(t, memory, checkpointKey(4), string(tear(whole)))
			table := open(t, memory, delta.Options{Now: c.now})
			require.Equal(t, want, all(t, table), "from the checkpoint before")
			put(t, memory, checkpointKey(3), "PAR1")
			require.Equal(t, want, all(t, open(t, memory, delta.Options{Now: c.now})), "from the first version")

			require.EqualValues(t, 4, checkpoint(t, table, 1))
			repaired, err := memory.Get(t.Context(), checkpointKey(4))
			require.NoError(t, err)
			require.Equal(t, whole, repaired)
			put(t, memory, checkpointKey(4), string(tear(whole)))
			for version := range 3 {
				require.NoError(t, memory.Delete(t.Context(), logKey(version)))
			}
			requireCorrupt(t, reopen(t, memory), checkpointKey(4))
			require.Equal(t, want, all(t, table), "which knows the table")
			require.EqualValues(t, 4, checkpoint(t, table, 1), "made anew")
			require.Equal(t, want, all(t, open(t, memory, delta.Options{Now: c.now})))
		})
	}
}

func TestALogIsNotCleanedForATornCheckpoint(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	table := open(t, b, delta.Options{Now: c.now})
	checkpoint(t, table, 1)
	put(t, b, checkpointKey(3), "PAR1")
	c.pass(week + time.Hour)
	result, err := table.CleanLog(t.Context(), week)
	require.NoError(t, err)
	require.Equal(t, offline.CleanResult{Checkpoint: -1}, result)
	require.Len(t, logOf(t, b), 6)
}

func TestAHintMayLie(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	table := open(t, b, delta.Options{})
	checkpoint(t, table, 1)
	commit(t, table, "four", false, build(t, table, hour(5), readAt(1), nil))
	checkpoint(t, table, 1)
	commit(t, table, "five", false, build(t, table, hour(6), readAt(1), nil))
	want := all(t, table)
	for _, hint := range []string{
		"", "{", "null", "[]", `{"version":-7}`, `{"version":"4"}`, `{"version":1e30}`, `{"version":9223372036854775807}`,
		`{"version":0}`, `{"version":2,"size":1}`, `{"version":3}`, `{"version":4}`, `{"version":5}`, `{"version":100}`,
	} {
		put(t, b, hintKey, hint)
		require.Equal(t, want, all(t, open(t, b, delta.Options{})), hint)
		require.EqualValues(t, 4, checkpoint(t, open(t, b, delta.Options{}), 2))
		data, err := b.Get(t.Context(), hintKey)
		require.NoError(t, err)
		require.Contains(t, string(data), `"version":4`, "put right, from %s", hint)
	}
}

func TestCheckpointsOfOtherFormsArePassedOver(t *testing.T) {
	t.Parallel()
	b := threeVersions(t)
	base := strings.TrimSuffix(logKey(3), "json")
	want := all(t, open(t, b, delta.Options{}))
	for _, kind := range []string{"checkpoint.0000000001.0000000002.parquet", "checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet", "checkpoint.x.json"} {
		put(t, b, base+kind, "PAR1")
		require.Equal(t, want, all(t, open(t, b, delta.Options{})))
	}
	require.NoError(t, b.Delete(t.Context(), logKey(0)))
	err := reopen(t, b)
	require.ErrorIs(t, err, offline.ErrMismatch)
	require.ErrorContains(t, err, base+"checkpoint.x.json")
	for version := 1; version < 4; version++ {
		require.NoError(t, b.Delete(t.Context(), logKey(version)))
	}
	require.ErrorIs(t, reopen(t, b), offline.ErrMismatch, "not a new table")
}

func TestATableOfAnotherLayoutIsRefusedFromItsCheckpoint(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	clean(t, open(t, b, delta.Options{Now: c.now}), c)
	spec := offlinetest.Spec()
	spec.Step = 2 * time.Hour
	_, err := delta.New(b, delta.Options{}).Open(t.Context(), spec)
	require.ErrorIs(t, err, offline.ErrMismatch)
	spec = offlinetest.Spec()
	spec.Partition = window.Month
	table, err := delta.New(b, delta.Options{}).Open(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, offlinetest.Spec(), table.Spec(), "the table's own partition")
}

// A commit id is known to tables that were opened from a checkpoint after it.
func TestACommitIsKnownThroughACheckpoint_B3(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	table := open(t, b, delta.Options{Now: c.now})
	clean(t, table, c)
	table = open(t, b, delta.Options{Now: c.now})
	_, err := table.Commit(t.Context(), offline.Commit{ID: "two", Builds: []offline.Build{gapBuild}})
	require.ErrorContains(t, err, "version 2")
}

// counting counts calls and the bytes that are read.
type counting struct {
	bucket.Bucket
	calls, bytes *atomic.Int64
}

func (b counting) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := b.Bucket.Get(ctx, key)
	b.calls.Add(1)
	b.bytes.Add(int64(len(data)))
	return data, err
}

// longLog adds versions with a window each to an empty table.
func longLog(t *testing.T, versions int) *buckettest.Memory {
	memory := buckettest.NewMemory()
	open(t, memory, delta.Options{})
	for n := 1; n < versions; n++ {
		put(t, memory, logKey(n), fmt.Sprintf(
			`{"commitInfo":{"timestamp":%d,"tilery":{"commit_id":"commit-%d","lines":2}}}`+"\n"+`{"txn":{"appId":"w/%v","version":%d}}`+"\n",
			time.Now().UnixMilli(), n, hour(n%100).Start, readAt(n)))
	}
	return memory
}

func TestTenThousandVersionsAreOpenedByOneCheckpoint(t *testing.T) {
	t.Parallel()
	const versions = 10_000
	memory := longLog(t, versions-5)
	checkpoint(t, open(t, memory, delta.Options{}), 1)
	for n := range 5 {
		table := open(t, memory, delta.Options{})
		commit(t, table, fmt.Sprint("late-", n), false, offline.Build{Window: hour(200 + n), ReadAt: readAt(1)})
	}
	counted := counting{memory, &atomic.Int64{}, &atomic.Int64{}}
	table := open(t, counted, delta.Options{})
	require.LessOrEqual(t, counted.calls.Load(), int64(10), "hint, checkpoint, five versions, and the one after them")
	require.Less(t, counted.bytes.Load(), int64(200_000))
	s, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, versions-1, s.Version)
	require.Len(t, s.ReadAt, 105)

	// A store that lags behind the checkpoint reads on, each version once.
	counted.calls.Store(0)
	const part = 200
	for after := int64(0); after < s.Version; after += part {
		changes, err := table.Changes(t.Context(), after, min(after+part, s.Version))
		require.NoError(t, err)
		for i, change := range changes {
			require.Equal(t, after+1+int64(i), change.Version)
			require.Len(t, change.Windows, 1)
		}
	}
	require.Less(t, counted.calls.Load(), int64(versions+versions/part+part))
}

func TestChangesOfCleanedVersionsAreGone(t *testing.T) {
	t.Parallel()
	b, c := threeVersions(t), &wallClock{}
	table := open(t, b, delta.Options{Now: c.now})
	want, err := table.Changes(t.Context(), 0, 3)
	require.NoError(t, err)
	checkpoint(t, table, 1)
	from := open(t, b, delta.Options{Now: c.now})
	got, err := from.Changes(t.Context(), 0, 3)
	require.NoError(t, err)
	require.Equal(t, want, got, "they lie before the checkpoint, but are there")

	clean(t, table, c)
	got, err = table.Changes(t.Context(), 0, 3)
	require.NoError(t, err)
	require.Equal(t, want, got, "which remembers")
	for after := range int64(3) {
		_, err := open(t, b, delta.Options{Now: c.now}).Changes(t.Context(), after, 3)
		require.ErrorIs(t, err, offline.ErrHistoryGone)
		require.NotErrorIs(t, err, offline.ErrCorrupt)
		_, err = table.SnapshotAt(t.Context(), after)
		require.ErrorIs(t, err, offline.ErrHistoryGone)
		require.NotErrorIs(t, err, offline.ErrCorrupt)
	}
	// The checkpoint tells of its own version, whatever came after it.
	s := snapshotOf(t, table)
	commit(t, table, "later", false, offline.Build{Window: hour(99), ReadAt: readAt(1)})
	then, err := open(t, b, delta.Options{Now: c.now}).SnapshotAt(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, s, then)
	got, err = open(t, b, delta.Options{Now: c.now}).Changes(t.Context(), 3, 3)
	require.NoError(t, err)
	require.Empty(t, got)
}
