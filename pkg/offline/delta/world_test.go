package delta_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

// coverage is what a table covers: start of the window -> ReadAt of the winner.
type coverage = map[window.Time]window.Time

// content names the rows of a build.
type content struct{ start, readAt window.Time }

// world is a table together with builds that nobody has committed yet, from which
// any number of equal tables can be made.
type world struct {
	t      *testing.T
	disk   bucket.Bucket
	table  offline.Table
	memory *buckettest.Memory // a copy of disk
	opts   delta.Options      // of the processes of a scene
	now    *clock             // of a dusty world
	builds map[content]offline.Build
	rows   map[content][]offlinetest.Row // of the table's windows too
	erased map[string]string             // user by the id of an erasure
}

// newWorld returns a world whose table covers the given hours, read at 1, with rows.
func newWorld(t *testing.T, disk bucket.Bucket, table offline.Table, rows []offlinetest.Row, hours ...int) *world {
	w := &world{t: t, disk: disk, table: table, builds: map[content]offline.Build{}, rows: map[content][]offlinetest.Row{}}
	for _, n := range hours {
		c := content{hour(n).Start, readAt(1)}
		w.rows[c] = slices.DeleteFunc(slices.Clone(rows), func(r offlinetest.Row) bool { return !hour(n).Contains(r.At) })
	}
	return w
}

// build returns the build of an hour, read at n; the same in each call.
func (w *world) build(hourN, n int, empty bool) offline.Build {
	span := hour(hourN)
	c := content{span.Start, readAt(n)}
	if _, done := w.builds[c]; !done {
		var rows []offlinetest.Row
		if !empty {
			rows = rowsAt(span.Start, span.End-1)
			rows[0].N, rows[1].N = int64(n), int64(-n)
		}
		w.builds[c], w.rows[c] = build(w.t, w.table, span, readAt(n), rows), rows
	}
	return w.builds[c]
}

// load copies the table and the builds into memory.
func (w *world) load() {
	var err error
	w.memory, err = buckettest.MemoryOf(w.t.Context(), w.disk)
	require.NoError(w.t, err)
	// Decoders that all share must not be made in the bubble of a schedule.
	files := snapshotOf(w.t, w.table).Files
	for _, b := range w.builds {
		files = append(files, b.Files...)
	}
	_, err = offlinetest.ReadRows(w.t.Context(), w.table, files)
	require.NoError(w.t, err)
}

// open returns the table as a process sees it: in its first life it knows the
// table as it was at the beginning, later it opens it in the middle of things.
func (w *world) open(ctx context.Context, p *buckettest.Process, b bucket.Bucket) (table offline.Table, err error) {
	begin := func() error {
		table, err = delta.New(p.Bucket(b), w.opts).Open(ctx, offlinetest.Spec())
		return err
	}
	if p.Life == 0 {
		return table, p.Aside(begin)
	}
	return table, begin()
}

// rowsOf returns the rows of the builds that a coverage names, as offlinetest sorts them.
func (w *world) rowsOf(covered coverage) []offlinetest.Row {
	var out []offlinetest.Row
	for start, at := range covered {
		out = append(out, w.rows[content{start, at}]...)
	}
	slices.SortFunc(out, func(a, b offlinetest.Row) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Item, b.Item), cmp.Compare(a.At, b.At))
	})
	return out
}

// read reads the table a few times; all that it sees must be whole commits.
func (w *world) read(ctx context.Context, table offline.Table) error {
	last := int64(0)
	for range 2 {
		s, err := table.Snapshot(ctx)
		if err != nil {
			return err
		}
		if s.Version < last {
			return fmt.Errorf("version %d after %d", s.Version, last)
		}
		last = s.Version
		rows, err := offlinetest.ReadRows(ctx, table, s.Files)
		if err != nil {
			return err
		}
		if want := w.rowsOf(s.ReadAt); !reflect.DeepEqual(rows, want) {
			return fmt.Errorf("version %d has rows %v, want %v", s.Version, rows, want)
		}
		changes, err := table.Changes(ctx, 0, s.Version)
		if err != nil {
			return err
		}
		if files := folded(changes); !reflect.DeepEqual(files, s.Files) {
			return fmt.Errorf("version %d has files %v, its changes say %v", s.Version, s.Files, files)
		}
	}
	return nil
}

// folded returns the files that are live after all changes.
func folded(changes []offline.Change) []offline.File {
	live := map[string]offline.File{}
	for _, c := range changes {
		for _, f := range c.Removed {
			delete(live, f.Path)
		}
		for _, f := range c.Added {
			live[f.Path] = f
		}
	}
	return slices.SortedFunc(maps.Values(live), func(a, b offline.File) int { return cmp.Compare(a.Path, b.Path) })
}

// check audits the table, and requires of each commit that its version and the
// outcomes that it reported are what the contract says of the version before.
func (w *world) check(t *testing.T, b bucket.Bucket, commits []offline.Commit, results []offline.CommitResult) {
	audited := offlinetest.Audit(t, b, offlinetest.Spec())
	states := make([]coverage, len(audited.Commits)) // after each version
	before := coverage{}
	for version, made := range audited.Commits {
		i := slices.IndexFunc(commits, func(c offline.Commit) bool { return c.ID == made.ID })
		if i >= 0 {
			_, wins := judge(before, commits[i])
			require.Equal(t, wins, made.Windows, "B2: windows that version %d covers", version)
		}
		states[version] = maps.Clone(before)
		maps.Copy(states[version], made.Windows)
		before = states[version]
	}
	for i, c := range commits {
		seen := results[i].Version
		if audited.Commits[seen].ID == c.ID {
			seen--
		}
		outcomes, _ := judge(states[seen], c)
		require.Equal(t, outcomes, results[i].Outcomes, "of commit %s", c.ID)
	}
	require.Equal(t, w.rowsLeft(audited, commits), audited.Rows, "B2: a covered window has the rows of the build that won; B8: without those of erased keys")
}

// rowsLeft returns the rows of the builds that won, without those of users that were
// erased after a build, or after its fence.
func (w *world) rowsLeft(audited offlinetest.Audited, commits []offline.Commit) []offlinetest.Row {
	var users []string                 // by fence
	lost := map[window.Time][]string{} // users, by the start of the window
	for _, made := range audited.Commits {
		if user, erases := w.erased[made.ID]; erases {
			users = append(users, user)
			for start := range audited.ReadAt {
				lost[start] = append(lost[start], user)
			}
		}
		for start := range made.Windows {
			lost[start] = nil
			for _, c := range commits {
				for _, b := range c.Builds {
					if c.ID == made.ID && b.Window.Start == start {
						lost[start] = slices.Clone(users[b.Fence:])
					}
				}
			}
		}
	}
	var out []offlinetest.Row
	for _, r := range w.rowsOf(audited.ReadAt) {
		if !slices.Contains(lost[r.At.Floor(offlinetest.Spec().Step)], r.User) {
			out = append(out, r)
		}
	}
	return out
}

// judge says what the contract says of a commit to a table of that coverage: the
// outcomes, and what becomes covered. Builds of one window and ReadAt are the same.
func judge(covered coverage, c offline.Commit) (outcomes []offline.Outcome, wins coverage) {
	outcomes, wins = []offline.Outcome{}, coverage{}
	for _, b := range c.Builds {
		at, there := covered[b.Window.Start]
		switch {
		case !there, at < b.ReadAt && c.Overwrite:
			outcomes = append(outcomes, offline.Committed)
			wins[b.Window.Start] = b.ReadAt
		case at == b.ReadAt:
			outcomes = append(outcomes, offline.Committed)
		case !c.Overwrite:
			outcomes = append(outcomes, offline.Done)
		default:
			outcomes = append(outcomes, offline.Superseded)
		}
	}
	return outcomes, wins
}
