package offlinetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
)

// KeysOf returns the keys of users, all their items; see Pairs.
func KeysOf(t require.TestingT, users ...string) *keyset.Set {
	var keys [][]byte
	for _, user := range users {
		key, err := record.AppendKey(nil, Spec().Keys[:1], []feature.Value{feature.StringValue(user)})
		require.NoError(t, err)
		keys = append(keys, key)
	}
	set, err := keyset.New(keys)
	require.NoError(t, err)
	return set
}

// pair returns the keys of one user and item.
func pair(t require.TestingT, user string, item int64) *keyset.Set {
	key, err := record.AppendKey(nil, Spec().Keys, []feature.Value{feature.StringValue(user), feature.Int64Value(item)})
	require.NoError(t, err)
	set, err := keyset.New([][]byte{key})
	require.NoError(t, err)
	return set
}

func without(rows []Row, users ...string) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return slices.Contains(users, r.User) })
}

// filled commits six hours, and returns their rows.
func (s *scene) filled() (rows []Row) {
	s.Helper()
	for n := range 6 {
		b := id(n, 1)
		s.commit(false, s.build(b))
		rows = append(rows, RowsFor(b)...)
	}
	sortRows(rows)
	return rows
}

func (s *scene) liveRows() []Row {
	s.Helper()
	rows, err := ReadRows(s.Context(), s.open(), s.snapshot().Files)
	require.NoError(s, err)
	require.Equal(s, rows, Audit(s, s.bucket, s.spec).Rows)
	return rows
}

func (s *scene) erase(id string, keys *keyset.Set, fields int) offline.Erased {
	s.Helper()
	e, err := s.table.Erase(s.Context(), offline.Erasure{ID: id, Job: "job", Online: true, Keys: keys, Object: "deletions/keys", Fields: fields})
	require.NoError(s, err)
	return e
}

func testErase(t *testing.T, d Driver) {
	t.Run("all rows of the keys go, in one version, and no others", func(t *testing.T) {
		s := newScene(t, d)
		rows := s.filled()
		before := s.snapshot()
		keys := KeysOf(t, "user-01", "user-04", "user-99")
		erased := s.erase("erasure", keys, 1)
		want := without(rows, "user-01", "user-04")
		require.Equal(t, want, s.liveRows())
		after := s.snapshot()
		require.EqualValues(t, 1, after.Fence)
		require.Equal(t, before.Version+1, erased.Version)
		require.Equal(t, before.ReadAt, after.ReadAt)
		require.EqualValues(t, 1, erased.Fence)
		require.EqualValues(t, len(rows)-len(want), erased.Rows)
		changes, err := s.table.Changes(t.Context(), before.Version, erased.Version)
		require.NoError(t, err)
		require.Len(t, changes, 1)
		require.Equal(t, &offline.KeySet{Object: "deletions/keys", Keys: 3, Digest: keys.Digest()}, changes[0].Erased)
		require.True(t, changes[0].Online)
		require.Empty(t, changes[0].Windows)
		require.Len(t, changes[0].Removed, erased.Files)
		for _, f := range changes[0].Added {
			require.Less(t, f.Seq, erased.Version, "the rows were written before")
		}
	})
	t.Run("repeated, it tells what it did", func(t *testing.T) {
		s := newScene(t, d)
		s.filled()
		first := s.erase("erasure", KeysOf(t, "user-02"), 1)
		s.commit(false, s.build(id(8, 1)))
		require.Equal(t, first, s.erase("erasure", KeysOf(t, "user-02"), 1))
		s.table = s.open()
		require.Equal(t, first, s.erase("erasure", KeysOf(t, "user-02"), 1))
		require.EqualValues(t, 1, s.snapshot().Fence)
	})
	t.Run("keys that nobody has make a version, too", func(t *testing.T) {
		s := newScene(t, d)
		rows := s.filled()
		erased := s.erase("erasure", KeysOf(t, "nobody"), 1)
		require.Equal(t, offline.Erased{Version: s.snapshot().Version, Fence: 1}, erased)
		require.Equal(t, rows, s.liveRows())
	})
	t.Run("keys of all columns", func(t *testing.T) {
		s := newScene(t, d)
		rows := s.filled()
		s.erase("erasure", pair(t, rows[0].User, rows[0].Item), 2)
		require.Equal(t, slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
			return r.User == rows[0].User && r.Item == rows[0].Item
		}), s.liveRows())
	})
	t.Run("rewrites that were made before are used", func(t *testing.T) { testRewrites(t, d) })
	t.Run("builds that began before lose the keys, later ones keep them", func(t *testing.T) { testFences(t, d) })
	t.Run("appends that were accepted before lose the keys", func(t *testing.T) {
		s := newAppendScene(t, d)
		rows := s.frame(2, 6)
		early, err := Append(t.Context(), s.table, "early", rows)
		require.NoError(t, err)
		s.erase("erasure", KeysOf(t, "user-01"), 1)
		later := s.frame(1, 6)
		late, err := Append(t.Context(), s.table, "late", later)
		require.NoError(t, err)
		late.Fence = 1
		require.Equal(t, outcomes(offline.Committed, offline.Committed), s.commit(false, early, late))
		want := slices.DeleteFunc(slices.Clone(rows), func(r Ingested) bool { return r.User == "user-01" })
		require.Equal(t, sortIngested(append(want, later...)), s.rows())
		require.Equal(t, outcomes(offline.Done), s.commit(false, early), "a retry under another id cannot tell")
	})
	t.Run("bad erasures are refused", func(t *testing.T) {
		s := newScene(t, d)
		keys := KeysOf(t, "a")
		for name, bad := range map[string]offline.Erasure{
			"no id": {Keys: keys, Fields: 1}, "no keys": {ID: "x", Fields: 1}, "no columns": {ID: "x", Keys: keys},
			"more columns than the table's": {ID: "x", Keys: keys, Fields: 3},
		} {
			_, err := s.table.Erase(t.Context(), bad)
			require.Error(t, err, name)
		}
		s.commit(false, s.build(id(0, 1)))
		_, err := s.table.Erase(t.Context(), offline.Erasure{ID: commitID(1), Keys: keys, Fields: 1})
		require.Error(t, err, "an id that was used for something else")
	})
}

func testRewrites(t *testing.T, d Driver) {
	s := newScene(t, d)
	rows := s.filled()
	keys := KeysOf(t, "user-00", "user-03")
	var rewrites []offline.Rewrite
	for _, f := range s.table.MayHold(s.snapshot(), keys) {
		read := int64(0)
		r, err := s.table.Rewrite(t.Context(), f, keys, 1, func(rows int64) { read = rows })
		require.NoError(t, err)
		require.Equal(t, f.Rows, read)
		rewrites = append(rewrites, r)
	}
	require.Equal(t, rows, s.liveRows(), "a rewrite is invisible")
	s.commit(true, s.build(id(0, 2))) // its rewrite is of no use any more
	rows = slices.DeleteFunc(rows, func(r Row) bool { return hour(0).Contains(r.At) })
	rows = append(rows, RowsFor(id(0, 2))...)
	sortRows(rows)
	e, err := s.table.Erase(t.Context(), offline.Erasure{ID: "erasure", Keys: keys, Fields: 1, Rewrites: rewrites})
	require.NoError(t, err)
	require.Equal(t, without(rows, "user-00", "user-03"), s.liveRows())
	changes, err := s.table.Changes(t.Context(), e.Version-1, e.Version)
	require.NoError(t, err)
	added := map[string]bool{}
	for _, f := range changes[0].Added {
		added[f.Path] = true
	}
	for _, r := range rewrites[1:] {
		if r.File != nil {
			require.True(t, added[r.File.Path], "%+v", r)
		}
	}
}

func testFences(t *testing.T, d Driver) {
	s := newScene(t, d)
	rows := s.filled()
	early, old := id(7, 1), id(1, 2)
	begun, replacing := s.build(early), s.build(old)
	s.erase("first", KeysOf(t, "user-01"), 1)
	s.erase("second", KeysOf(t, "user-02"), 1)
	late := s.build(id(8, 1))
	late.Fence = 2
	c := s.newCommit(true, begun, replacing, late)
	for try := range 2 {
		result, err := s.table.Commit(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, outcomes(offline.Committed, offline.Committed, offline.Committed), result.Outcomes, "try %d", try)
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return hour(1).Contains(r.At) })
	rows = without(append(append(rows, RowsFor(early)...), RowsFor(old)...), "user-01", "user-02")
	rows = append(rows, RowsFor(id(8, 1))...)
	sortRows(rows)
	require.Equal(t, rows, s.liveRows())
	for n := range 4 {
		b := s.build(id(10+n, 1))
		b.Fence = 1
		s.commit(false, b)
		rows = append(rows, without(RowsFor(id(10+n, 1)), "user-02")...)
	}
	sortRows(rows)
	require.Equal(t, rows, s.liveRows())
	ahead := s.build(id(20, 1))
	ahead.Fence = 3
	_, err := s.table.Commit(t.Context(), s.newCommit(false, ahead))
	require.Error(t, err, fmt.Sprint("a fence that the table never had: ", ahead.Fence))
}
