package delta_test

import (
	"encoding/json"
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

// merged makes a table in which hours 0, 1 and 3 are covered and share one file
// of sequence number 1, as a compaction leaves it; hour 2 is not covered.
func merged(t *testing.T) (bucket.Bucket, offline.Table, []offlinetest.Row) {
	b := newBucket(t)
	table := open(t, b, delta.Options{})
	rows := rowsAt(hour(0).Start, hour(1).Start, hour(3).Start, hour(0).End-1, hour(1).End-1, hour(3).End-1)
	var builds []offline.Build
	for _, n := range []int{0, 1, 3} {
		var own []offlinetest.Row
		for _, r := range rows {
			if hour(n).Contains(r.At) {
				own = append(own, r)
			}
		}
		builds = append(builds, build(t, table, hour(n), readAt(1), own))
	}
	commit(t, table, "hours", false, builds...)

	// A table of longer windows writes the merged file.
	wide := offlinetest.Spec()
	wide.Path, wide.Step = "wide", 12*time.Hour
	scratch, err := delta.New(b, delta.Options{}).Open(t.Context(), wide)
	require.NoError(t, err)
	half := window.Interval{Start: noon, End: noon.Add(12 * time.Hour)}
	file := build(t, scratch, half, readAt(1), rows).Files[0]
	data, err := b.Get(t.Context(), wide.Path+"/"+file.Path)
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), offlinetest.Spec().Path+"/"+file.Path, data))

	var version []string
	add := map[string]any{
		"path": file.Path, "partitionValues": map[string]string{"time_partition": file.Partition}, "size": file.Size,
		"modificationTime": 1, "dataChange": false, "stats": file.Stats,
		"tags": map[string]string{"seq": "1", "written_at": file.WrittenAt.String(), "min_time": file.MinTime.String(), "max_time": file.MaxTime.String()},
	}
	actions := []any{map[string]any{"commitInfo": map[string]any{"tilery": map[string]any{"commit_id": "compaction", "lines": 5}}}, map[string]any{"add": add}}
	for _, b := range builds {
		actions = append(actions, map[string]any{"remove": map[string]any{"path": b.Files[0].Path}})
	}
	for _, action := range actions {
		line, err := json.Marshal(action)
		require.NoError(t, err)
		version = append(version, string(line))
	}
	put(t, b, logKey(2), strings.Join(version, "\n")+"\n")
	snapshot, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	require.Len(t, snapshot.Files, 1)
	return b, table, rows
}

func outside(rows []offlinetest.Row, hours ...int) (out []offlinetest.Row) {
	for _, r := range rows {
		inside := false
		for _, n := range hours {
			inside = inside || hour(n).Contains(r.At)
		}
		if !inside {
			out = append(out, r)
		}
	}
	return out
}

func TestReplacingAWindowKeepsOtherRowsOfItsFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hours []int
		files int // that hold old rows afterwards
	}{
		"at the start":       {[]int{0}, 1},
		"in the middle":      {[]int{1}, 1},
		"at the end":         {[]int{3}, 1},
		"two at once":        {[]int{0, 3}, 1},
		"all that have rows": {[]int{0, 1, 3}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, table, rows := merged(t)
			before, err := table.Snapshot(t.Context())
			require.NoError(t, err)
			var builds []offline.Build
			for _, n := range c.hours {
				builds = append(builds, build(t, table, hour(n), readAt(2), nil))
			}
			commit(t, table, "replace", true, builds...)

			audited := offlinetest.Audit(t, b, offlinetest.Spec())
			require.Equal(t, outside(rows, c.hours...), audited.Rows)
			require.Len(t, audited.ReadAt, 3, "coverage is unchanged")
			after, err := table.Snapshot(t.Context())
			require.NoError(t, err)
			require.Len(t, after.Files, c.files)
			for _, f := range after.Files {
				require.EqualValues(t, 1, f.Seq, "rows keep their sequence number")
			}
			changes, err := table.Changes(t.Context(), 2, 3)
			require.NoError(t, err)
			require.Equal(t, before.Files, changes[0].Removed)
			require.Len(t, changes[0].Windows, len(c.hours))
		})
	}
}

func TestAFileWithoutRowsInTheWindowStays(t *testing.T) {
	t.Parallel()
	b, table, rows := merged(t)
	before, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	row := offlinetest.Row{User: "new", At: hour(2).Start}
	commit(t, table, "gap", false, build(t, table, hour(2), readAt(1), []offlinetest.Row{row}))
	after, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	require.Contains(t, after.Files, before.Files[0])
	require.Equal(t, append([]offlinetest.Row{row}, rows...), offlinetest.Audit(t, b, offlinetest.Spec()).Rows)
}

func TestADamagedStraddlingFileFailsTheCommit(t *testing.T) {
	t.Parallel()
	b, table, _ := merged(t)
	snapshot, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	put(t, b, offlinetest.Spec().Path+"/"+snapshot.Files[0].Path, "PAR1")
	_, err = table.Commit(t.Context(), offline.Commit{ID: "replace", Overwrite: true, Builds: []offline.Build{{Window: hour(0), ReadAt: readAt(2)}}})
	require.ErrorIs(t, err, offline.ErrCorrupt)
	require.ErrorContains(t, err, snapshot.Files[0].Path)
}
