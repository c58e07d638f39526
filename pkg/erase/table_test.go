package erase_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// newTable returns a scene with a feature table.
func newTable(t *testing.T) (*scene, *materialize.Target) {
	t.Helper()
	s := newScene(t, rowsByName, nil)
	r := newRepository(rowsByName, "")
	r.BatchFeatureViews = nil
	r.FeatureTables = []feature.FeatureTable{{
		Metadata: feature.Metadata{Name: "spending"}, Entities: []string{"user"},
		Schema: append(slices.Clone(keyFields(rowsByName)), columns[3:]...), Online: true, Offline: true,
	}}
	_, err := s.engine.Views.Registry.Apply(t.Context(), "prod", 0, r, s.product())
	require.NoError(t, err)
	return s, s.stores().Serving
}

// append returns the build of users, each with a row an hour, and of the sequence.
func (s *scene) append(t *materialize.Target, sequence int64, users ...int) offline.Build {
	s.t.Helper()
	slices.Sort(users)
	snapshot, err := s.table(t).Snapshot(s.t.Context())
	require.NoError(s.t, err)
	fields := append(append(slices.Clone(t.Keys), feature.Field{Name: "ts", Type: feature.Timestamp}), t.Features...)
	fields = append(fields, feature.Field{Name: feature.IngestSequence, Type: feature.Int64})
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(fields))
	defer b.Release()
	for _, user := range users {
		for hour := range 5 {
			e := event{user, start + window.Time(hour)*3600e6, sequence}
			values := make([]feature.Value, len(fields))
			for i, f := range fields {
				if values[i] = e.value(f.Name); f.Name == feature.IngestSequence {
					values[i] = feature.Int64Value(sequence)
				}
			}
			require.NoError(s.t, record.AppendColumns(b.Fields(), values))
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	w, err := s.table(t).NewAppender(s.t.Context(), fmt.Sprint("attempt-", sequence))
	require.NoError(s.t, err)
	defer w.Abort() //nolint:errcheck // it was closed
	require.NoError(s.t, w.Write(array.NewRecord(s.table(t).Spec().Schema, rec.Columns(), rec.NumRows())))
	build, err := w.Close(s.t.Context())
	require.NoError(s.t, err)
	build.Append, build.Fence = fmt.Sprint("frame-", sequence), snapshot.Fence
	return build
}

func TestAFeatureTableLosesKeysThatWereIngestedBeforeAndKeepsLaterOnes(t *testing.T) {
	t.Parallel()
	s, table := newTable(t)
	s.commit(table, s.append(table, 1, 0, 1, 2, 3, 4))
	s.commit(table, s.append(table, 2, 1, 2, 3))
	s.apply(table)
	before := s.contents(table)
	require.Len(t, before.cells, 5)
	keys := s.keys([]int{1, 2})

	accepted := s.append(table, 3, 1, 2)
	receipt := s.delete(both, 1, 2)
	require.Equal(t, before.without(keys), s.contents(table))
	require.EqualValues(t, 20, receipt.Stores[0].Rows)
	require.EqualValues(t, 2, receipt.Stores[0].Cells)
	s.commit(table, accepted)
	s.apply(table)
	require.Equal(t, before.without(keys), s.contents(table), "it was accepted before")

	s.commit(table, s.append(table, 4, 1))
	s.apply(table)
	after := s.contents(table)
	require.Equal(t, before.without(keys), after.without(keys))
	require.Len(t, after.rows[s.key(1)], 5)
	require.Len(t, after.cells[s.key(1)], 1)
	require.Empty(t, after.rows[s.key(2)])
}
