package delta_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

const days = 24 * time.Hour

// undated is a bucket that has no times of its own, so that those in the names of
// files, which a test's clock gave, decide.
type undated struct{ bucket.Bucket }

func (u undated) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		for info, err := range u.Bucket.List(ctx, prefix, after) {
			info.ModTime = time.Time{}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (u undated) Stat(ctx context.Context, key string) (bucket.Info, error) {
	info, err := u.Bucket.Stat(ctx, key)
	info.ModTime = time.Time{}
	return info, err
}

// clocked is a table whose clock the test moves.
type clocked struct {
	*testing.T
	bucket bucket.Bucket
	now    time.Time
	table  offline.Table
}

func newClocked(t *testing.T) *clocked {
	c := &clocked{T: t, now: time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC)}
	c.bucket = &dated{Bucket: buckettest.NewMemory(), now: func() time.Time { return c.now }, times: map[string]time.Time{}}
	c.table = c.open()
	return c
}

func (c *clocked) open() offline.Table {
	return open(c.T, c.bucket, delta.Options{Now: func() time.Time { return c.now }})
}

func (c *clocked) commit(id string, overwrite bool, hourN, readN int) offline.File {
	c.now = c.now.Add(time.Second)
	b := build(c.T, c.table, hour(hourN), readAt(readN), rowsAt(hour(hourN).Start))
	commit(c.T, c.table, id, overwrite, b)
	return b.Files[0]
}

func (c *clocked) vacuum(id string) offline.VacuumResult {
	result, err := c.table.Vacuum(c.Context(), offline.VacuumRequest{ID: id, Job: "job"})
	require.NoError(c, err)
	return result
}

// files returns the objects of the table that are not of its log.
func (c *clocked) files() map[string]bool {
	out := map[string]bool{}
	for info, err := range c.bucket.List(c.Context(), offlinetest.Spec().Path+"/", "") {
		require.NoError(c, err)
		if path := strings.TrimPrefix(info.Key, offlinetest.Spec().Path+"/"); !strings.HasPrefix(path, "_delta_log/") {
			out[path] = true
		}
	}
	return out
}

func TestVacuumDeletesWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	live := c.commit("hour 0", false, 0, 1)
	replaced := c.commit("hour 1", false, 1, 1)
	dropped := build(t, c.table, hour(2), readAt(1), rowsAt(hour(2).Start)).Files[0]
	c.now = c.now.Add(6 * days)
	replacing := c.commit("hour 1 again", true, 1, 2)
	started := build(t, c.table, hour(3), readAt(1), rowsAt(hour(3).Start)).Files[0]
	folder := offlinetest.Spec().Path + "/"
	theirs := []string{"time_partition=2001-01-05/part-00000.zstd.parquet", "notes.txt", "_change_data/cdc.parquet"}
	for _, path := range theirs {
		put(t, c.bucket, folder+path, "theirs")
	}
	all := c.files()
	require.Len(t, all, 8)

	require.Zero(t, c.vacuum("too early").Files)
	require.Equal(t, all, c.files())
	require.EqualValues(t, 3, snapshotOf(t, c.table).Version, "nor is a version made for nothing")

	c.now = c.now.Add(2 * days)
	dry, err := c.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "dry", DryRun: true})
	require.NoError(t, err)
	require.Equal(t, offline.VacuumResult{Version: 3, Files: 1, Bytes: dropped.Size}, dry)
	require.Equal(t, all, c.files())

	var progress []int64
	result, err := c.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum", Job: "job", OnProgress: func(n int64) { progress = append(progress, n) }})
	require.NoError(t, err)
	require.Equal(t, offline.VacuumResult{Version: 4, Files: 1, Bytes: dropped.Size}, result)
	require.Equal(t, []int64{1}, progress)
	delete(all, dropped.Path)
	require.Equal(t, all, c.files(), "replaced was live two days ago, started may still be committed")
	require.Len(t, lines(t, c.bucket, 4), 1)
	require.Contains(t, lines(t, c.bucket, 4)[0], `"operation":"VACUUM"`)

	c.now = c.now.Add(8 * days)
	require.Equal(t, 2, c.vacuum("a week later").Files)
	for _, path := range append(theirs, live.Path, replacing.Path) {
		require.True(t, c.files()[path], path)
	}
	require.False(t, c.files()[replaced.Path] || c.files()[started.Path])
	require.Len(t, offlinetest.Audit(t, c.bucket, offlinetest.Spec()).Rows, 2)

	changes, err := c.table.Changes(t.Context(), 2, 3)
	require.NoError(t, err)
	_, err = c.table.OpenFile(t.Context(), changes[0].Removed[0])
	require.ErrorIs(t, err, offline.ErrHistoryGone)
	_, err = c.table.Scan(t.Context(), changes[0].Removed[0], offline.Selection{Columns: []string{"n"}})
	require.ErrorIs(t, err, offline.ErrHistoryGone)
	require.NotErrorIs(t, err, offline.ErrCorrupt)
}

func TestAVacuumIsBoundedAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	for n := range 7 {
		build(t, c.table, hour(n), readAt(1), rowsAt(hour(n).Start))
	}
	c.now = c.now.Add(8 * days)
	left := 7
	for more := true; more; {
		result, err := c.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum", MaxFiles: 3}) // one id: a call that is tried again
		require.NoError(t, err)
		left -= result.Files
		more = result.More
		require.Equal(t, left > 0, more)
		require.Len(t, c.files(), left)
	}
	require.Zero(t, left)
	offlinetest.Audit(t, c.bucket, offlinetest.Spec()) // B3
}

func TestAVacuumStopsAtAFailureAndGoesOnLater(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	for n := range 5 {
		build(t, c.table, hour(n), readAt(1), rowsAt(hour(n).Start))
	}
	c.now = c.now.Add(8 * days)
	broken := true
	failing := open(t, buckettest.Faulty{Bucket: c.bucket, Hook: func(op, _ string) buckettest.Fault {
		if op == "Delete" && broken {
			return buckettest.LostAnswer
		}
		return buckettest.None
	}}, delta.Options{Now: func() time.Time { return c.now }})
	_, err := failing.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum"})
	require.ErrorIs(t, err, buckettest.ErrInjected)
	broken = false
	_, err = failing.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum"})
	require.NoError(t, err)
	require.Empty(t, c.files())
}

func TestAWrongClockOfAWriterDeletesNothing(t *testing.T) {
	t.Parallel()
	b := newBucket(t) // whose files have the true time
	slow := open(t, b, delta.Options{Now: func() time.Time { return time.Now().Add(-30 * days) }})
	started := build(t, slow, hour(0), readAt(1), rowsAt(hour(0).Start))
	result, err := open(t, b, delta.Options{}).Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum"})
	require.NoError(t, err)
	require.Zero(t, result.Files)
	commit(t, slow, "slow", false, started)
	offlinetest.Audit(t, b, offlinetest.Spec())
}

func TestBadVacuumsAreRefused(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	for _, bad := range []offline.VacuumRequest{
		{}, {ID: "x", Retention: -1}, {ID: "x", MaxFiles: -1}, {ID: "x", Retention: days - 1}, {ID: "x", Retention: 7*days + 1},
	} {
		_, err := table.Vacuum(t.Context(), bad)
		require.Error(t, err, "%+v", bad)
	}
	_, err := open(t, b, delta.Options{Retention: time.Second}).Vacuum(t.Context(), offline.VacuumRequest{ID: "x"})
	require.ErrorContains(t, err, "retention")
	_, err = open(t, b, delta.Options{ShortRetention: true}).Vacuum(t.Context(), offline.VacuumRequest{ID: "x", Retention: time.Second})
	require.NoError(t, err)
}

// A shorter retention is about files that were removed; those of writers are safe.
func TestAShortVacuumSparesFilesThatMayBeCommitted(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	old := c.commit("hour 0", false, 0, 1)
	c.commit("hour 0 again", true, 0, 2)
	c.now = c.now.Add(-time.Hour)
	started := build(t, c.table, hour(1), readAt(1), rowsAt(hour(1).Start))
	c.now = c.now.Add(30 * time.Hour)
	result, err := c.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum", Retention: days})
	require.NoError(t, err)
	require.Equal(t, 1, result.Files)
	require.False(t, c.files()[old.Path])
	commit(t, c.table, "late", false, started)
	require.Len(t, offlinetest.Audit(t, c.bucket, offlinetest.Spec()).Rows, 2)
}

func TestABuilderThatPausesBeyondTheRetentionBuildsAgain(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.commit("hour 1", false, 1, 1)
	paused := build(t, c.table, hour(0), readAt(1), rowsAt(hour(0).Start))
	c.now = c.now.Add(8 * days)
	require.Equal(t, 1, c.vacuum("vacuum").Files)
	_, err := c.table.Commit(t.Context(), offline.Commit{ID: "late", Builds: []offline.Build{paused}})
	require.ErrorIs(t, err, offline.ErrStale)
	_, err = c.open().Commit(t.Context(), offline.Commit{ID: "late", Builds: []offline.Build{paused}})
	require.ErrorIs(t, err, offline.ErrStale)
	c.commit("built again", false, 0, 2)
	require.Len(t, offlinetest.Audit(t, c.bucket, offlinetest.Spec()).Rows, 2)
}

func TestVacuumTakesWhatCompactionsLeave(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	for n := range 4 {
		c.commit(fmt.Sprint("hour ", n), false, n, 1)
	}
	c.now = c.now.Add(30 * days)
	require.Equal(t, 4, compact(t, c.table, "compaction").Removed)
	require.Zero(t, c.vacuum("at once").Files, "readers may be at the files that were merged")
	c.now = c.now.Add(8 * days)
	require.Equal(t, 4, c.vacuum("later").Files)
	require.Len(t, offlinetest.Audit(t, c.bucket, offlinetest.Spec()).Rows, 4)
}

// A writer that stood still lands its version after the vacuum has listed the files
// that are old, its own among them, and before the vacuum's version.
func TestAVacuumSparesAFileThatIsCommittedBesideIt(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	b := build(t, c.table, hour(0), readAt(1), rowsAt(hour(0).Start))
	began := c.now
	stands, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	writer := open(t, buckettest.Faulty{Bucket: c.bucket, Hook: beforeCommits(func(int) {
		close(stands)
		<-goOn
	})}, delta.Options{Now: func() time.Time { return began }})
	go func() {
		_, err := writer.Commit(t.Context(), offline.Commit{ID: "late", Builds: []offline.Build{b}})
		done <- err
	}()
	<-stands
	c.now = c.now.Add(8 * days)
	c.bucket = buckettest.Faulty{Bucket: c.bucket, Hook: beforeCommits(func(n int) {
		if n == 1 {
			close(goOn)
			require.NoError(t, <-done)
		}
	})}
	c.table = c.open()
	require.Zero(t, c.vacuum("vacuum").Files)
	require.Len(t, offlinetest.Audit(t, c.bucket, offlinetest.Spec()).Rows, 1)
}

// A writer stands still for most of the retention between planning a version, which
// says when it removed a file, and putting it. Readers need the file until then.
func TestAFileThatWasRemovedLateStaysAsLongAsAnyOther(t *testing.T) {
	t.Parallel()
	for _, checkpointed := range []bool{false, true} {
		for _, followed := range []bool{false, true} {
			c := newClocked(t)
			old := c.commit("hour 0", false, 0, 1)
			stood := false
			writer := open(t, buckettest.Faulty{Bucket: c.bucket, Hook: beforeCommits(func(int) {
				if !stood {
					stood = true
					c.now = c.now.Add(6*days + 23*time.Hour)
				}
			})}, delta.Options{Now: func() time.Time { return c.now }})
			commit(t, writer, "late", true, build(t, writer, hour(0), readAt(2), rowsAt(hour(0).End-1)))
			if followed {
				c.commit("next", false, 1, 1)
			}
			for n, pause := range []time.Duration{time.Minute, 2 * time.Hour, 6*days + 21*time.Hour} {
				if checkpointed {
					_, err := c.table.Checkpoint(t.Context(), 1)
					require.NoError(t, err)
					c.table = c.open()
				}
				c.now = c.now.Add(pause)
				require.Zero(t, c.vacuum(fmt.Sprint("vacuum ", n)).Files)
				require.True(t, c.files()[old.Path])
			}
			c.now = c.now.Add(2 * time.Hour)
			require.Equal(t, 1, c.vacuum("at last").Files)
		}
	}
}

// Nothing is committed to a table for weeks after an erasure, and then something is before
// the vacuum. Rows of the keys must not stay for another retention.
func TestWhatAnErasureRemovesDoesNotWaitForTheNextCommit(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	old := c.commit("hour 0", false, 0, 1)
	require.NoError(t, erasing(t, "user-00").do(t.Context(), c.table, "erasure"))
	c.now = c.now.Add(8 * days)
	c.commit("next", false, 1, 1)
	c.vacuum("vacuum")
	require.False(t, c.files()[old.Path])
}
