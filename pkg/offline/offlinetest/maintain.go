package offlinetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
)

// testMaintain holds Compact and Vacuum to what they promise whatever the driver's
// idea of a small file or of time is.
func testMaintain(t *testing.T, d Driver) {
	filled := func(t *testing.T) (*scene, []ID) {
		s := newScene(t, d)
		var ids []ID
		for n := range 12 {
			ids = append(ids, id(n, 1))
			s.commit(false, s.build(id(n, 1)))
		}
		ids[3] = id(3, 2)
		s.commit(true, s.build(ids[3]))
		return s, ids
	}
	t.Run("a compaction makes fewer files of the same rows", func(t *testing.T) {
		s, ids := filled(t)
		before := s.snapshot()
		rows := int64(0)
		result, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2, OnProgress: func(n int64) { rows = n }})
		require.NoError(t, err)
		require.Equal(t, rows, result.Rows)
		require.Greater(t, result.Removed, result.Added)
		after := s.snapshot()
		require.Equal(t, result.Version, after.Version)
		require.Len(t, after.Files, len(before.Files)-result.Removed+result.Added)
		require.Equal(t, before.Covered, after.Covered)
		s.requireTable(ids...)

		again, err := s.open().Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2})
		require.NoError(t, err)
		require.Equal(t, result, again, "a retry finds what it did")
		require.Equal(t, after, s.snapshot())

		changes, err := s.table.Changes(t.Context(), before.Version, after.Version)
		require.NoError(t, err)
		require.Empty(t, changes[0].Windows)
		require.False(t, changes[0].Online)
		got, err := ReadRows(t.Context(), s.table, before.Files)
		require.NoError(t, err, "a snapshot of before can be read")
		require.Equal(t, plain(Audit(t, s.bucket, s.spec).Rows), plain(got))
	})
	t.Run("windows of a compacted file are replaced on their own", func(t *testing.T) {
		s, ids := filled(t)
		_, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compaction", MinFiles: 2})
		require.NoError(t, err)
		ids[1], ids[7] = id(1, 3), id(7, 3)
		require.Equal(t, outcomes(offline.Committed, offline.Committed), s.commit(true, s.build(ids[1]), s.build(ids[7])))
		s.requireTable(ids...)
	})
	t.Run("a table with nothing to do is left alone", func(t *testing.T) {
		s := newScene(t, d)
		compacted, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compaction"})
		require.NoError(t, err)
		require.Zero(t, compacted)
		vacuumed, err := s.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum"})
		require.NoError(t, err)
		require.Zero(t, vacuumed)
		require.Zero(t, s.snapshot().Version)
	})
	t.Run("a vacuum spares what is young", func(t *testing.T) {
		s, ids := filled(t)
		before := s.snapshot()
		started := s.build(id(20, 1))
		for _, dry := range []bool{true, false} {
			result, err := s.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum", DryRun: dry, Retention: 24 * time.Hour})
			require.NoError(t, err)
			require.Zero(t, result.Files)
		}
		_, err := ReadRows(t.Context(), s.table, before.Files)
		require.NoError(t, err)
		s.commit(false, started)
		s.requireTable(append(ids, id(20, 1))...)
	})
	t.Run("requests without an id, or of negative sizes, are refused", func(t *testing.T) {
		s := newScene(t, d)
		for _, bad := range []offline.CompactRequest{{}, {ID: "x", TargetBytes: -1}, {ID: "x", MinFiles: -1}, {ID: "x", MaxBytes: -1}} {
			_, err := s.table.Compact(t.Context(), bad)
			require.Error(t, err, "%+v", bad)
		}
		for _, bad := range []offline.VacuumRequest{{}, {ID: "x", Retention: -1}, {ID: "x", MaxFiles: -1}, {ID: "x", Retention: time.Hour}} {
			_, err := s.table.Vacuum(t.Context(), bad)
			require.Error(t, err, "%+v", bad)
		}
	})
}
