package delta_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// compact merges from two files on.
func compact(t *testing.T, table offline.Table, id string) offline.CompactResult {
	result, err := table.Compact(t.Context(), offline.CompactRequest{ID: id, Job: "job", MinFiles: 2})
	require.NoError(t, err)
	return result
}

func snapshotOf(t *testing.T, table offline.Table) offline.Snapshot {
	s, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	return s
}

// hours makes a table in which each hour was committed on its own, with the rows of offlinetest.
func hours(t *testing.T, n int) (bucket.Bucket, offline.Table) {
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	for i := range n {
		rows := offlinetest.RowsFor(offlinetest.ID{Window: hour(i), ReadAt: readAt(1)})
		commit(t, table, fmt.Sprint("hour ", i), false, build(t, table, hour(i), readAt(1), rows))
	}
	return b, table
}

func TestCompactionKeepsRowsAndCoverage(t *testing.T) {
	t.Parallel()
	b, table := hours(t, 20) // noon to the next morning: two partitions
	before := offlinetest.Audit(t, b, offlinetest.Spec())
	old := snapshotOf(t, table)
	rows, progress := int64(0), int64(0)
	for _, f := range old.Files {
		rows += f.Rows
	}
	result, err := table.Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2, OnProgress: func(rows int64) {
		require.Greater(t, rows, progress)
		progress = rows
	}})
	require.NoError(t, err)
	require.Equal(t, rows, progress)
	require.Equal(t, rows, result.Rows)
	require.Equal(t, len(old.Files), result.Removed)
	require.Equal(t, 2, result.Added)
	require.Equal(t, old.Version+1, result.Version)
	require.False(t, result.More)

	after := offlinetest.Audit(t, b, offlinetest.Spec())
	require.Equal(t, before.Rows, after.Rows)
	require.Equal(t, before.ReadAt, after.ReadAt)
	s := snapshotOf(t, table)
	require.Equal(t, old.ReadAt, s.ReadAt)
	require.Equal(t, old.Covered, s.Covered)
	require.Equal(t, old.Fence, s.Fence)
	require.Equal(t, []string{"2001-01-05", "2001-01-06"}, []string{s.Files[0].Partition, s.Files[1].Partition})
	for _, f := range s.Files {
		newest, oldest := int64(0), offline.File{}
		for _, was := range old.Files {
			if was.Partition == f.Partition {
				newest = max(newest, was.Seq)
				if oldest.Path == "" || was.MinTime < oldest.MinTime {
					oldest = was
				}
			}
		}
		require.Equal(t, newest, f.Seq, "the greatest sequence number of what was merged")
		require.Equal(t, oldest.MinTime, f.MinTime)
	}
	changes, err := table.Changes(t.Context(), old.Version, s.Version)
	require.NoError(t, err)
	require.Equal(t, []offline.Change{{Version: s.Version, Added: changes[0].Added, Removed: changes[0].Removed}}, changes)
	require.Len(t, changes[0].Removed, len(old.Files))

	again := compact(t, table, "again")
	require.Equal(t, offline.CompactResult{Version: s.Version}, again, "there is nothing to do")
}

func TestACompactionIsWrittenAsDeltaReadersExpect(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	one := build(t, table, hour(0), readAt(1), rowsAt(hour(0).Start))
	two := build(t, table, hour(1), readAt(1), rowsAt(hour(1).Start))
	commit(t, table, "one", false, one)
	commit(t, table, "two", false, two)
	compact(t, table, "compaction")

	var got []map[string]map[string]any
	for _, line := range lines(t, b, 3) {
		var action map[string]map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &action))
		got = append(got, action)
	}
	require.Len(t, got, 4)
	info, add := got[0]["commitInfo"], got[3]["add"]
	require.Equal(t, "OPTIMIZE", info["operation"])
	require.Equal(t, map[string]any{"commit_id": "compaction", "job": "job", "online": false, "lines": 4.0}, info["tilery"])
	partition := map[string]any{"time_partition": "2001-01-05"}
	for i, f := range []offline.File{one.Files[0], two.Files[0]} {
		remove := got[1+i]["remove"]
		require.Equal(t, map[string]any{
			"path": f.Path, "deletionTimestamp": remove["deletionTimestamp"], "dataChange": false,
			"extendedFileMetadata": true, "partitionValues": partition, "size": float64(f.Size),
		}, remove)
	}
	f := snapshotOf(t, table).Files[0]
	require.Equal(t, map[string]any{
		"path": f.Path, "partitionValues": partition, "size": float64(f.Size), "dataChange": false,
		"modificationTime": float64(f.WrittenAt.Time().UnixMilli()), "stats": f.Stats,
		"tags": map[string]any{"seq": "2", "written_at": f.WrittenAt.String(), "min_time": f.MinTime.String(), "max_time": f.MaxTime.String()},
	}, add)
	require.Contains(t, f.Stats, `"numRecords":2`)
	require.Regexp(t, `^time_partition=2001-01-05/\d{16}-compact-[0-9a-f]{12}\.parquet$`, f.Path)
}

// Files of more rows than a merge holds in memory, of other lengths, with keys that
// are shared and keys that are not.
func TestLargeFilesAreMergedInOrder(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{RowGroupRows: 1500})
	random := rand.New(rand.NewPCG(3, 4))
	var want []offlinetest.Row
	for i, n := range []int{9000, 4000, 1, 2345} {
		rows := make([]offlinetest.Row, n)
		for j := range rows {
			rows[j] = offlinetest.Row{User: fmt.Sprintf("%06d", random.IntN(7000)), Item: int64(i / 3), At: hour(i).Start, N: random.Int64()}
			if j%3 == 0 {
				rows[j].Rest, rows[j].Tags = []byte{byte(j)}, []string{"a", fmt.Sprint(j)}
			}
		}
		slices.SortFunc(rows, func(a, b offlinetest.Row) int { return strings.Compare(a.User, b.User) })
		commit(t, table, fmt.Sprint("hour ", i), false, build(t, table, hour(i), readAt(1), rows))
		want = append(want, rows...)
	}
	slices.SortStableFunc(want, func(a, b offlinetest.Row) int { return strings.Compare(a.User, b.User) })
	before, err := offlinetest.ReadRows(t.Context(), table, snapshotOf(t, table).Files)
	require.NoError(t, err)
	require.EqualValues(t, len(want), compact(t, table, "compaction").Rows)

	audited := offlinetest.Audit(t, b, offlinetest.Spec()) // the file is in order
	require.Len(t, audited.Paths, 1)
	require.Equal(t, before, audited.Rows)
}

func TestRowsOfEqualKeyAndTimeKeepTheirOrder(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	for i := range 3 {
		rows := make([]offlinetest.Row, 50)
		for j := range rows {
			rows[j] = offlinetest.Row{User: "a", At: hour(2 - i).Start, N: int64(100*i + j)}
		}
		commit(t, table, fmt.Sprint("hour ", i), false, build(t, table, hour(2-i), readAt(1), rows))
	}
	compact(t, table, "compaction")
	audited := offlinetest.Audit(t, b, offlinetest.Spec())
	require.Len(t, audited.Paths, 1)
	for n, row := range audited.Rows {
		require.EqualValues(t, 100*(2-n/50)+n%50, row.N)
	}
}

func TestManySmallFilesTakeSeveralCompactions(t *testing.T) {
	t.Parallel()
	b := buckettest.NewMemory()
	table := open(t, b, delta.Options{})
	const windows = 84
	var builds []offline.Build
	for i := range windows {
		builds = append(builds, build(t, table, hour(i), readAt(1), rowsAt(hour(i).Start)))
	}
	commit(t, table, "hours", false, builds...)
	before := offlinetest.Audit(t, b, offlinetest.Spec())
	files, calls := windows, 0
	for more := true; more; calls++ {
		result, err := table.Compact(t.Context(), offline.CompactRequest{ID: fmt.Sprint("compaction ", calls), MinFiles: 2, MaxBytes: 10_000})
		require.NoError(t, err)
		require.Positive(t, result.Removed)
		require.LessOrEqual(t, result.Bytes, int64(100_000))
		files += result.Added - result.Removed
		more = result.More
	}
	require.Greater(t, calls, 1)
	after := offlinetest.Audit(t, b, offlinetest.Spec())
	require.Len(t, after.Paths, files)
	require.Equal(t, 4, files, "one a day")
	require.Equal(t, before.Rows, after.Rows)
}
