package materialize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

func setOf(t testing.TB, keys ...string) *keyset.Set {
	t.Helper()
	var encoded [][]byte
	for _, key := range keys {
		encoded = append(encoded, []byte(key))
	}
	set, err := keyset.New(encoded)
	require.NoError(t, err)
	return set
}

// scanned returns versions of the entities' cells, as ScanCells tells them.
func scanned(s *scene) map[string][]uint64 {
	out := map[string][]uint64{}
	require.NoError(s.t, s.engine.ScanCells(s.t.Context(), s.target, func(entity []byte, version uint64) error {
		out[string(entity)] = append(out[string(entity)], version)
		return nil
	}))
	return out
}

func (s *scene) eraseCells(keys *keyset.Set, version int64, remove bool) int64 {
	s.t.Helper()
	var looked int64
	n, err := s.engine.EraseCells(s.t.Context(), s.target, keys, version, remove, func(keys int64) { looked = keys })
	require.NoError(s.t, err)
	_, _, filled, err := online.ReadStatus(s.t.Context(), s.engine.Online, s.target.Store())
	require.NoError(s.t, err)
	if filled {
		require.Positive(s.t, looked, "keys count, whether or not they have cells")
		require.Zero(s.t, looked%int64(keys.Len()))
	}
	return n
}

// Tiles of two days, so that a key has several cells, and rows, of which it has one.
func TestCellsOfKeysAreErasedAndThenRemoved(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(1, at(1), 1), visit(2, at(0), 1), visit(2, at(1), 1), visit(3, at(1), 1)}
	for name, c := range map[string]struct {
		s     *scene
		cells int // of user 1
	}{
		"tiles":            {newMemoryScene(t, newView(hour, day, 2*day), &events), 2},
		"by secondary key": {newMemoryScene(t, keyedView(hour, day, 2*day), &events), 2},
		"rows":             {newMemoryScene(t, newRowView(day), &events), 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.s
			s.run(oneDay(0))
			s.run(oneDay(1))
			applied := s.snapshot().Version
			keys := setOf(t, keyOf(1), keyOf(9))

			require.Zero(t, s.eraseCells(keys, 0, false), "no cell is that old")
			require.Equal(t, int64(c.cells), s.eraseCells(keys, applied, false))
			require.Zero(t, s.eraseCells(keys, applied, false), "repeated")
			cells := scanned(s)
			require.Len(t, cells[keyOf(1)], c.cells)
			for _, version := range cells[keyOf(1)] {
				require.Equal(t, uint64(applied), version)
			}
			status, _ := s.status()
			for item, err := range s.engine.Online.Scan(t.Context(), s.target.CellStore(status.Epoch)) {
				require.NoError(t, err)
				require.Equal(t, string(item.Key.Entity) == keyOf(1), item.Cell.Tombstone)
			}
			require.Equal(t, int64(c.cells), s.eraseCells(keys, applied, true))
			require.NotContains(t, scanned(s), keyOf(1))
			require.Contains(t, scanned(s), keyOf(2))

			s.run(oneDay(0), oneDay(1))
			require.Contains(t, scanned(s), keyOf(1), "what is materialized later is there again")
			require.Zero(t, s.eraseCells(keys, applied, true), "and newer than what was erased")
			require.Len(t, scanned(s)[keyOf(1)], c.cells)
		})
	}
}

func TestCellsOfEveryFillingAreErased(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(2, at(0), 1)}
	s := newMemoryScene(t, newRowView(day), &events)
	s.run(oneDay(0))
	status, version, _, err := online.ReadStatus(t.Context(), s.engine.Online, s.target.Store())
	require.NoError(t, err)
	status.Next = &online.Filling{Epoch: "next", From: status.Applied, Covered: status.Covered}
	status.Replaced = []online.Replaced{{Epoch: "replaced", At: 1}}
	_, err = online.WriteStatus(t.Context(), s.engine.Online, s.target.Store(), status, version)
	require.NoError(t, err)
	for _, epoch := range []string{"next", "replaced"} {
		_, err := s.engine.Online.Write(t.Context(), []online.Write{{
			Key:       online.Key{Store: s.target.CellStore(epoch), Entity: []byte(keyOf(1)), Kind: online.KindRow},
			Cell:      online.Cell{Version: uint64(status.Applied), Value: online.AppendRow(nil, online.Row{Time: at(0)})},
			Condition: online.IfNotNewer,
		}})
		require.NoError(t, err)
	}
	require.Len(t, scanned(s)[keyOf(1)], 3)
	require.Equal(t, int64(3), s.eraseCells(setOf(t, keyOf(1)), status.Applied, false))
	require.Equal(t, int64(3), s.eraseCells(setOf(t, keyOf(1)), status.Applied, true))
	require.NotContains(t, scanned(s), keyOf(1))
}

func TestAStoreWithoutAStatusHasNoCellsToErase(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, newRowView(day), &[]event{})
	require.Zero(t, s.eraseCells(setOf(t, keyOf(1)), 5, true))
	require.Empty(t, scanned(s))
}

// An erasure costs the cells of its keys and no file; what came since stays.
func TestAnErasureIsFollowedByItsKeysB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(2, at(0), 1), visit(3, at(0), 1), visit(1, at(1), 2)}
	s := newRowScene(t, day, &events)
	s.commit(false, true, s.build(oneDay(0)), s.build(oneDay(1)))
	s.settle()
	e := s.stageErasure(keyOf(1), keyOf(2), keyOf(9))
	late := s.build(oneDay(2))
	version := s.erase(e)
	require.Empty(t, s.settle(), "no file is opened")
	require.Equal(t, map[int64]window.Time{1: 0, 2: 0, 3: at(0)}, s.latest())
	require.Equal(t, []uint64{uint64(version)}, scanned(s.scene)[keyOf(1)])

	require.Zero(t, late.Fence)
	require.Equal(t, int64(1), s.build(oneDay(3)).Fence)
	events = append(events, visit(1, at(3), 4))
	s.commit(false, true, s.build(oneDay(3)))
	s.settle()
	require.Equal(t, map[int64]window.Time{1: at(3), 2: 0, 3: at(0)}, s.latest())
}

func TestAnErasureWhoseKeysAreGoneIsFollowedByItsFilesB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(2, at(0), 1), visit(1, at(1), 2)}
	s := newRowScene(t, day, &events)
	s.commit(false, true, s.build(oneDay(0)), s.build(oneDay(1)))
	s.settle()
	e := s.stageErasure(keyOf(1))
	s.erase(e)
	require.NoError(t, s.bucket.Delete(t.Context(), e.Object))
	require.NotEmpty(t, s.settle())
	require.Equal(t, map[int64]window.Time{1: 0, 2: at(0)}, s.latest())
}

func TestAnErasureOfflineOnlyLeavesTheCells(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, at(0), 1), visit(2, at(0), 1)}
	s := newRowScene(t, day, &events)
	s.commit(false, true, s.build(oneDay(0)))
	s.settle()
	e := s.stageErasure(keyOf(1))
	e.Online = false
	s.erase(e)
	require.Equal(t, s.snapshot().Version, s.apply().Version)
	require.Equal(t, map[int64]window.Time{1: at(0), 2: at(0)}, s.latest())
}

func TestViewStoresAreThoseThatServeAndFillAndAreRetired(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	first, second := r.stores.Serving, r.stores.Filling
	third := second.View
	third.Transformation += " again"
	r.define(third)
	got, err := r.engine.ViewStores(t.Context(), "prod", "spending")
	require.NoError(t, err)
	require.Len(t, got, 3)
	for i, want := range []*materialize.Target{first, r.stores.Filling, second} {
		require.Equal(t, want.Store(), got[i].Store())
		require.Equal(t, want.View.Transformation, got[i].View.Transformation, "each by its own definition")
	}
	_, err = r.engine.ViewStores(t.Context(), "prod", "nothing")
	require.ErrorIs(t, err, registry.ErrNotFound)
}
