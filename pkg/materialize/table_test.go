package materialize_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// newTableView returns a feature table of events.
func newTableView(t testing.TB) feature.View {
	t.Helper()
	repository := feature.Repository{
		Entities: newView(hour, day).Entities,
		FeatureTables: []feature.FeatureTable{{
			Metadata: feature.Metadata{Name: "spending"}, Entities: []string{"user"}, Schema: eventSchema, Online: true, Offline: true,
		}},
	}
	view, err := repository.View("spending")
	require.NoError(t, err)
	return view
}

// ingest makes the build of a frame; of rows with equal keys and time the last counts.
func (s *scene) ingest(rows []event, sequence int64) offline.Build {
	s.t.Helper()
	last := map[string]event{}
	for _, e := range rows {
		last[fmt.Sprint(e.key(), e.at)] = e
	}
	rows = rows[:0:0]
	for _, e := range last {
		rows = append(rows, e)
	}
	slices.SortFunc(rows, func(a, b event) int { return cmp.Or(cmp.Compare(a.key(), b.key()), cmp.Compare(a.at, b.at)) })
	s.ids++
	fence := s.snapshot().Fence
	w, err := s.table.NewAppender(s.t.Context(), fmt.Sprintf("attempt-%d", s.ids))
	require.NoError(s.t, err)
	if len(rows) > 0 {
		require.NoError(s.t, w.Write(frameOf(s.table, rows, sequence)))
	}
	b, err := w.Close(s.t.Context())
	require.NoError(s.t, err)
	b.Append, b.Fence = fmt.Sprintf("frame-%d", sequence), fence
	return b
}

func frameOf(table offline.Table, rows []event, sequence int64) arrow.Record {
	all := recordOf(rows)
	sequences := array.NewInt64Builder(memory.DefaultAllocator)
	for range rows {
		sequences.Append(sequence)
	}
	schema := table.Spec().Schema
	var columns []arrow.Array
	for _, field := range schema.Fields()[:schema.NumFields()-1] {
		columns = append(columns, all.Column(all.Schema().FieldIndices(field.Name)[0]))
	}
	return array.NewRecord(schema, append(columns, sequences.NewArray()), all.NumRows())
}

// stageErasure puts keys into the bucket and returns their erasure.
func (s *scene) stageErasure(keys ...string) offline.Erasure {
	s.t.Helper()
	var encoded [][]byte
	for _, key := range keys {
		encoded = append(encoded, []byte(key))
	}
	set, err := keyset.New(encoded)
	require.NoError(s.t, err)
	s.ids++
	object := fmt.Sprintf("deletions/%d", s.ids)
	require.NoError(s.t, s.bucket.Put(s.t.Context(), object, set.Encode()))
	return offline.Erasure{
		ID: fmt.Sprintf("erasure-%d", s.ids), Job: "test", Generation: 1, Online: true,
		Keys: set, Object: object, Fields: len(s.target.View.JoinKeys()),
	}
}

// erase removes keys offline and returns the version.
func (s *scene) erase(e offline.Erasure) int64 {
	s.t.Helper()
	erased, err := s.table.Erase(s.t.Context(), e)
	require.NoError(s.t, err)
	return erased.Version
}

func TestAFeatureTableHasASequenceAndNoWindows(t *testing.T) {
	t.Parallel()
	target := newTarget(t, newTableView(t))
	spec := target.Table(start)
	require.Equal(t, []string{"user", "shop", "ts", "n", "amount", "label", "ingest_sequence"}, fieldNames(spec.Schema))
	require.Equal(t, "ingest_sequence", spec.Sequence)
	require.Equal(t, record.ArrowType(feature.Int64), spec.Schema.Field(6).Type)
	require.Zero(t, spec.Step)
	require.Equal(t, window.Month, spec.Partition)

	all := window.NewSet(window.Between(nil, nil))
	require.Equal(t, all, target.Covered(offline.Snapshot{}))
	edge, readable := target.Watermark(all)
	require.True(t, readable)
	require.Equal(t, window.MaxTime, edge)
}

func fieldNames(schema *arrow.Schema) (names []string) {
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	return names
}

func TestNoJobFillsAFeatureTable(t *testing.T) {
	t.Parallel()
	s := newScene(t, newTableView(t))
	_, err := s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{}, s.clock)
	require.ErrorIs(t, err, materialize.ErrRange)
	require.ErrorContains(t, err, "spending is a feature table: ingest a data frame")
	_, err = s.engine.Gaps(t.Context(), s.target, s.clock, 1)
	require.ErrorIs(t, err, materialize.ErrRange)
	_, err = s.tryBuild(span(0, day))
	require.ErrorIs(t, err, materialize.ErrRange)
}

// Frames are committed in any order: their sequences decide, not their versions.
func TestTheLaterIngestWinsAtEqualTimesB5(t *testing.T) {
	t.Parallel()
	s := newScene(t, newTableView(t))
	m := newRowModel(s)
	served := func() map[string]int64 {
		s.apply()
		m.checkSettled(s, map[tileID]bool{})
		status, _ := s.status()
		out := map[string]int64{}
		for key, cell := range readRowCells(t, s.engine.Online, s.target.CellStore(status.Epoch)) {
			out[key] = cell.row.seq
		}
		return out
	}
	first := s.ingest([]event{visit(1, at(0), 1), visit(2, at(0), 1), visit(3, at(1), 1)}, 1)
	second := s.ingest([]event{visit(1, at(0), -5), visit(2, at(1), 2), visit(3, at(0), 2)}, 2)
	s.commit(false, true, second)
	require.Equal(t, map[string]int64{keyOf(1): 2, keyOf(2): 2, keyOf(3): 2}, served())
	s.commit(false, false, first) // a feature table follows whatever the commit says
	want := map[string]int64{keyOf(1): 2, keyOf(2): 2, keyOf(3): 1}
	require.Equal(t, want, served())

	_, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compact", Job: "test", MinFiles: 2})
	require.NoError(t, err)
	require.Len(t, s.snapshot().Files, 1)
	counting := &countingStore{Store: s.engine.Online}
	s.engine.Online = counting
	require.Equal(t, want, served())
	require.Empty(t, counting.sizes, "compaction changes no row")
	s.commit(false, true, s.ingest([]event{visit(1, at(0), 3)}, 3))
	require.Equal(t, map[string]int64{keyOf(1): 3, keyOf(2): 2, keyOf(3): 1}, served())
}

// A store that is emptied is filled from the log, and after its history is gone from
// the snapshot: a search finds the winner of several files, and of one time.
func TestAFeatureTableIsFilledAgainB5(t *testing.T) {
	t.Parallel()
	s := newScene(t, newTableView(t))
	m := newRowModel(s)
	for sequence := range int64(5) {
		s.commit(false, true, s.ingest([]event{visit(1, at(0), -sequence), visit(2, at(int(sequence)), 1), visit(sequence+10, at(0), 1)}, sequence+1))
	}
	s.apply()
	s.erase(s.stageErasure(keyOf(11)))
	_, err := s.table.Compact(t.Context(), offline.CompactRequest{ID: "compact", Job: "test", MinFiles: 2})
	require.NoError(t, err)
	require.NoError(t, s.engine.Online.DropTree(t.Context(), s.target.Store()))
	s.apply()
	m.checkSettled(s, map[tileID]bool{})
	status, _ := s.status()
	cells := readRowCells(t, s.engine.Online, s.target.CellStore(status.Epoch))
	require.Equal(t, int64(5), cells[keyOf(1)].row.seq)
	require.Equal(t, at(4), cells[keyOf(2)].row.at)
	require.Nil(t, cells[keyOf(11)].row)
}

func TestLagsAndServeOfAFeatureTable(t *testing.T) {
	t.Parallel()
	s := newScene(t, newTableView(t))
	lags := func() bool {
		lags, err := s.engine.Lags(t.Context(), s.target, s.clock)
		require.NoError(t, err)
		return lags
	}
	require.True(t, lags(), "its status says nothing yet")
	serve := func() materialize.ApplyResult {
		result, err := s.engine.Serve(t.Context(), s.target, s.table, nil)
		require.NoError(t, err)
		return result
	}
	require.Equal(t, window.NewSet(window.Between(nil, nil)), serve().Status.Covered)
	require.False(t, lags())
	s.commit(false, true, s.ingest([]event{visit(1, start, 1)}, 1))
	require.True(t, lags())
	require.Equal(t, int64(1), serve().Cells)
	require.False(t, lags())
}

func TestRandomHistoriesOfFeatureTablesB5(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistoryOf(t, seed, newTableView(t), func(s *scene) checker { return newRowModel(s) })
			for range 60 {
				h.step()
			}
			h.settle()
		})
	}
}
