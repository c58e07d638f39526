package offlinetest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// testViews holds Snapshot, SnapshotAt and Changes to their sentences.
func testViews(t *testing.T, d Driver) {
	t.Run("a snapshot has every commit that returned before", func(t *testing.T) {
		s := newScene(t, d)
		tables := []offline.Table{s.table, s.open(), s.open()}
		for n := range 9 {
			build := s.build(id(n, 1))
			_, err := tables[n%3].Commit(t.Context(), s.newCommit(false, build))
			require.NoError(t, err)
			for _, table := range tables {
				snapshot, err := table.Snapshot(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, n+1, snapshot.Version)
				require.True(t, snapshot.Covered.Covers(hour(n)))
			}
		}
	})
	t.Run("a snapshot belongs to its caller", func(t *testing.T) {
		s := newScene(t, d)
		s.commit(false, s.build(id(0, 1)), s.build(id(1, 1)))
		want, spoilt := s.snapshot(), s.snapshot()
		clear(spoilt.Files)
		clear(spoilt.ReadAt)
		clear(spoilt.Covered)
		require.Equal(t, want, s.snapshot())
	})
	t.Run("a snapshot of before is what it was", func(t *testing.T) { testSnapshotAt(t, d) })
	t.Run("changes tell what each version did", func(t *testing.T) { testChanges(t, d) })
}

func testChanges(t *testing.T, d Driver) {
	s := newScene(t, d)
	old, replacing := ID{Window: hour(0), ReadAt: readAt(1)}, ID{Window: hour(0), ReadAt: readAt(2)}
	for len(RowsFor(old)) == 0 {
		old.Variant++
	}
	for len(RowsFor(replacing)) == 0 {
		replacing.Variant++
	}
	first, second := s.build(old), s.build(replacing)
	empty := offline.Build{Window: hour(7), ReadAt: readAt(1)}
	s.commit(false, first, empty)
	online := s.newCommit(true, second)
	online.Online = true
	_, err := s.table.Commit(t.Context(), online)
	require.NoError(t, err)

	seq := func(f offline.File, n int64) []offline.File {
		f.Seq = n
		return []offline.File{f}
	}
	want := []offline.Change{
		{Version: 1, Windows: []window.Interval{hour(0), hour(7)}, Added: seq(first.Files[0], 1)},
		{Version: 2, Windows: []window.Interval{hour(0)}, Added: seq(second.Files[0], 2), Removed: seq(first.Files[0], 1), Online: true},
	}
	for _, table := range []offline.Table{s.table, s.open()} {
		got, err := table.Changes(t.Context(), 0, 2)
		require.NoError(t, err)
		require.Equal(t, want, got)
		got, err = table.Changes(t.Context(), 1, 2)
		require.NoError(t, err)
		require.Equal(t, want[1:], got)
		got, err = table.Changes(t.Context(), 2, 2)
		require.NoError(t, err)
		require.Empty(t, got)
		rows, err := ReadRows(t.Context(), table, want[1].Removed)
		require.NoError(t, err, "a removed file can be opened")
		require.Equal(t, RowsFor(old), rows)
		for _, bad := range [][2]int64{{0, 3}, {2, 1}, {-1, 1}, {3, 4}} {
			_, err := table.Changes(t.Context(), bad[0], bad[1])
			require.Error(t, err, "%v", bad)
		}
	}
}

// testSnapshotAt holds SnapshotAt to what Snapshot said at the time.
func testSnapshotAt(t *testing.T, d Driver) {
	s := newScene(t, d)
	snapshots := []offline.Snapshot{s.snapshot()}
	for n := range 6 {
		s.commit(true, s.build(id(n%4, n+1)))
		snapshots = append(snapshots, s.snapshot())
	}
	_, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2})
	require.NoError(t, err)
	snapshots = append(snapshots, s.snapshot())
	_, err = s.table.Checkpoint(t.Context(), 1)
	require.NoError(t, err)
	s.commit(true, s.build(id(7, 1)))
	snapshots = append(snapshots, s.snapshot())

	random := rand.New(rand.NewPCG(1, 2))
	for _, table := range []offline.Table{s.table, s.open()} {
		for _, i := range random.Perm(len(snapshots)) {
			want := snapshots[i]
			for range 2 {
				got, err := table.SnapshotAt(t.Context(), want.Version)
				require.NoError(t, err)
				require.Equal(t, want, got)
				rows, err := ReadRows(t.Context(), table, got.Files)
				require.NoError(t, err, "files that were removed since can be read")
				wanted, err := ReadRows(t.Context(), s.table, want.Files)
				require.NoError(t, err)
				require.Equal(t, wanted, rows)
				clear(got.Files) // it belongs to its caller
				clear(got.ReadAt)
				clear(got.Covered)
			}
		}
		for _, bad := range []int64{-1, snapshots[len(snapshots)-1].Version + 1} {
			_, err := table.SnapshotAt(t.Context(), bad)
			require.Error(t, err)
			require.NotErrorIs(t, err, offline.ErrHistoryGone)
		}
	}
	require.Equal(t, snapshots[len(snapshots)-1], s.snapshot())
}
