package materialize_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/window"
)

// upkept is a scene whose offline table is maintained, by a clock of its own.
type upkept struct {
	*scene
	ahead   atomic.Int64 // of the machine's clock
	options delta.Options
	book    *logbook
}

func newUpkept(t *testing.T, view feature.View, events *[]event) *upkept {
	t.Helper()
	u := &upkept{scene: newMemoryScene(t, view, events)}
	u.options = delta.Options{ScratchDir: t.TempDir(), RowGroupRows: 1000, Now: func() time.Time {
		return time.Now().Round(0).Add(time.Duration(u.ahead.Load()))
	}}
	u.engine.Offline = delta.New(u.bucket, u.options)
	var err error
	u.table, err = u.engine.Table(t.Context(), u.target, start)
	require.NoError(t, err)
	u.book = &logbook{scene: u.scene, rows: map[string][]storedRow{}}
	return u
}

// tidy compacts the table and forgets its history: nothing before the head can be
// asked for, and no file is there that the head does not name.
func (u *upkept) tidy() {
	u.t.Helper()
	ctx := u.t.Context()
	u.ids++
	id := fmt.Sprint("maintenance-", u.ids)
	_, err := u.table.Compact(ctx, offline.CompactRequest{ID: id, MinFiles: 2})
	require.NoError(u.t, err)
	u.book.note()
	_, err = u.table.Checkpoint(ctx, 1)
	require.NoError(u.t, err)
	u.ahead.Add(int64(8 * day))
	_, err = u.table.CleanLog(ctx, 7*day)
	require.NoError(u.t, err)
	_, err = u.table.Vacuum(ctx, offline.VacuumRequest{ID: id + "-vacuum"})
	require.NoError(u.t, err)
	u.book.note()
}

// overwrite commits windows of half a day and notes what the log says.
func (u *upkept) overwrite(followed bool, halves ...int) {
	u.t.Helper()
	var builds []offline.Build
	for _, n := range halves {
		builds = append(builds, u.build(span(time.Duration(n)*12*hour, time.Duration(n+1)*12*hour)))
	}
	u.commit(true, followed, builds...)
	u.book.note()
}

// logbook knows each version of the table, however much of the log is gone.
type logbook struct {
	*scene
	mu      sync.Mutex
	changes []offline.Change
	rows    map[string][]storedRow // by file; of a tile table its tiles, without a sequence
}

// note reads the versions that came since.
func (b *logbook) note() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	head := b.snapshot().Version
	changes, err := b.table.Changes(b.t.Context(), int64(len(b.changes)), head)
	require.NoError(b.t, err)
	for _, c := range changes {
		for _, f := range c.Added {
			b.rows[f.Path] = b.read(f)
		}
	}
	b.changes = append(b.changes, changes...)
	require.Len(b.t, b.changes, int(head))
}

func (b *logbook) read(f offline.File) (out []storedRow) {
	if !b.target.View.Aggregated() {
		return readRows(b.t, b.target.View, b.table, f)
	}
	for _, tile := range readTiles(b.t, b.target, b.table, f) {
		out = append(out, storedRow{key: tile.key, at: tile.start, values: tile.state})
	}
	return out
}

// want returns what a store must hold that follows the log up to a version and covers
// some time: tiles, or of each key the latest row. Sequences are left out: compaction
// changes them.
func (b *logbook) want(version int64, covered window.Set) map[storedRow]bool {
	live := map[string]bool{}
	for _, c := range b.changes[:version] {
		for _, f := range c.Removed {
			delete(live, f.Path)
		}
		for _, f := range c.Added {
			live[f.Path] = true
		}
	}
	latest, out := map[string]storedRow{}, map[storedRow]bool{}
	for path := range live {
		for _, row := range b.rows[path] {
			row.seq = 0
			if !coverage(covered).Contains(row.at) {
				continue
			}
			out[row] = true
			if known, ok := latest[row.key]; !ok || compareRows(row, known) > 0 {
				latest[row.key] = row
			}
		}
	}
	if b.target.View.Aggregated() {
		return out
	}
	out = map[storedRow]bool{}
	for _, row := range latest {
		out[row] = true
	}
	return out
}

// has returns what the cells of a status hold, of cells that are not ahead of it, and
// the keys of those that are.
func (b *logbook) has(store online.Store, status online.Status) (rows map[storedRow]bool, ahead map[tileID]bool) {
	rows, ahead = map[storedRow]bool{}, map[tileID]bool{}
	name, applied := b.target.CellStore(status.Epoch), uint64(status.Applied)
	if !b.target.View.Aggregated() {
		for key, cell := range readRowCells(b.t, store, name) {
			switch {
			case cell.version > applied:
				ahead[tileID{key: key}] = true
			case cell.row != nil:
				row := *cell.row
				row.seq = 0
				rows[row] = true
			}
		}
		return rows, ahead
	}
	for id, cell := range readCells(b.t, store, name) {
		if cell.version > applied {
			ahead[id] = true
			continue
		}
		for at, state := range cell.block {
			begin := id.start.Add(time.Duration(at.index) * b.target.View.Interval())
			rows[storedRow{key: id.key, at: begin, values: state}] = true
		}
	}
	return rows, ahead
}

// check requires that the store holds at this moment what its status says, except
// where a cell is ahead of it.
func (b *logbook) check(store online.Store) {
	b.mu.Lock()
	defer b.mu.Unlock()
	status, _, ok, err := online.ReadStatus(b.t.Context(), store, b.target.Store())
	require.NoError(b.t, err)
	if !ok {
		return
	}
	has, ahead := b.has(store, status)
	want := b.want(status.Applied, status.Covered)
	maps.DeleteFunc(want, func(row storedRow, _ bool) bool {
		if !b.target.View.Aggregated() {
			return ahead[tileID{key: row.key}]
		}
		return ahead[tileID{row.key, row.at.Floor(b.target.View.BlockLength())}]
	})
	require.Equal(b.t, want, has, "version %d of epoch %s", status.Applied, status.Epoch)
}

func (b *logbook) checkSettled(*scene, map[tileID]bool) { b.check(b.engine.Online) }

// views of rows and of tiles, whose windows need two days.
func anewViews() map[string]feature.View {
	rows := newRowView(12 * hour)
	rows.TTL = feature.Duration(2 * day)
	return map[string]feature.View{"tiles": newView(hour, 12*hour, 2*day), "rows": rows}
}

func TestAStoreWhoseHistoryIsGoneIsFilledAnewB5(t *testing.T) {
	t.Parallel()
	for name, view := range anewViews() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := randomEvents(seeded(1), 60, span(0, 4*day))
			u := newUpkept(t, view, &events)
			u.overwrite(true, 0, 1, 2, 3, 4, 5)
			first := u.apply().Status
			events = randomEvents(seeded(2), 60, span(0, 4*day))
			u.overwrite(true, 1, 2, 3, 6, 7)
			u.tidy()

			result := u.apply()
			u.book.check(u.engine.Online)
			require.Equal(t, u.snapshot().Version, result.Version)
			require.NotEqual(t, first.Epoch, result.Status.Epoch)
			require.Equal(t, window.NewSet(span(0, 4*day)), result.Status.Covered, "what was covered, and what serving needs")
			require.Equal(t, first.Epoch, result.Status.Replaced[0].Epoch)

			old := u.target.CellStore(first.Epoch)
			require.Zero(t, u.dropCells(false))
			u.ageReplaced(23 * hour)
			require.Zero(t, u.dropCells(false), "a reader may be in the middle")
			u.ageReplaced(2 * hour)
			require.Equal(t, int64(1), u.dropCells(true))
			require.NotEmpty(t, cellsOf(t, u.engine.Online, old))
			require.Equal(t, int64(1), u.dropCells(false))
			require.Empty(t, cellsOf(t, u.engine.Online, old))
			u.book.check(u.engine.Online)
			require.Zero(t, u.apply().Cells, "the store is settled")

			events = randomEvents(seeded(3), 60, span(0, 4*day))
			u.overwrite(true, 2, 7)
			followed := u.apply().Status
			require.Equal(t, result.Status.Epoch, followed.Epoch)
			require.Empty(t, followed.Replaced)
			u.book.check(u.engine.Online)
		})
	}
}

func (u *upkept) dropCells(dryRun bool) int64 {
	u.t.Helper()
	dropped, err := u.engine.DropCells(u.t.Context(), u.target, materialize.MaintainRequest{DryRun: dryRun})
	require.NoError(u.t, err)
	return dropped.Removed
}

// ageReplaced makes the replaced fillings older.
func (u *upkept) ageReplaced(by time.Duration) {
	u.t.Helper()
	status, version, ok, err := online.ReadStatus(u.t.Context(), u.engine.Online, u.target.Store())
	require.NoError(u.t, err)
	if !ok {
		return
	}
	status.Replaced = slices.Clone(status.Replaced)
	for i := range status.Replaced {
		status.Replaced[i].At = status.Replaced[i].At.Add(-by)
	}
	_, err = online.WriteStatus(u.t.Context(), u.engine.Online, u.target.Store(), status, version)
	require.NoError(u.t, err)
}

func cellsOf(t *testing.T, store online.Store, name string) map[string]online.Cell {
	out := map[string]online.Cell{}
	for item, err := range store.Scan(t.Context(), name) {
		require.NoError(t, err)
		out[fmt.Sprint(item.Key)] = item.Cell
	}
	return out
}

func TestANewStoreOfATableWithoutHistoryGetsWhatServingNeedsB5(t *testing.T) {
	t.Parallel()
	for name, view := range anewViews() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := randomEvents(seeded(1), 60, span(0, 4*day))
			u := newUpkept(t, view, &events)
			u.overwrite(true, 0, 1, 2, 3, 4, 5, 6, 7)
			u.tidy()
			status := u.apply().Status
			require.Equal(t, window.NewSet(span(2*day, 4*day)), status.Covered)
			u.book.check(u.engine.Online)
		})
	}
}

// The old filling is read until the new one is whole, wherever an applier is killed;
// the next one goes on with it.
func TestAFillingThatWasBegunIsGoneOnWithB5(t *testing.T) {
	t.Parallel()
	for name, view := range anewViews() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := randomEvents(seeded(1), 60, span(0, 4*day))
			u := newUpkept(t, view, &events)
			u.overwrite(true, 0, 1, 2, 3, 4, 5, 6, 7)
			first := u.apply().Status
			events = randomEvents(seeded(2), 60, span(0, 4*day))
			u.overwrite(true, 2, 3)
			u.tidy()

			begun := ""
			for call := 2; begun == "" || begun == u.current(); call++ {
				left := call
				store := onlinetest.Faulty{Store: watchedStore{u.engine.Online, u.book}, Hook: func(op string) onlinetest.Fault {
					if op != "write" {
						return onlinetest.None
					}
					if left--; left == 0 {
						return onlinetest.After
					}
					return onlinetest.None
				}}
				_, err := u.with(store).Apply(t.Context(), u.target, u.table, nil)
				u.book.check(u.engine.Online)
				if err == nil {
					break
				}
				require.ErrorIs(t, err, onlinetest.ErrInjected)
				status, _ := u.status()
				require.Equal(t, first.Epoch, status.Epoch)
				if begun == "" {
					begun = status.Next.Epoch
				}
				require.Equal(t, begun, status.Next.Epoch, "the same filling goes on")
				events = randomEvents(seeded(uint64(call)), 60, span(0, 4*day))
				u.overwrite(true, 2+call%6) // keys vanish that it has written already
			}
			u.apply()
			require.Equal(t, begun, u.current())
			u.book.check(u.engine.Online)
		})
	}
}

func (u *upkept) current() string {
	status, _ := u.status()
	return status.Epoch
}

// TestRandomHistoriesWithMaintenanceB5 has appliers crash, wait and come back while
// the table is compacted, its log cleaned and its files vacuumed.
func TestRandomHistoriesWithMaintenanceB5(t *testing.T) {
	t.Parallel()
	for name, view := range anewViews() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(name, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				r, events := seeded(seed), []event{}
				u := newUpkept(t, view, &events)
				watched := watchedStore{u.engine.Online, u.book}
				var waiting []*parked
				epochs := map[string]bool{}
				for range 50 {
					switch r.IntN(9) {
					case 0, 1, 2:
						events = randomEvents(r, 10+r.IntN(50), span(0, 4*day))
						u.overwrite(r.IntN(3) > 0, r.IntN(4), 4+r.IntN(4))
					case 3:
						u.apply()
					case 4:
						if p := startParked(u.scene, watched, 1+r.IntN(4)); p != nil {
							waiting = append(waiting, p)
						}
					case 5:
						if len(waiting) > 0 {
							require.NoError(t, waiting[0].resume())
							waiting = waiting[1:]
						}
					case 6:
						u.tidy()
					case 7:
						store := onlinetest.Faulty{Store: watched, Hook: func(string) onlinetest.Fault {
							return []onlinetest.Fault{onlinetest.None, onlinetest.None, onlinetest.None, onlinetest.Before, onlinetest.After}[r.IntN(5)]
						}}
						_, _ = u.with(store).Apply(t.Context(), u.target, u.table, nil) // its failure is the point
					case 8:
						u.ageReplaced(25 * hour)
						u.dropCells(false)
					}
					u.book.check(u.engine.Online)
					epochs[u.current()] = true
				}
				for _, p := range waiting {
					require.NoError(t, p.resume())
				}
				require.Equal(t, u.snapshot().Version, u.apply().Version)
				u.book.check(u.engine.Online)
				require.Greater(t, len(epochs), 2, "history was never gone")
			})
		}
	}
}
