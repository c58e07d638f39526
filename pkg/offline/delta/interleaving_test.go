package delta_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
)

// job is a commit of one build for each hour. Two jobs with the same hour and
// readAt have the same build.
type job struct {
	name      string
	overwrite bool
	hours     []int
	readAt    int
	empty     bool
}

// jobs are the rows and columns of the matrix of commits that meet.
var jobs = []job{
	{name: "append 0", hours: []int{0}, readAt: 3},
	{name: "append 0, read later", hours: []int{0}, readAt: 4},
	{name: "append 0, empty", hours: []int{0}, readAt: 5, empty: true},
	{name: "append 2", hours: []int{2}, readAt: 3},
	{name: "append 0 and 2", hours: []int{0, 2}, readAt: 6},
	{name: "append nothing"},
	{name: "replace 0", overwrite: true, hours: []int{0}, readAt: 3},
	{name: "replace 0, read later", overwrite: true, hours: []int{0}, readAt: 4},
	{name: "replace 0, read before all", overwrite: true, hours: []int{0}, readAt: 0},
	{name: "replace 0, empty", overwrite: true, hours: []int{0}, readAt: 5, empty: true},
	{name: "replace 1", overwrite: true, hours: []int{1}, readAt: 3},
	{name: "replace 0 and 3", overwrite: true, hours: []int{0, 3}, readAt: 7},
	{name: "replace 1 and 2", overwrite: true, hours: []int{1, 2}, readAt: 2},
}

// tables are the states in which commits meet, and the jobs that are tried there.
var tables = []struct {
	name  string
	jobs  []job
	build func(t *testing.T) *world
}{
	{"no windows", jobs, func(t *testing.T) *world {
		b := newBucket(t)
		return newWorld(t, b, open(t, b, delta.Options{}), nil)
	}},
	{"hours 0, 1 and 3 in three files", jobs, func(t *testing.T) *world {
		b := newBucket(t)
		table := open(t, b, delta.Options{})
		w := newWorld(t, b, table, nil, 0, 1, 3)
		commit(t, table, "before", false, w.build(0, 1, false), w.build(1, 1, false), w.build(3, 1, false))
		return w
	}},
	// Files matter to jobs that take rows out of them. Copying is slow: fewer jobs.
	{"hours 0, 1 and 3 in one file", slices.Concat(jobs[3:4], jobs[6:8], jobs[9:]), func(t *testing.T) *world {
		b, table, rows := merged(t)
		return newWorld(t, b, table, rows, 0, 1, 3)
	}},
}

// newTable returns a world with the builds of all jobs.
func newTable(t *testing.T, build func(t *testing.T) *world) *world {
	w := build(t)
	for _, j := range jobs {
		w.commit(j)
	}
	w.load()
	return w
}

func (w *world) commit(j job) offline.Commit {
	c := offline.Commit{ID: j.name, Overwrite: j.overwrite}
	for _, n := range j.hours {
		c.Builds = append(c.Builds, w.build(n, j.readAt, j.empty))
	}
	return c
}

// play returns a scene in which processes make the commits, while others read.
func (w *world) play(readers int, commits ...offline.Commit) func(*testing.T, *buckettest.Schedule) {
	return func(t *testing.T, s *buckettest.Schedule) {
		b := w.memory.Clone()
		results := make([]offline.CommitResult, len(commits))
		for i, c := range commits {
			s.Go(fmt.Sprintf("%d %s", i, c.ID), func(p *buckettest.Process) error {
				table, err := w.open(t.Context(), p, b)
				if err == nil {
					results[i], err = table.Commit(t.Context(), c)
				}
				return err
			})
		}
		for i := range readers {
			s.Go(fmt.Sprint("reader ", i), func(p *buckettest.Process) error {
				table, err := w.open(t.Context(), p, b)
				if err != nil {
					return err
				}
				return w.read(t.Context(), table)
			})
		}
		s.Finally(func() { w.check(t, b, commits, results) })
	}
}

// pairs calls visit with every two jobs, a job and itself included.
func pairs(jobs []job, visit func(a, b job)) {
	for i, a := range jobs {
		for _, b := range jobs[i:] {
			visit(a, b)
		}
	}
}

func TestEveryInterleavingOfTwoCommits_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			w := newTable(t, table.build)
			pairs(table.jobs, func(a, b job) {
				t.Run(a.name+" and "+b.name, func(t *testing.T) {
					x, y := w.commit(a), w.commit(b)
					if a.name == b.name { // a process that was given up, and the one in its place
						buckettest.Explore(t, buckettest.Plan{}, w.play(0, x, y))
						y.ID += " by another job"
					}
					buckettest.Explore(t, buckettest.Plan{}, w.play(0, x, y))
				})
			})
		})
	}
}

func TestReadersSeeWholeCommitsInEveryInterleaving_B2(t *testing.T) {
	t.Parallel()
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			w := newTable(t, table.build)
			for _, j := range table.jobs {
				t.Run(j.name, func(t *testing.T) {
					buckettest.Explore(t, buckettest.Plan{}, w.play(1, w.commit(j)))
				})
			}
		})
	}
}

// named returns the commits of jobs by their names.
func (w *world) named(names ...string) []offline.Commit {
	var out []offline.Commit
	for _, name := range names {
		i := slices.IndexFunc(jobs, func(j job) bool { return j.name == name })
		require.GreaterOrEqual(w.t, i, 0, name)
		out = append(out, w.commit(jobs[i]))
	}
	return out
}

// A commit that crashed, or whose answer was lost, is made again under its id.
func TestACommitThatFailsAtAnyStepIsMadeOnceByARetry_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			w := newTable(t, table.build)
			for _, j := range table.jobs {
				t.Run(j.name, func(t *testing.T) {
					buckettest.Explore(t, buckettest.Plan{Faults: 1}, w.play(0, w.commit(j)))
				})
			}
		})
	}
}

func TestEveryInterleavingOfTwoCommitsOneOfWhichFails_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	for table, races := range [][][]string{
		{{"append 0", "append 0, read later"}, {"append 0", "append 2"}, {"append 0 and 2", "replace 0, read later"}},
		{{"append 2", "replace 0"}, {"replace 0", "replace 0, read later"}, {"replace 0, empty", "replace 1"}},
	} {
		t.Run(tables[table].name, func(t *testing.T) {
			t.Parallel()
			w := newTable(t, tables[table].build)
			for _, names := range races {
				t.Run(fmt.Sprint(names), func(t *testing.T) {
					buckettest.Explore(t, buckettest.Plan{Faults: 1}, w.play(0, w.named(names...)...))
				})
			}
		})
	}
}

// Three commits, two readers and two faults have too many interleavings to play all.
func TestRandomInterleavingsOfManyCommits_B1_B2_B3_B4(t *testing.T) {
	t.Parallel()
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			w := newTable(t, table.build)
			seed := uint64(time.Now().UnixNano())
			for _, names := range [][]string{
				{"append 0", "append 2", "append 0 and 2"},
				{"replace 0", "replace 0, read later", "append 2"},
				{"replace 0 and 3", "replace 1", "append 0, empty"},
				{"replace 1 and 2", "append 2", "replace 0, empty"},
			} {
				t.Run(fmt.Sprint(names), func(t *testing.T) {
					buckettest.Explore(t, buckettest.Plan{Faults: 2, Random: 30, Seed: seed}, w.play(2, w.named(names...)...))
				})
			}
		})
	}
}
