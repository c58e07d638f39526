package delta_test

import (
	"fmt"
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

func TestACompactionLeavesOutWhatOthersChanged(t *testing.T) {
	t.Parallel()
	replaced := func(t *testing.T, _ bucket.Bucket, other offline.Table) {
		commit(t, other, "replace", true, build(t, other, hour(1), readAt(2), rowsAt(hour(1).Start)))
	}
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, b bucket.Bucket, other offline.Table)
		added     int
		more      bool
	}{
		"an append": {func(t *testing.T, _ bucket.Bucket, other offline.Table) {
			commit(t, other, "append", false, build(t, other, hour(9), readAt(1), rowsAt(hour(9).Start)))
		}, 2, true},
		"an overwrite of a merged file":   {replaced, 1, true},
		"a compaction of the same files":  {func(t *testing.T, _ bucket.Bucket, other offline.Table) { compact(t, other, "theirs") }, 0, false},
		"the same call, in other process": {func(t *testing.T, _ bucket.Bucket, other offline.Table) { compact(t, other, "ours") }, 2, false},
		"a deletion": {func(t *testing.T, b bucket.Bucket, _ offline.Table) {
			put(t, b, logKey(2), `{"txn":{"appId":"fence","version":1}}`)
		}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := buckettest.NewMemory()
			other := open(t, b, delta.Options{})
			var builds []offline.Build
			for _, n := range []int{0, 1, 13, 14} { // two on each day
				builds = append(builds, build(t, other, hour(n), readAt(1), rowsAt(hour(n).Start)))
			}
			commit(t, other, "hours", false, builds...)
			table := open(t, buckettest.Faulty{Bucket: b, Hook: beforeCommits(func(n int) {
				if n == 1 {
					c.meanwhile(t, b, other)
				}
			})}, delta.Options{})
			result := compact(t, table, "ours")
			require.Equal(t, c.added, result.Added)
			require.Equal(t, 2*c.added, result.Removed)
			require.Equal(t, c.more, result.More)
			if name == "a deletion" {
				return // its version has no id for the audit
			}
			audited := offlinetest.Audit(t, b, offlinetest.Spec())
			require.Equal(t, len(audited.ReadAt), len(audited.Rows))
		})
	}
}

func TestACompactionThatIsRepeatedTellsWhatItDid(t *testing.T) {
	t.Parallel()
	b, table := hours(t, 6)
	first := compact(t, table, "compaction")
	require.Positive(t, first.Added)
	for _, again := range []offline.Table{table, open(t, b, delta.Options{})} {
		require.Equal(t, first, compact(t, again, "compaction"))
	}
	commit(t, table, "more", false, build(t, table, hour(6), readAt(1), rowsAt(hour(6).Start)))
	first.More = true
	require.Equal(t, first, compact(t, table, "compaction"))
	offlinetest.Audit(t, b, offlinetest.Spec())
}

// A commit whose answer was lost is made again when its files are merged already.
func TestACommitIsFoundByItsRetryAfterACompaction(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	full := build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start))
	empty := build(t, table, hour(1), readAt(1), nil)
	rival := build(t, table, hour(0), readAt(1), rowsAt(hour(0).End-1))
	want := commit(t, table, "commit", false, full, empty)
	commit(t, table, "around", false, build(t, table, hour(2), readAt(1), rowsAt(hour(2).Start)))
	require.Equal(t, 1, compact(t, table, "compaction").Added)
	for _, again := range []offline.Table{table, open(t, b, delta.Options{})} {
		for _, overwrite := range []bool{false, true} {
			require.Equal(t, want.Outcomes, commit(t, again, "commit", overwrite, full, empty).Outcomes)
		}
		require.Equal(t, []offline.Outcome{offline.Superseded}, commit(t, again, "rival", true, rival).Outcomes)
		rival.Window = hour(1)
		rival.Files, rival.Rows, rival.Bytes = nil, 0, 0
		require.Equal(t, []offline.Outcome{offline.Committed}, commit(t, again, "rival", true, rival).Outcomes, "no rows either")
		rival = build(t, table, hour(0), readAt(1), rowsAt(hour(0).End-1))
	}
	require.Len(t, offlinetest.Audit(t, b, offlinetest.Spec()).Commits, 4)
}

func TestReplacingAWindowCopiesOnlyTheFileThatSpansIt(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	for day := range 3 {
		for i := range 3 {
			n := 24*day + 2*i // hours between are not covered
			commit(t, table, fmt.Sprint("hour ", n), false, build(t, table, hour(n), readAt(1), rowsAt(hour(n).Start, hour(n).End-1)))
		}
	}
	require.Equal(t, 3, compact(t, table, "compaction").Added)
	before := snapshotOf(t, table)
	opened := map[string]bool{}
	watched := open(t, buckettest.Faulty{Bucket: b, Hook: func(op, key string) buckettest.Fault {
		if op == "GetRange" {
			opened[strings.TrimPrefix(key, offlinetest.Spec().Path+"/")] = true
		}
		return buckettest.None
	}}, delta.Options{})

	for _, n := range []int{1, 25, 99} {
		commit(t, watched, fmt.Sprint("gap ", n), false, build(t, watched, hour(n), readAt(1), rowsAt(hour(n).Start)))
	}
	require.Empty(t, opened, "a window that is not covered has no rows to take out")

	commit(t, watched, "replace", true, build(t, watched, hour(26), readAt(2), rowsAt(hour(26).Start)))
	require.Equal(t, map[string]bool{before.Files[1].Path: true}, opened)
	after := snapshotOf(t, table)
	var kept []offline.File
	for _, f := range after.Files {
		if f.Seq == before.Files[1].Seq {
			kept = append(kept, f)
		}
	}
	require.Len(t, kept, 1)
	require.EqualValues(t, 4, kept[0].Rows)
	require.Len(t, offlinetest.Audit(t, b, offlinetest.Spec()).Rows, 3*6+3-2+1)
}

func TestADamagedFileFailsTheCompaction(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"PAR1", ""} {
		b, table := hours(t, 6)
		f := snapshotOf(t, table).Files[0]
		key := offlinetest.Spec().Path + "/" + f.Path
		if damage == "" {
			require.NoError(t, b.Delete(t.Context(), key))
		} else {
			put(t, b, key, damage)
		}
		_, err := table.Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2})
		require.ErrorIs(t, err, offline.ErrCorrupt)
		require.ErrorContains(t, err, f.Path)
	}
}

// Neither may a merged file, nor a copy, be committed that a vacuum may have taken
// while the process stood still.
func TestOldFilesOfOurOwnAreNotCommitted(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(t *testing.T, table offline.Table){
		"a compaction": func(t *testing.T, table offline.Table) { require.Zero(t, compact(t, table, "second").Added) },
		"a copy": func(t *testing.T, table offline.Table) {
			commit(t, table, "replace", true, offline.Build{Window: hour(1), ReadAt: readAt(2)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := buckettest.NewMemory()
			now := time.Now()
			before := open(t, b, delta.Options{})
			for i := range 3 {
				commit(t, before, fmt.Sprint("hour ", i), false, build(t, before, hour(i), readAt(1), rowsAt(hour(i).Start)))
			}
			if name == "a copy" {
				compact(t, before, "first")
			}
			live := map[string]bool{}
			for _, f := range snapshotOf(t, before).Files {
				live[offlinetest.Spec().Path+"/"+f.Path] = true
			}
			slept := false
			table := open(t, buckettest.Faulty{Bucket: b, Hook: func(op, _ string) buckettest.Fault {
				if op == "PutIfAbsent" && !slept { // and the vacuum of another process comes first
					slept = true
					now = now.Add(8 * 24 * time.Hour)
					commit(t, before, "no-op", false, offline.Build{Window: hour(9), ReadAt: readAt(1)})
					for info, err := range b.List(t.Context(), offlinetest.Spec().Path+"/time_partition=", "") {
						require.NoError(t, err)
						if !live[info.Key] {
							require.NoError(t, b.Delete(t.Context(), info.Key))
						}
					}
				}
				return buckettest.None
			}}, delta.Options{Now: func() time.Time { return now }})
			act(t, table)
			require.True(t, slept)
			offlinetest.Audit(t, b, offlinetest.Spec()) // B1
		})
	}
}
