package materialize_test

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// newRowView is newView without aggregations: n, amount and label are features.
func newRowView(schedule time.Duration) feature.View {
	v := newView(hour, schedule)
	v.AggregationInterval, v.Aggregations = 0, nil
	return v
}

// storedRow is a row of a file or a cell.
type storedRow struct {
	key    string
	at     window.Time
	seq    int64
	values string // encoded
}

func compareRows(a, b storedRow) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq), cmp.Compare(a.values, b.values))
}

// readRows returns the rows of a file in order.
func readRows(t testing.TB, view feature.View, table offline.Table, f offline.File) []storedRow {
	t.Helper()
	reader, err := table.OpenFile(t.Context(), f)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	keys := view.JoinKeys()
	features, err := view.Features()
	require.NoError(t, err)
	var out []storedRow
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		key, err := record.NewKeyEncoder(keys, rec.Columns()[:len(keys)])
		require.NoError(t, err)
		values, err := record.NewRowEncoder(features, rec.Columns()[len(keys)+1:len(keys)+1+len(features)])
		require.NoError(t, err)
		times := rec.Column(len(keys)).(*array.Timestamp).TimestampValues()
		for row, at := range times {
			seq := f.Seq
			if view.Ingested {
				seq = rec.Column(int(rec.NumCols()) - 1).(*array.Int64).Value(row)
			}
			out = append(out, storedRow{string(key.Append(nil, row)), window.Time(at), seq, string(values.Append(nil, row))})
		}
	}
}

// rowModel tells what an online store of latest rows must hold, from the rows of
// the offline files alone.
type rowModel struct {
	*model
	mu    sync.Mutex
	rows  map[string][]storedRow         // by file
	cells map[int64]map[string]storedRow // by version and key
}

func newRowModel(s *scene) *rowModel {
	return &rowModel{model: newModel(s), rows: map[string][]storedRow{}, cells: map[int64]map[string]storedRow{}}
}

// at returns the latest rows of a store that follows the log up to a version.
func (m *rowModel) at(version int64) map[string]storedRow {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cells, ok := m.cells[version]; ok {
		return cells
	}
	covered := m.covered(version)
	cells := map[string]storedRow{}
	for _, f := range m.live(version) {
		if _, ok := m.rows[f.Path]; !ok {
			m.rows[f.Path] = readRows(m.t, m.target.View, m.table, f)
		}
		for _, row := range m.rows[f.Path] {
			if !m.target.View.Ingested {
				row.seq = 0 // who rewrites files changes it, and it decides nothing: rows of one time lie in one file
			}
			latest, ok := cells[row.key]
			if covered.Contains(row.at) && (!ok || compareRows(row, latest) > 0) {
				cells[row.key] = row
			}
		}
	}
	m.cells[version] = cells
	return cells
}

// rowCell is a cell of the online store; no row is a tombstone.
type rowCell struct {
	version uint64
	row     *storedRow
}

func readRowCells(t testing.TB, store online.Store, name string) map[string]rowCell {
	out := map[string]rowCell{}
	for item, err := range store.Scan(t.Context(), name) {
		require.NoError(t, err)
		require.Equal(t, online.KindRow, item.Key.Kind)
		require.Empty(t, item.Key.Writer)
		key := string(item.Key.Entity)
		out[key] = rowCell{version: item.Cell.Version}
		if item.Cell.Tombstone {
			require.Empty(t, item.Cell.Value)
			continue
		}
		row, err := online.DecodeRow(item.Cell.Value)
		require.NoError(t, err)
		out[key] = rowCell{item.Cell.Version, &storedRow{key, row.Time, row.Seq, string(row.Values)}}
	}
	return out
}

// check requires that no cell lags behind the status, though some may be ahead.
func (m *rowModel) check(store online.Store) {
	status, _, ok, err := online.ReadStatus(m.t.Context(), store, m.target.Store())
	require.NoError(m.t, err)
	if !ok {
		return
	}
	m.checkStatus(status)
	want := m.at(status.Applied)
	cells := readRowCells(m.t, store, m.target.CellStore(status.Epoch))
	for key, row := range want {
		cell, ok := cells[key]
		require.True(m.t, ok, "row of %x is missing at version %d", key, status.Applied)
		if cell.version <= uint64(status.Applied) {
			if cell.row != nil && !m.target.View.Ingested {
				cell.row.seq = 0
			}
			require.Equal(m.t, &row, cell.row, "cell of version %d at version %d", cell.version, status.Applied)
		}
	}
	for key, cell := range cells {
		if _, ok := want[key]; !ok && cell.version <= uint64(status.Applied) {
			require.Nil(m.t, cell.row, "cell %x of version %d at version %d", key, cell.version, status.Applied)
		}
	}
}

// checkSettled requires that the store equals the log's head, with tombstones
// where cells were.
func (m *rowModel) checkSettled(s *scene, before map[tileID]bool) {
	m.check(s.engine.Online)
	status, ok := s.status()
	require.True(m.t, ok)
	require.Equal(m.t, s.snapshot().Version, status.Applied)
	cells := readRowCells(m.t, s.engine.Online, m.target.CellStore(status.Epoch))
	for id := range before {
		_, ok := cells[id.key]
		require.True(m.t, ok, "cell %x was dropped, not tombstoned", id.key)
	}
	for key, cell := range cells {
		before[tileID{key: key}] = true
		require.LessOrEqual(m.t, cell.version, uint64(status.Applied))
	}
}
