package materialize_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// model tells what an online store must hold, from the rows of the offline files
// alone.
type model struct {
	t      testing.TB
	target *materialize.Target
	table  offline.Table

	mu    sync.Mutex
	tiles map[string][]tile          // by file
	cells map[int64]map[tileID]block // by version
}

// block is what a cell says: the states of its tiles. It is named by a tileID whose
// start is the block's.
type block map[blockTile]string

type blockTile struct {
	second string // encoded secondary key; empty without one
	index  uint32
}

func newModel(s *scene) *model {
	return &model{
		t: s.t, target: s.target, table: s.table,
		tiles: map[string][]tile{}, cells: map[int64]map[tileID]block{},
	}
}

// at returns the cells of a store that follows the log up to a version.
func (m *model) at(version int64) map[tileID]block {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cells, ok := m.cells[version]; ok {
		return cells
	}
	covered := m.covered(version)
	cells := map[tileID]block{}
	for _, f := range m.live(version) {
		for _, tile := range m.read(f) {
			if !covered.Contains(tile.start) {
				continue
			}
			id, index := m.place(tile.tileID)
			if cells[id] == nil {
				cells[id] = block{}
			}
			at := blockTile{tile.second, index}
			require.NotContains(m.t, cells[id], at, "two live rows of one tile")
			cells[id][at] = tile.state
		}
	}
	m.cells[version] = cells
	return cells
}

// live returns the files of a snapshot.
func (m *model) live(version int64) map[string]offline.File {
	files := map[string]offline.File{}
	for _, c := range m.changes(version) {
		for _, f := range c.Removed {
			delete(files, f.Path)
		}
		for _, f := range c.Added {
			files[f.Path] = f
		}
	}
	return files
}

// coverage is the union of intervals.
type coverage window.Set

func (c coverage) Contains(at window.Time) bool {
	return slices.ContainsFunc(c, func(i window.Interval) bool { return i.Contains(at) })
}

// covered is what the store claims when it follows the log up to a version: a
// window that a commit with online=true made visible.
func (m *model) covered(version int64) coverage {
	if m.target.View.Ingested {
		return coverage{window.Between(nil, nil)}
	}
	var out []window.Interval
	for _, c := range m.changes(version) {
		if c.Online {
			out = append(out, c.Windows...)
		}
	}
	return coverage(window.NewSet(out...))
}

func (m *model) changes(version int64) []offline.Change {
	changes, err := m.table.Changes(m.t.Context(), 0, version)
	require.NoError(m.t, err)
	return changes
}

func (m *model) read(f offline.File) []tile {
	if _, ok := m.tiles[f.Path]; !ok {
		m.tiles[f.Path] = readTiles(m.t, m.target, m.table, f)
	}
	return m.tiles[f.Path]
}

func (m *model) place(id tileID) (cell tileID, index uint32) {
	interval := m.target.View.Interval()
	length := window.Time(m.target.View.BlockLength().Microseconds())
	start := (id.start / length) * length // all tests are after 1970
	return tileID{id.key, start}, uint32(int64(id.start-start) / interval.Microseconds())
}

// lastTouched returns, for each cell, the last version up to the given one whose
// files, added or removed, have a row in it that the store covers then.
func (m *model) lastTouched(version int64) map[tileID]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	covered := m.covered(version)
	out := map[tileID]int64{}
	for _, c := range m.changes(version) {
		before := m.covered(c.Version)
		if !slices.ContainsFunc(c.Windows, func(w window.Interval) bool { return before.Contains(w.Start) }) {
			continue
		}
		for _, f := range slices.Concat(c.Added, c.Removed) {
			for _, tile := range m.read(f) {
				if covered.Contains(tile.start) {
					id, _ := m.place(tile.tileID)
					out[id] = c.Version
				}
			}
		}
	}
	return out
}

// stored is a cell of the online store.
type stored struct {
	version uint64
	block   block // nil: a tombstone
}

func readCells(t testing.TB, store online.Store, name string) map[tileID]stored {
	out := map[tileID]stored{}
	for item, err := range store.Scan(t.Context(), name) {
		require.NoError(t, err)
		require.Equal(t, online.KindTile, item.Key.Kind)
		id := tileID{string(item.Key.Entity), item.Key.Block}
		if item.Cell.Tombstone {
			require.Empty(t, item.Cell.Value)
			out[id] = stored{version: item.Cell.Version}
			continue
		}
		out[id] = stored{item.Cell.Version, decodeBlock(t, item.Cell.Value)}
	}
	return out
}

// decodeBlock reads a cell by its version.
func decodeBlock(t testing.TB, value []byte) block {
	b := block{}
	add := func(second string, tiles []byte) {
		for tile, err := range online.Tiles(tiles) {
			require.NoError(t, err)
			b[blockTile{second, tile.Index}] = string(tile.State)
		}
	}
	if value[0] == 1 {
		add("", value)
		return b
	}
	for k, err := range online.TilesByKey(value) {
		require.NoError(t, err)
		add(string(k.Key), k.Tiles)
	}
	return b
}

// check requires that the store holds at this moment what its status says: no
// cell lags behind, though cells may be ahead.
func (m *model) check(store online.Store) {
	status, _, ok, err := online.ReadStatus(m.t.Context(), store, m.target.Store())
	require.NoError(m.t, err)
	if !ok {
		return
	}
	m.checkStatus(status)
	cells := readCells(m.t, store, m.target.CellStore(status.Epoch))
	want := m.at(status.Applied)
	for id, block := range want {
		cell, ok := cells[id]
		require.True(m.t, ok, "cell %x is missing at version %d", id, status.Applied)
		if cell.version <= uint64(status.Applied) {
			require.Equal(m.t, block, cell.block, "cell %x of version %d at version %d", id, cell.version, status.Applied)
		}
	}
	for id, cell := range cells {
		if cell.version <= uint64(status.Applied) {
			require.Equal(m.t, want[id], cell.block, "cell %x of version %d at version %d", id, cell.version, status.Applied)
		}
	}
}

func (m *model) checkStatus(status online.Status) {
	if m.target.View.Ingested && len(status.Covered) == 0 {
		require.Zero(m.t, status.Applied, "nothing was applied yet")
		return
	}
	require.Equal(m.t, window.Set(m.covered(status.Applied)), status.Covered)
	edge, ok := m.naiveWatermark(status.Covered)
	if !ok {
		require.Nil(m.t, status.Watermark)
		return
	}
	require.NotNil(m.t, status.Watermark)
	require.Equal(m.t, edge, *status.Watermark)
}

// naiveWatermark tries the ends of all windows, latest first. A feature table has none,
// and can be read at any time.
func (m *model) naiveWatermark(covered window.Set) (window.Time, bool) {
	view := m.target.View
	if view.Ingested {
		return window.MaxTime, true
	}
	step := window.Time(view.Schedule().Microseconds())
	for edge := start.Add(400 * day).Floor(view.Schedule()); edge > 0 && len(covered) > 0; edge -= step {
		from := edge - step
		for _, a := range view.Aggregations {
			from = min(from, a.TimeWindow.Intervals(edge, view.LifetimeStartTime)[0].Start)
		}
		if covered.Covers(window.Interval{Start: from, End: edge}) {
			return edge, true
		}
		if edge < covered[0].Start {
			break
		}
	}
	return 0, false
}

// checkSettled requires that the store equals the log's head, with tombstones
// where cells were, and returns its cells.
func (m *model) checkSettled(s *scene, before map[tileID]bool) {
	m.check(s.engine.Online)
	require.Len(m.t, s.snapshot().Files, len(m.live(s.snapshot().Version)))
	status, ok := s.status()
	require.True(m.t, ok)
	require.Equal(m.t, s.snapshot().Version, status.Applied)
	cells := readCells(m.t, s.engine.Online, m.target.CellStore(status.Epoch))
	touched := m.lastTouched(status.Applied)
	want := m.at(status.Applied)
	for id := range before {
		_, ok := cells[id]
		require.True(m.t, ok, "cell %x was dropped, not tombstoned", id)
	}
	for id, cell := range cells {
		before[id] = true
		require.Equal(m.t, want[id], cell.block)
		require.LessOrEqual(m.t, cell.version, uint64(status.Applied))
		require.GreaterOrEqual(m.t, cell.version, uint64(touched[id]))
		require.Positive(m.t, touched[id], "cell %x was never asked for", id)
	}
}
