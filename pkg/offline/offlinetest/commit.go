package offlinetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

func commitID(n int) string { return fmt.Sprintf("commit-%06d", n) }

func outcomes(o ...offline.Outcome) []offline.Outcome { return o }

func testCommit(t *testing.T, d Driver) {
	t.Run("all windows become visible, empty ones covered", func(t *testing.T) {
		s := newScene(t, d)
		ids := []ID{id(0, 1), id(1, 1), id(2, 2), id(5, 1), {Window: hour(6), ReadAt: readAt(9)}}
		var builds []offline.Build
		for _, b := range ids {
			builds = append(builds, s.build(b))
		}
		empty, err := Write(t.Context(), s.table, hour(3), readAt(4), nil)
		require.NoError(t, err)
		result, err := s.table.Commit(t.Context(), s.newCommit(false, append(builds, empty)...))
		require.NoError(t, err)
		require.EqualValues(t, 1, result.Version)
		require.Equal(t, outcomes(offline.Committed, offline.Committed, offline.Committed, offline.Committed, offline.Committed, offline.Committed), result.Outcomes)

		snapshot := s.snapshot()
		require.EqualValues(t, 1, snapshot.Version)
		require.Equal(t, readAt(4), snapshot.ReadAt[hour(3).Start])
		require.Equal(t, window.NewSet(hour(0), hour(1), hour(2), hour(3), hour(5), hour(6)), snapshot.Covered)
		for _, f := range snapshot.Files {
			require.EqualValues(t, 1, f.Seq)
		}
	})
	t.Run("a commit without builds does nothing", func(t *testing.T) {
		s := newScene(t, d)
		require.Empty(t, s.commit(false))
		require.Zero(t, s.snapshot().Version)
	})
	t.Run("outcomes", func(t *testing.T) { testOutcomes(t, d) })
	t.Run("replacing takes exactly the window's rows", func(t *testing.T) {
		s := newScene(t, d)
		s.commit(false, s.build(id(0, 1)), s.build(id(1, 1)), s.build(id(2, 1)))
		s.commit(true, s.build(id(1, 2)))
		s.requireTable(id(0, 1), id(1, 2), id(2, 1))
		empty, err := Write(t.Context(), s.table, hour(0), readAt(3), nil)
		require.NoError(t, err)
		s.commit(true, empty)
		for _, r := range Audit(t, s.bucket, s.spec).Rows {
			require.False(t, hour(0).Contains(r.At))
		}
	})
	t.Run("the latest ReadAt wins in both orders", func(t *testing.T) {
		slow, fresh := id(0, 1), id(0, 2) // X read an old source slowly, Y overwrites
		s := newScene(t, d)
		x, y := s.build(slow), s.build(fresh)
		require.Equal(t, outcomes(offline.Committed), s.commit(true, x))
		require.Equal(t, outcomes(offline.Committed), s.commit(true, y))
		s.requireTable(fresh)

		s = newScene(t, d)
		x, y = s.build(slow), s.build(fresh)
		require.Equal(t, outcomes(offline.Committed), s.commit(true, y))
		require.Equal(t, outcomes(offline.Superseded), s.commit(true, x))
		require.Equal(t, outcomes(offline.Done), s.commit(false, x))
		s.requireTable(fresh)
	})
	t.Run("a retry finds its own commit", func(t *testing.T) {
		s := newScene(t, d)
		c := s.newCommit(false, s.build(id(0, 1)), s.build(id(1, 1)), s.build(ID{hour(2), readAt(1), 1}))
		first, err := s.table.Commit(t.Context(), c)
		require.NoError(t, err)
		for _, overwrite := range []bool{false, true} {
			for _, newID := range []string{c.ID, "another-id"} {
				c.ID, c.Overwrite = newID, overwrite
				again, err := s.open().Commit(t.Context(), c)
				require.NoError(t, err)
				require.Equal(t, first, again)
			}
		}
		require.EqualValues(t, 1, s.snapshot().Version)
	})
	t.Run("windows of a commit fare on their own", func(t *testing.T) {
		s := newScene(t, d)
		kept := s.build(id(0, 5))
		s.commit(false, kept)
		rival := s.build(ID{Window: hour(0), ReadAt: readAt(5) + 1})
		result, err := s.table.Commit(t.Context(), s.newCommit(true, kept, s.build(id(1, 4)), rival))
		require.Error(t, err, "two builds of a window")
		require.Zero(t, result)
		require.Equal(t, outcomes(offline.Superseded, offline.Committed), s.commit(true, s.build(id(0, 4)), s.build(id(1, 4))))
		require.Equal(t, outcomes(offline.Done, offline.Committed), s.commit(false, s.build(id(0, 6)), s.build(id(2, 6))))
		s.requireTable(id(0, 5), id(1, 4), id(2, 6))
	})
	t.Run("bad commits are refused", func(t *testing.T) { testBadCommits(t, d) })
}

// testOutcomes tries each kind of build against each state of its window.
func testOutcomes(t *testing.T, d Driver) {
	full := func(n, variant int) ID {
		b := ID{Window: hour(0), ReadAt: readAt(n), Variant: variant}
		for len(RowsFor(b)) == 0 {
			b.Variant += 2
		}
		return b
	}
	for _, c := range []struct {
		name              string
		stored, build     ID
		append, overwrite offline.Outcome
	}{
		{"read later", full(1, 0), full(2, 0), offline.Done, offline.Committed},
		{"read earlier", full(2, 0), full(1, 0), offline.Done, offline.Superseded},
		{"read at once, other files", full(1, 0), full(1, 1), offline.Done, offline.Superseded},
	} {
		for _, overwrite := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, overwrite %v", c.name, overwrite), func(t *testing.T) {
				s := newScene(t, d)
				build := s.build(c.build)
				s.commit(false, s.build(c.stored))
				want, winner := c.append, c.stored
				if overwrite {
					want = c.overwrite
				}
				if want == offline.Committed {
					winner = c.build
				}
				require.Equal(t, outcomes(want), s.commit(overwrite, build))
				s.requireTable(winner)
			})
		}
	}
	t.Run("empty windows", func(t *testing.T) {
		s := newScene(t, d)
		empty := offline.Build{Window: hour(0), ReadAt: readAt(1)}
		require.Equal(t, outcomes(offline.Committed), s.commit(false, empty))
		require.Equal(t, outcomes(offline.Committed), s.commit(true, empty), "a retry")
		require.Equal(t, outcomes(offline.Superseded), s.commit(true, s.build(full(1, 0))), "read at once, with rows")
		require.Equal(t, outcomes(offline.Committed), s.commit(true, s.build(full(2, 0))))
		empty.ReadAt = readAt(2)
		require.Equal(t, outcomes(offline.Superseded), s.commit(true, empty), "read at once, without rows")
		s.requireTable(full(2, 0))
	})
}

func testBadCommits(t *testing.T, d Driver) {
	s := newScene(t, d)
	b := ID{Window: hour(0), ReadAt: readAt(1)}
	for len(RowsFor(b)) == 0 {
		b.Variant++
	}
	good := s.build(b)
	changed := func(change func(b *offline.Build, f *offline.File)) offline.Build {
		bad := good
		bad.Files = append([]offline.File(nil), good.Files...)
		change(&bad, &bad.Files[0])
		return bad
	}
	for name, bad := range map[string]offline.Build{
		"not on the step":     changed(func(b *offline.Build, _ *offline.File) { b.Window.End-- }),
		"two steps":           changed(func(b *offline.Build, _ *offline.File) { b.Window.End = hour(1).End }),
		"another window":      changed(func(b *offline.Build, _ *offline.File) { b.Window = hour(1) }),
		"no ReadAt":           changed(func(b *offline.Build, _ *offline.File) { b.ReadAt = 0 }),
		"wrong rows":          changed(func(b *offline.Build, _ *offline.File) { b.Rows++ }),
		"wrong size":          changed(func(b *offline.Build, _ *offline.File) { b.Bytes++ }),
		"another partition":   changed(func(_ *offline.Build, f *offline.File) { f.Partition = "2001-01-05" }),
		"outside the table":   changed(func(_ *offline.Build, f *offline.File) { f.Path = "../" + f.Path }),
		"times upside down":   changed(func(_ *offline.Build, f *offline.File) { f.MaxTime = f.MinTime - 1 }),
		"times past its end":  changed(func(_ *offline.Build, f *offline.File) { f.MaxTime = hour(0).End }),
		"file of other bytes": changed(func(b *offline.Build, f *offline.File) { f.Size++; b.Bytes++ }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.table.Commit(t.Context(), s.newCommit(true, bad))
			require.Error(t, err)
		})
	}
	t.Run("no id", func(t *testing.T) {
		_, err := s.table.Commit(t.Context(), offline.Commit{Builds: []offline.Build{good}})
		require.Error(t, err)
	})
	t.Run("files that are gone", func(t *testing.T) {
		gone := s.build(ID{b.Window, b.ReadAt, b.Variant})
		require.NoError(t, s.bucket.Delete(t.Context(), s.spec.Path+"/"+gone.Files[0].Path))
		_, err := s.table.Commit(t.Context(), s.newCommit(true, gone))
		require.ErrorIs(t, err, offline.ErrStale, "B1")
	})
	t.Run("an id that was used for other builds", func(t *testing.T) {
		c := s.newCommit(false, good)
		_, err := s.table.Commit(t.Context(), c)
		require.NoError(t, err)
		c.Builds = []offline.Build{s.build(id(1, 1))}
		_, err = s.table.Commit(t.Context(), c)
		require.Error(t, err, "B3")
	})
	s.requireTable(b)
}
