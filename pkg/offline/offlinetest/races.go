package offlinetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

const (
	racers       = 8
	raceHandles  = 3
	raceWindows  = 6
	raceCommits  = 8 // of each racer
	raceReaders  = 2
	raceMaxBuild = 3
)

// testRaces lets racers commit overlapping and disjoint windows, appending and
// replacing, while readers read. Every read must be one whole build per window.
func testRaces(t *testing.T, d Driver) {
	s := newScene(t, d)
	handles := make([]offline.Table, raceHandles)
	for i := range handles {
		handles[i] = s.open()
	}
	var mu sync.Mutex
	winners := map[window.Time]window.Time{} // latest ReadAt that was reported as committed

	readersCtx, stop := context.WithCancel(t.Context())
	var readers, writers errgroup.Group
	for i := range raceReaders {
		readers.Go(func() error {
			for readersCtx.Err() == nil {
				if err := readConsistently(t.Context(), handles[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for r := range racers {
		writers.Go(func() error {
			return race(t.Context(), handles[r%raceHandles], r, func(b offline.Build, o offline.Outcome) {
				mu.Lock()
				defer mu.Unlock()
				if o == offline.Committed {
					winners[b.Window.Start] = max(winners[b.Window.Start], b.ReadAt)
				}
			})
		})
	}
	require.NoError(t, writers.Wait())
	stop()
	require.NoError(t, readers.Wait())

	audited := Audit(t, s.bucket, s.spec)
	require.Equal(t, winners, audited.ReadAt, "B2: coverage is what was reported")
	require.NoError(t, checkRows(audited.ReadAt, audited.Rows), "B2")
}

func race(ctx context.Context, table offline.Table, racer int, report func(offline.Build, offline.Outcome)) error {
	random := rand.New(rand.NewPCG(1, uint64(racer)))
	for n := range raceCommits {
		c := offline.Commit{ID: fmt.Sprintf("racer-%d-%d", racer, n), Overwrite: random.IntN(2) == 0}
		for _, w := range random.Perm(raceWindows)[:1+random.IntN(raceMaxBuild)] {
			// No two racers read at the same instant, and later rounds may read earlier.
			b := id(w, (racer+1)+racers*random.IntN(100))
			build, err := Write(ctx, table, b.Window, b.ReadAt, RowsFor(b))
			if err != nil {
				return err
			}
			c.Builds = append(c.Builds, build)
		}
		result, err := table.Commit(ctx, c)
		if err != nil {
			return err
		}
		for i, o := range result.Outcomes {
			report(c.Builds[i], o)
		}
	}
	return nil
}

func readConsistently(ctx context.Context, table offline.Table) error {
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return err
	}
	rows, err := ReadRows(ctx, table, snapshot.Files)
	if err != nil {
		return err
	}
	if err := checkRows(snapshot.ReadAt, rows); err != nil {
		return fmt.Errorf("version %d: %w", snapshot.Version, err)
	}
	_, err = table.Changes(ctx, 0, snapshot.Version)
	return err
}

// checkRows compares rows with those of the builds that the coverage names.
func checkRows(readAt map[window.Time]window.Time, rows []Row) error {
	var want []Row
	for start, at := range readAt {
		want = append(want, RowsFor(ID{Window: window.Interval{Start: start, End: start.Add(Spec().Step)}, ReadAt: at})...)
	}
	sortRows(want)
	if got, want := fmt.Sprint(plain(rows)), fmt.Sprint(plain(want)); got != want {
		return fmt.Errorf("rows are\n%s\nwant\n%s", got, want)
	}
	return nil
}

// plain returns rows in a form that prints alike when it is alike.
func plain(rows []Row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		amount := "null"
		if r.Amount != nil {
			amount = fmt.Sprint(*r.Amount)
		}
		out[i] = fmt.Sprintf("%s|%d|%v|%d|%s|%x|%q", r.User, r.Item, r.At, r.N, amount, r.Rest, r.Tags)
	}
	return out
}
