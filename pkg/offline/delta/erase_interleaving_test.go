package delta_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// erasing is a chore whose id begins with its place among the others.
func erasing(t *testing.T, user string) chore {
	keys := offlinetest.KeysOf(t, user)
	return chore{name: "erase " + user, do: func(ctx context.Context, table offline.Table, id string) error {
		_, err := table.Erase(ctx, offline.Erasure{ID: id, Keys: keys, Fields: 1})
		return err
	}}
}

// rewriting is erasing by files that are rewritten before.
func rewriting(t *testing.T, user string) chore {
	keys := offlinetest.KeysOf(t, user)
	return chore{name: "rewrite and erase " + user, do: func(ctx context.Context, table offline.Table, id string) error {
		s, err := table.Snapshot(ctx)
		if err != nil {
			return err
		}
		e := offline.Erasure{ID: id, Keys: keys, Fields: 1}
		for _, f := range table.MayHold(s, keys) {
			r, err := table.Rewrite(ctx, f, keys, 1, nil)
			if err != nil {
				return err
			}
			e.Rewrites = append(e.Rewrites, r)
		}
		_, err = table.Erase(ctx, e)
		return err
	}}
}

// playErasures is playChores of a world that knows who is erased.
func (w *world) playErasures(dust []string, todo ...chore) func(*testing.T, *buckettest.Schedule) {
	w.erased = map[string]string{}
	for i, c := range todo {
		for _, user := range []string{"user-00", "user-01"} {
			if c.name == "erase "+user || c.name == "rewrite and erase "+user {
				w.erased[fmt.Sprint(i, " ", c.name)] = user
			}
		}
	}
	return w.playChores(dust, 0, todo...)
}

func begunLate(c chore) chore {
	c.name, c.late = c.name+", begun late", true
	job := *c.commit
	job.name = c.name
	c.commit = &job
	return c
}

func TestEveryInterleavingOfAnErasureAndOthers_B1_B2_B3_B4_B8(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		for _, other := range append(chores[:len(chores):len(chores)],
			begunLate(chores[0]), begunLate(chores[2]), erasing(t, "user-01"), erasing(t, "user-00"),
		) {
			t.Run(other.name, func(t *testing.T) {
				buckettest.Explore(t, buckettest.Plan{}, w.playErasures(dust, other, erasing(t, "user-01")))
			})
		}
		t.Run("files that were rewritten before", func(t *testing.T) {
			plan := buckettest.Plan{Random: 15, Seed: uint64(time.Now().UnixNano())}
			for _, other := range chores {
				buckettest.Explore(t, plan, w.playErasures(dust, other, rewriting(t, "user-01")))
			}
		})
	})
}

func TestAnErasureThatFailsAtAnyStepIsFinishedByARetry_B1_B2_B3_B4_B8(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		buckettest.Explore(t, buckettest.Plan{Faults: 1}, w.playErasures(dust, erasing(t, "user-01")))
	})
}

func TestRandomInterleavingsOfErasuresAndOthers_B1_B2_B3_B4_B8(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		plan := buckettest.Plan{Faults: 2, Random: 30, Seed: uint64(time.Now().UnixNano())}
		buckettest.Explore(t, plan, w.playErasures(dust,
			chores[0], chores[1], chores[2], erasing(t, "user-00"), rewriting(t, "user-01"), compacting, vacuuming))
	})
}

// A worker that erases stands still beyond the retention before any one of its calls,
// and what it has uploaded is vacuumed meanwhile.
func TestAnErasureMayStandStillAtAnyStepWhileFilesAreVacuumed_B1_B8(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		w.erased = map[string]string{"writer": "user-01"}
		requireStandstill(t, w, dust, func(ctx context.Context, table offline.Table) error {
			return erasing(t, "user-01").do(ctx, table, "writer")
		})
	})
}

func TestOldErasuresAreForgottenAndWhatBeganBeforeThemIsStale(t *testing.T) {
	t.Parallel()
	now := newClock()
	w, _ := dusty(t, now, false)
	begun := build(t, w.table, hour(2), readAt(3), rowsAt(hour(2).Start))
	require.NoError(t, erasing(t, "user-01").do(t.Context(), w.table, "erasure"))
	fences := func() (n int) {
		for _, err := range w.disk.List(t.Context(), offlinetest.Spec().Path+"/_fences/", "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 1, fences())
	now.pass(8 * days)
	commit(t, w.table, "later", false, build(t, w.table, hour(7), readAt(3), nil))
	_, err := w.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "first"}) // its version is the log's clock
	require.NoError(t, err)
	now.pass(time.Hour)
	_, err = w.table.Vacuum(t.Context(), offline.VacuumRequest{ID: "second"})
	require.NoError(t, err)
	require.Zero(t, fences())
	young := build(t, w.table, hour(2), readAt(3), rowsAt(hour(2).Start))
	young.Fence = begun.Fence
	_, err = w.table.Commit(t.Context(), offline.Commit{ID: "stale", Builds: []offline.Build{young}})
	require.ErrorIs(t, err, offline.ErrFenceGone)
	require.ErrorIs(t, err, offline.ErrStale)
	young.Fence = 1
	commit(t, w.table, "young", false, young)
}
