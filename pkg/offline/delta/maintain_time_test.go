package delta_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
	"github.com/tilery/tilery/pkg/window"
)

// Intervals of a table that lives fast: a week is four seconds.
var hurried = delta.Options{Retention: 4 * time.Second, SnapshotAge: 200 * time.Millisecond, ShortRetention: true}

const hurriedLog = 4 * time.Second // that is kept

// busy is a table with all that can happen to it at once.
type busy struct {
	guard   *guard
	archive *archive
	reads   atomic.Int64 // numbers what is read: the ReadAt of builds
	calls   atomic.Int64

	mu      sync.Mutex
	winners coverage // latest ReadAt that was reported as committed
	stale   int
	done    map[string]int // of maintenance, what it did
}

func (b *busy) id() string { return fmt.Sprint("call ", b.calls.Add(1)) }

func (b *busy) open(ctx context.Context) (offline.Table, error) {
	return delta.New(b.archive, hurried).Open(ctx, offlinetest.Spec())
}

// until calls do again and again until stop ends.
func until(ctx, stop context.Context, do func() error) error {
	for stop.Err() == nil {
		if err := do(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// write builds and commits windows. Now and then it stands still in between, for
// longer than a build may.
func (b *busy) write(ctx, stop context.Context, random *rand.Rand) error {
	table, err := b.open(ctx)
	if err != nil {
		return err
	}
	return until(ctx, stop, func() error {
		began := time.Now()
		c := offline.Commit{ID: b.id(), Overwrite: random.IntN(3) > 0}
		for _, n := range drawHours(random) {
			id := offlinetest.ID{Window: hour(n), ReadAt: readAt(int(b.reads.Add(1)))}
			build, err := offlinetest.Write(ctx, table, id.Window, id.ReadAt, offlinetest.RowsFor(id))
			if err != nil {
				return err
			}
			c.Builds = append(c.Builds, build)
		}
		pause := time.Duration(random.IntN(50)) * time.Millisecond
		if random.IntN(20) == 0 {
			pause = hurried.Retention / 3
		}
		standStill(ctx, pause)
		return b.commit(ctx, table, c, began)
	})
}

// drawHours returns one to three hours. Most are of the second of two days: a
// compaction needs files that stay for a while.
func drawHours(random *rand.Rand) []int {
	first := 12 // midnight
	if random.IntN(8) > 0 {
		first += 48
	}
	hours := random.Perm(24)[:1+random.IntN(3)]
	for i := range hours {
		hours[i] += first
	}
	return hours
}

func standStill(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (b *busy) commit(ctx context.Context, table offline.Table, c offline.Commit, began time.Time) error {
	result, err := table.Commit(ctx, c)
	for errors.Is(err, offline.ErrConflict) {
		result, err = table.Commit(ctx, c)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, offline.ErrStale) && time.Since(began) >= hurried.Retention/4 {
		b.stale++
		return nil
	}
	if err != nil {
		return err
	}
	for i, o := range result.Outcomes {
		if start := c.Builds[i].Window.Start; o == offline.Committed {
			b.winners[start] = max(b.winners[start], c.Builds[i].ReadAt)
		}
	}
	return nil
}

// read reads all files of a snapshot, sometimes slowly.
func (b *busy) read(ctx, stop context.Context, random *rand.Rand) error {
	table, err := b.open(ctx)
	if err != nil {
		return err
	}
	return until(ctx, stop, func() error {
		since := time.Now()
		s, err := table.Snapshot(ctx)
		if err != nil {
			return err
		}
		defer b.guard.hold(s.Files, since)()
		if random.IntN(4) == 0 {
			standStill(ctx, hurried.Retention/2)
		}
		rows, err := offlinetest.ReadRows(ctx, table, s.Files)
		if time.Since(since) >= hurried.Retention {
			return nil // too slow to be promised anything
		}
		if err != nil {
			return err
		}
		return requireRows(s.ReadAt, rows)
	})
}

func requireRows(covered coverage, rows []offlinetest.Row) error {
	w := &world{rows: map[content][]offlinetest.Row{}}
	for start, at := range covered {
		id := offlinetest.ID{Window: window.Interval{Start: start, End: start.Add(time.Hour)}, ReadAt: at}
		w.rows[content{start, at}] = offlinetest.RowsFor(id)
	}
	want, err := json.Marshal(w.rowsOf(covered))
	if err != nil {
		return err
	}
	got, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	if string(got) != string(want) {
		return fmt.Errorf("rows are\n%s\nwant\n%s", got, want)
	}
	return nil
}

// maintain does all kinds of maintenance in turn.
func (b *busy) maintain(ctx, stop context.Context) error {
	table, err := b.open(ctx)
	if err != nil {
		return err
	}
	return until(ctx, stop, func() error {
		compacted, err := table.Compact(ctx, offline.CompactRequest{ID: b.id(), MinFiles: 4, MaxBytes: 10_000})
		if err != nil && !errors.Is(err, offline.ErrConflict) {
			return err
		}
		checkpoint, err := table.Checkpoint(ctx, 10)
		if err != nil {
			return err
		}
		cleaned, err := table.CleanLog(ctx, hurriedLog)
		if err != nil {
			return err
		}
		vacuumed, err := table.Vacuum(ctx, offline.VacuumRequest{ID: b.id()})
		if err != nil && !errors.Is(err, offline.ErrConflict) {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.done["compacted"] += compacted.Removed
		b.done["checkpoint"] = int(max(checkpoint, 0))
		b.done["cleaned"] += cleaned.Deleted
		b.done["vacuumed"] += vacuumed.Files
		return nil
	})
}

// settled reports whether every kind of maintenance did something.
func (b *busy) settled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done["compacted"] > 0 && b.done["checkpoint"] > 0 && b.done["cleaned"] > 0 && b.done["vacuumed"] > 0
}

func TestMaintenanceBesideWritersAndReadersLosesNothing(t *testing.T) {
	t.Parallel()
	const writers, readers, atLeast, atMost = 8, 4, 8 * time.Second, 3 * time.Minute
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	b := &busy{guard: newGuard(newBucket(t)), winners: coverage{}, done: map[string]int{}}
	b.archive = newArchive(b.guard)
	stop, end := context.WithCancel(t.Context())
	defer end()
	group, ctx := errgroup.WithContext(t.Context())
	for i := range writers {
		group.Go(func() error { return b.write(ctx, stop, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	for i := range readers {
		group.Go(func() error { return b.read(ctx, stop, rand.New(rand.NewPCG(seed, uint64(writers+i)))) })
	}
	group.Go(func() error { return b.maintain(ctx, stop) })
	for began := time.Now(); ctx.Err() == nil && time.Since(began) < atMost; {
		if time.Since(began) >= atLeast && b.settled() {
			break
		}
		standStill(ctx, 100*time.Millisecond)
	}
	end()
	require.NoError(t, group.Wait())
	require.Empty(t, b.guard.wrong)
	require.True(t, b.settled(), "%v", b.done)

	audited := offlinetest.Audit(t, b.archive.whole(t), offlinetest.Spec())
	require.Equal(t, b.winners, audited.ReadAt)
	require.NoError(t, requireRows(audited.ReadAt, audited.Rows))
	t.Logf("%d versions, %d live files, %d stale commits, %v", audited.Version, len(audited.Paths), b.stale, b.done)
}
