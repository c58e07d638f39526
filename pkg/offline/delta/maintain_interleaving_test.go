package delta_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// clock ticks each time it is read, so that no two files get one name.
type clock struct{ micros atomic.Int64 }

func newClock() *clock { return clockAt(time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC)) }

func clockAt(t time.Time) *clock {
	c := &clock{}
	c.micros.Store(t.UnixMicro())
	return c
}

func (c *clock) now() time.Time         { return time.UnixMicro(c.micros.Add(1)) }
func (c *clock) pass(d time.Duration)   { c.micros.Add(d.Microseconds()) }
func (c *clock) options() delta.Options { return delta.Options{Now: c.now} }

// dusty is a world whose table covers hours 0, 1 and 3 in three files or, merged, in
// one, and has two files that a vacuum may take: one replaced and one never committed.
func dusty(t *testing.T, c *clock, merged bool) (w *world, dust []string) {
	b := undated{buckettest.NewMemory()}
	table := open(t, b, c.options())
	w = newWorld(t, b, table, nil, 0, 1, 3)
	old := build(t, table, hour(0), readAt(0), rowsAt(hour(0).Start))
	commit(t, table, "replaced", false, old)
	lost := build(t, table, hour(5), readAt(0), rowsAt(hour(5).Start))
	commit(t, table, "before", true, w.build(0, 1, false), w.build(1, 1, false))
	commit(t, table, "before, too", false, w.build(3, 1, false))
	var files []offline.File
	if merged {
		files = snapshotOf(t, table).Files
		compact(t, table, "merged")
	}
	w.builds = map[content]offline.Build{} // old by now
	c.pass(30 * days)
	w.opts, w.now = c.options(), c
	// What was merged is gone, as after a vacuum: two files make schedules enough.
	for _, f := range files {
		require.NoError(t, b.Delete(t.Context(), offlinetest.Spec().Path+"/"+f.Path))
	}
	return w, []string{old.Files[0].Path, lost.Files[0].Path}
}

// chore is what one process of a scene does.
type chore struct {
	name   string
	commit *job // nil: maintenance
	late   bool // its fence is the table's when the process begins
	do     func(ctx context.Context, table offline.Table, id string) error
}

// fencedNow returns c with builds whose sources are read now.
func fencedNow(ctx context.Context, table offline.Table, c offline.Commit) (offline.Commit, error) {
	s, err := table.Snapshot(ctx)
	c.Builds = slices.Clone(c.Builds)
	for i := range c.Builds {
		c.Builds[i].Fence = s.Fence
	}
	return c, err
}

func committing(name string, overwrite bool, readAt int, empty bool, hours ...int) chore {
	return chore{name: name, commit: &job{name: name, overwrite: overwrite, readAt: readAt, empty: empty, hours: hours}}
}

var compacting = chore{name: "compact", do: func(ctx context.Context, table offline.Table, id string) error {
	_, err := table.Compact(ctx, offline.CompactRequest{ID: id, MinFiles: 2})
	return err
}}

var vacuuming = chore{name: "vacuum", do: func(ctx context.Context, table offline.Table, id string) error {
	_, err := table.Vacuum(ctx, offline.VacuumRequest{ID: id})
	return err
}}

// chores are the rows and columns of the matrix of commits that meet maintenance.
var chores = []chore{
	committing("append 2", false, 3, false, 2),
	committing("replace 0", true, 4, false, 0),
	committing("replace 1 and 2", true, 2, false, 1, 2),
	committing("replace 3, empty", true, 5, true, 3),
	compacting,
	vacuuming,
}

// playChores returns a scene in which each chore is done by a process of its own.
func (w *world) playChores(dust []string, readers int, todo ...chore) func(*testing.T, *buckettest.Schedule) {
	var commits []offline.Commit
	for _, c := range todo {
		if c.commit != nil {
			commits = append(commits, w.commit(*c.commit))
		}
	}
	w.load()
	began := w.opts.Now()
	return func(t *testing.T, s *buckettest.Schedule) {
		b := undated{w.memory.Clone()}
		// A clock of its own for each process: their order must not show in names.
		open := func(p *buckettest.Process, process int) (offline.Table, error) {
			own := *w
			own.opts = clockAt(began.Add(time.Duration(process) * time.Second)).options()
			return own.open(t.Context(), p, b)
		}
		results := make([]offline.CommitResult, len(commits))
		commits := slices.Clone(commits)
		vacuumed := false
		made := 0
		for i, c := range todo {
			vacuumed = vacuumed || c.name == vacuuming.name
			id := fmt.Sprint(i, " ", c.name)
			act := func(table offline.Table) error { return c.do(t.Context(), table, id) }
			if c.commit != nil {
				n := made
				made++
				act = func(table offline.Table) (err error) {
					if c.late {
						if commits[n], err = fencedNow(t.Context(), table, commits[n]); err != nil {
							return err
						}
					}
					results[n], err = table.Commit(t.Context(), commits[n])
					return err
				}
			}
			s.Go(id, func(p *buckettest.Process) error {
				table, err := open(p, i)
				if err != nil {
					return err
				}
				return act(table)
			})
		}
		for i := range readers {
			s.Go(fmt.Sprint("reader ", i), func(p *buckettest.Process) error {
				table, err := open(p, len(todo)+i)
				if err != nil {
					return err
				}
				return w.read(t.Context(), table)
			})
		}
		s.Finally(func() {
			w.check(t, b, commits, results)
			for _, path := range dust {
				require.Equal(t, !vacuumed, exists(t, b, offlinetest.Spec().Path+"/"+path), path)
			}
		})
	}
}

// eachTable calls test with both forms of the dusty world.
func eachTable(t *testing.T, test func(t *testing.T, w *world, dust []string)) {
	for name, merged := range map[string]bool{"three files": false, "one file": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dust := dusty(t, newClock(), merged)
			test(t, w, dust)
		})
	}
}

func TestEveryInterleavingOfCommitsAndMaintenance_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		for i, a := range chores {
			for _, b := range chores[i:] {
				if a.commit != nil && b.commit != nil {
					continue // see TestEveryInterleavingOfTwoCommits
				}
				t.Run(a.name+" and "+b.name, func(t *testing.T) {
					buckettest.Explore(t, buckettest.Plan{}, w.playChores(dust, 0, a, b))
				})
			}
		}
	})
}

func TestReadersSeeWholeCommitsBesideMaintenance_B2(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		for _, c := range []chore{compacting, vacuuming} {
			t.Run(c.name, func(t *testing.T) {
				buckettest.Explore(t, buckettest.Plan{}, w.playChores(dust, 1, c))
			})
		}
	})
}

func TestMaintenanceThatFailsAtAnyStepIsFinishedByARetry_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		for _, c := range []chore{compacting, vacuuming} {
			t.Run(c.name, func(t *testing.T) {
				buckettest.Explore(t, buckettest.Plan{Faults: 1}, w.playChores(dust, 0, c))
			})
		}
	})
}

func TestRandomInterleavingsOfCommitsAndMaintenance_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	eachTable(t, func(t *testing.T, w *world, dust []string) {
		plan := buckettest.Plan{Faults: 2, Random: 30, Seed: uint64(time.Now().UnixNano())}
		buckettest.Explore(t, plan, w.playChores(dust, 1, append(chores[:3:3], compacting, compacting, vacuuming)...))
	})
}

// A writer stands still beyond the retention before any one of its calls, and what
// it has uploaded is vacuumed meanwhile.
func TestAWriterMayStandStillAtAnyStepWhileFilesAreVacuumed_B1(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		merged bool
		act    func(ctx context.Context, w *world, table offline.Table) error
	}{
		"a build": {false, replaceHour1},
		"a copy":  {true, replaceHour1},
		"a compaction": {false, func(ctx context.Context, _ *world, table offline.Table) error {
			return compacting.do(ctx, table, "writer")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			w, dust := dusty(t, now, c.merged)
			w.rows[content{hour(1).Start, readAt(3)}] = rowsAt(hour(1).Start)
			w.rows[content{hour(1).Start, readAt(9)}] = rowsAt(hour(1).Start)
			requireStandstill(t, w, dust, func(ctx context.Context, table offline.Table) error { return c.act(ctx, w, table) })
		})
	}
}

// requireStandstill lets a writer stand still before each of its calls in turn, for
// longer than the retention.
func requireStandstill(t *testing.T, w *world, dust []string, act func(ctx context.Context, table offline.Table) error) {
	now := w.now
	w.load()
	vacuumed := 0
	for stop, stood := int64(1), true; stood; stop++ {
		b := undated{w.memory.Clone()}
		other := open(t, b, w.opts)
		calls := atomic.Int64{}
		calls.Store(math.MinInt64) // none counts before the writer begins
		table := open(t, buckettest.Faulty{Bucket: b, Hook: func(_, _ string) buckettest.Fault {
			if calls.Add(1) == stop {
				now.pass(8 * days)
				result, err := other.Vacuum(t.Context(), offline.VacuumRequest{ID: "vacuum"})
				require.NoError(t, err)
				vacuumed += result.Files - len(dust)
			}
			return buckettest.None
		}}, w.opts)
		calls.Store(0)
		require.NoError(t, act(t.Context(), table), "stopped before call %d", stop)
		stood = calls.Load() >= stop
		audited := offlinetest.Audit(t, b, offlinetest.Spec())
		require.Equal(t, w.rowsLeft(audited, nil), audited.Rows)
	}
	require.Positive(t, vacuumed, "files of the writer were taken")
}

// replaceHour1 builds hour 1 and commits it, and once more if that took too long.
func replaceHour1(ctx context.Context, w *world, table offline.Table) error {
	for _, n := range []int{3, 9} {
		b, err := offlinetest.Write(ctx, table, hour(1), readAt(n), w.rows[content{hour(1).Start, readAt(n)}])
		if err != nil {
			return err
		}
		_, err = table.Commit(ctx, offline.Commit{ID: fmt.Sprint("read ", n), Overwrite: true, Builds: []offline.Build{b}})
		if !errors.Is(err, offline.ErrStale) {
			return err
		}
	}
	return offline.ErrStale
}
