package materialize_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// everyType is newRowView with a feature of each type.
func everyType() feature.View {
	v := newRowView(day)
	v.Transformation = "SELECT *, n > 0 AS flag, ts - INTERVAL 1 MICROSECOND AS seen FROM events"
	v.Schema = append(slices.Clone(eventSchema), feature.Field{Name: "flag", Type: feature.Bool}, feature.Field{Name: "seen", Type: feature.Timestamp})
	return v
}

// naiveRows returns the rows of everyType in a window, in order.
func naiveRows(t *testing.T, view feature.View, events []event, w window.Interval) []storedRow {
	features, err := view.Features()
	require.NoError(t, err)
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(features))
	defer b.Release()
	var out []storedRow
	for _, e := range events {
		if !w.Contains(e.at) {
			continue
		}
		appendTo(b.Field(0).(*array.Int64Builder), e.n)
		appendTo(b.Field(1).(*array.Float64Builder), e.amount)
		appendTo(b.Field(2).(*array.StringBuilder), e.label)
		var flag *bool
		if e.n != nil {
			flag = ptr(*e.n > 0)
		}
		appendTo(b.Field(3).(*array.BooleanBuilder), flag)
		b.Field(4).(*array.TimestampBuilder).Append(arrow.Timestamp(e.at - 1))
		out = append(out, storedRow{key: e.key(), at: e.at})
	}
	rec := b.NewRecord()
	defer rec.Release()
	encoder, err := record.NewRowEncoder(features, rec.Columns())
	require.NoError(t, err)
	for i := range out {
		out[i].values = string(encoder.Append(nil, i))
	}
	slices.SortFunc(out, compareRows)
	return out
}

func (s *scene) rows(b offline.Build) []storedRow {
	var out []storedRow
	for _, f := range b.Files {
		out = append(out, readRows(s.t, s.target.View, s.table, f)...)
	}
	return out
}

func TestBuiltRowsEqualANaiveComputation(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, everyType())
			events := randomEvents(seeded(seed), 500, span(0, 3*day))
			events = append(events, events[0], event{at: start, amount: ptr(math.NaN())})
			s.write(events, 2)
			once := s.buildRange(span(0, 3*day), true)
			for i, w := range span(0, 3*day).Split(day) {
				b := s.build(w)
				want := naiveRows(t, s.target.View, events, w)
				require.Equal(t, want, s.rows(b), "sorted by key, time and content")
				require.Equal(t, int64(len(want)), b.Rows, "equal rows are all kept")
				require.Equal(t, s.contents(b), s.contents(once[i]), "the same bytes in one run")
			}
			first := s.build(span(0, day))
			seeded(seed).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			s.write(events, 3)
			require.Equal(t, s.contents(first), s.contents(s.build(span(0, day))), "in any order of the source")
		})
	}
}

func TestATableOfRowsHasKeysTimeAndFeatures(t *testing.T) {
	t.Parallel()
	spec := newTarget(t, everyType()).Table(start)
	require.Equal(t, "ts", spec.Time)
	require.Equal(t, day, spec.Step)
	var columns []string
	for _, f := range spec.Schema.Fields() {
		columns = append(columns, fmt.Sprintf("%s %s %v", f.Name, f.Type, f.Nullable))
	}
	require.Equal(t, []string{
		"user int64 true", "shop utf8 true", "ts timestamp[us, tz=UTC] false",
		"n int64 true", "amount float64 true", "label utf8 true", "flag bool true", "seen timestamp[us, tz=UTC] true",
	}, columns)
}

func TestARowPastItsLimitIsTooLarge(t *testing.T) {
	t.Parallel()
	events := []event{{at: start, label: ptr(strings.Repeat("x", record.MaxRowBytes))}}
	s := newMemoryScene(t, newRowView(day), &events)
	_, err := s.tryBuild(span(0, day))
	require.ErrorIs(t, err, materialize.ErrTooLarge)
	require.ErrorContains(t, err, "at most 262144 are allowed")
}

// A row is seen once its window is over and its data complete.
func TestEffectiveTimeOfRows(t *testing.T) {
	t.Parallel()
	view := newRowView(day)
	view.Sources[0].BatchConfig.DataDelay = feature.Duration(2 * hour)
	target := newTarget(t, view)
	for at, want := range map[window.Time]window.Time{
		start:              start.Add(day + 2*hour),
		start.Add(day) - 1: start.Add(day + 2*hour),
		start.Add(day):     start.Add(2*day + 2*hour),
	} {
		require.Equal(t, want, target.View.Effective(at))
	}
}
