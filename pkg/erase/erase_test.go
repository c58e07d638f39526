package erase_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/erase"
)

func TestAllRowsAndCellsOfTheKeysGoAndNoOthers(t *testing.T) {
	t.Parallel()
	for i, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			count, users := 4000, 300
			if kind == rowsByName {
				count, users = 100_000, 5000
			}
			s := newFilled(t, kind, randomEvents(uint64(i), count, users))
			var erased []int
			for user := 0; user < users; user += 10 {
				erased = append(erased, user, user)
			}
			erased = append(erased, users+1) // whom nobody knows
			before := s.allContents()
			keys := s.keys(erased)
			for _, c := range before {
				require.Contains(t, c.rows, s.key(0))
				require.Contains(t, c.cells, s.key(0))
			}
			receipt := s.delete(both, erased...)
			require.Equal(t, withoutAll(before, keys), s.allContents())
			require.Equal(t, len(erased)-len(keys), receipt.Staged.Duplicates)
			require.Equal(t, len(keys), receipt.Staged.Keys)
			require.Empty(t, receipt.Staged.Object)
			require.Len(t, receipt.Stores, 3)
			for at, store := range receipt.Stores {
				require.Equal(t, at == 2, store.Retired)
				rows, cells := 0, 0
				for key := range keys {
					rows += len(before[at].rows[key])
					cells += len(before[at].cells[key])
				}
				require.EqualValues(t, rows, store.Rows)
				require.EqualValues(t, cells, store.Cells)
				require.Positive(t, store.Verified.Rows)
				require.Positive(t, store.Verified.Cells)
				require.EqualValues(t, 1, store.Fence)
			}
			for info, err := range s.bucket.List(t.Context(), "deletions/", "") {
				require.NoError(t, err)
				require.Fail(t, "left", info.Key)
			}
			again := s.delete(both, erased...)
			require.Equal(t, withoutAll(before, keys), s.allContents())
			require.Zero(t, again.Stores[0].Rows+again.Stores[0].Cells)
		})
	}
}

func TestADeletionFromOneStoreLeavesTheOtherAsItIs(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newFilled(t, kind, randomEvents(7, 500, 20))
			before := s.allContents()
			receipt := s.delete(erase.Request{Online: true}, 1, 2)
			require.Nil(t, receipt.OldVersionsUntil)
			after := s.allContents()
			for i, c := range before {
				require.Equal(t, c.rows, after[i].rows)
				require.Equal(t, c.without(s.keys([]int{1, 2})).cells, after[i].cells)
				s.apply(s.targets()[i])
			}
			require.Equal(t, after, s.allContents())

			before = after
			receipt = s.delete(erase.Request{Offline: true}, 3, 4)
			require.NotNil(t, receipt.OldVersionsUntil)
			after = s.allContents()
			for i, c := range before {
				require.Equal(t, c.cells, after[i].cells)
				require.Equal(t, c.without(s.keys([]int{3, 4})).rows, after[i].rows)
				s.apply(s.targets()[i])
			}
			require.Equal(t, after, s.allContents(), "the online store passes it over")
		})
	}
}

func TestBuildsBegunBeforeLoseTheKeysAndLaterOnesKeepThem(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newFilled(t, kind, randomEvents(3, 1000, 20))
			serving := s.stores().Serving
			keys := s.keys([]int{1, 2})
			full := s.contents(serving)
			early := s.build(serving, 1)
			d := s.plan(s.stage(both, 1, 2))
			d.rewrite(0)
			between := s.build(serving, 2)
			s.commit(serving, between) // the rewrites of that day are in vain
			late := s.build(serving, 3)
			for store := range d.plan.Stores {
				d.eraseOffline(store)
			}
			s.commit(serving, late) // so that the online store follows a later version than the erasure's
			for store := range d.plan.Stores {
				d.eraseOnline(store)
				d.sweep(store)
			}
			s.commit(serving, early)
			s.apply(serving)
			require.Equal(t, full.without(keys), s.contents(serving), "what was begun before")
			s.fill(serving, 0, 1, 2, 3)
			require.Equal(t, full, s.contents(serving), "what was begun later")
			receipt := d.finish() // whose verification does not mind
			require.Positive(t, receipt.Stores[0].Rows)
		})
	}
}

func TestRowsThatAreForgottenDoNotComeBackUntilTheFenceIsLifted(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newFilled(t, kind, randomEvents(5, 1000, 20))
			serving := s.stores().Serving
			full := s.contents(serving)
			until := start.Add(2 * day)
			receipt := s.delete(erase.Request{Online: true, Offline: true, Forget: &until}, 1, 2)
			s.fill(serving, 0, 1)
			require.Equal(t, full.without(s.keys([]int{1, 2})), s.contents(serving))
			s.fill(serving, 2, 3)
			back := s.contents(serving)
			require.Contains(t, back.rows, s.key(1), "later rows come back")
			require.Less(t, len(back.rows[s.key(1)]), len(full.rows[s.key(1)]))
			_, err := s.engine.Fences.Lift(t.Context(), "prod", "spending", receipt.Staged.ID)
			require.NoError(t, err)
			s.fill(serving, 0, 1)
			require.Equal(t, full, s.contents(serving))
		})
	}
}

func TestReceiptsAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	s := newFilled(t, rowsByName, randomEvents(5, 100, 20))
	var ids []string
	for user := range 3 {
		receipt := s.delete(both, user)
		ids = append([]string{receipt.Staged.ID}, ids...)
		again, err := s.engine.Finish(t.Context(), receipt.Staged, erase.Plan{}, "job", nil, nil)
		require.NoError(t, err, "repeated, it returns the receipt")
		require.Equal(t, receipt, again)
	}
	for limit, want := range [][]string{nil, ids[:1], ids[:2], ids, ids} {
		receipts, err := s.engine.Receipts(t.Context(), "prod", "spending", limit)
		require.NoError(t, err)
		var got []string
		for _, r := range receipts {
			got = append(got, r.Staged.ID)
		}
		require.Equal(t, want, got)
	}
	for _, of := range [][3]string{
		{"prod", "spending", strings.Repeat("0", 32)}, {"prod", "spending", "../" + ids[0]}, {"prod", "spend", ids[0]}, {"", "spending", ids[0]},
	} {
		_, err := s.engine.Receipt(t.Context(), of[0], of[1], of[2])
		require.ErrorIs(t, err, erase.ErrNotFound, fmt.Sprint(of))
	}
}
