package materialize_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// keyedView is newView with the labels told apart, and not aggregated.
func keyedView(interval, schedule time.Duration, windows ...time.Duration) feature.View {
	v := newView(interval, schedule, windows...)
	v.AggregationSecondaryKey = "label"
	v.Aggregations = slices.DeleteFunc(v.Aggregations, func(a feature.Aggregation) bool { return a.Column == "label" })
	return v
}

// second returns the encoded label.
func (e event) second() string {
	value := feature.Null
	if e.label != nil {
		value = feature.StringValue(*e.label)
	}
	key, err := record.AppendKey(nil, eventSchema[5:], []feature.Value{value})
	if err != nil {
		panic(err) //nolint:forbidigo // the value is of the key's type, and short
	}
	return string(key)
}

func labelled(user int64, at window.Time, label string) event {
	e := visit(user, at, 1)
	e.label = &label
	return e
}

func TestTilesAreOfJoinKeysAndSecondaryKey(t *testing.T) {
	t.Parallel()
	s := newScene(t, keyedView(hour, day))
	require.Equal(t, []feature.Field{eventSchema[0], eventSchema[1], eventSchema[5]}, s.table.Spec().Keys)
	events := randomEvents(seeded(11), 3000, span(-day, 2*day))
	s.write(events, 3)

	byLabel := map[string][]event{}
	for _, e := range events {
		byLabel[e.second()] = append(byLabel[e.second()], e)
	}
	require.Len(t, byLabel, 4, "null among them")
	var want []tile
	for second, events := range byLabel {
		for _, tile := range naiveTiles(events, span(0, day), window.Time(hour.Microseconds())) {
			tile.second = second
			delete(tile.columns, "min_label")
			delete(tile.columns, "count_label")
			want = append(want, tile)
		}
	}
	slices.SortFunc(want, func(a, b tile) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.second, b.second), cmp.Compare(a.start, b.start))
	})
	got := s.tilesOf(s.build(span(0, day)))
	require.Len(t, got, len(want))
	for i := range want {
		want[i].state = got[i].state
		require.Equal(t, want[i], got[i], "in the order of keys and tiles")
	}
}

// A change of one label is one of its entity's cell, whose other labels stay: those
// before it in the order of keys, and those in files that did not change.
func TestACellHoldsAllSecondaryKeysOfItsEntityB5(t *testing.T) {
	t.Parallel()
	events := []event{labelled(1, start, "a"), labelled(1, start, "m"), labelled(1, start, "z"), labelled(2, start, "m")}
	s := newMemoryScene(t, keyedView(hour, hour), &events)
	m, before := newModel(s), map[tileID]bool{}
	s.run(span(0, hour))
	m.checkSettled(s, before)
	require.Len(t, s.cells()[tileID{keyOf(1), start}].block, 3)

	events = []event{labelled(1, start.Add(hour), "z"), labelled(3, start.Add(hour), "b")}
	s.run(span(hour, 2*hour))
	m.checkSettled(s, before)
	cells := s.cells()
	require.Len(t, cells[tileID{keyOf(1), start}].block, 4)
	require.Equal(t, uint64(1), cells[tileID{keyOf(2), start}].version, "its entity did not change")
	require.Len(t, cells[tileID{keyOf(3), start}].block, 1)

	events = events[:1]
	s.run(span(0, hour), span(hour, 2*hour))
	m.checkSettled(s, before)
	cells = s.cells()
	require.Len(t, cells[tileID{keyOf(1), start}].block, 1)
	require.Nil(t, cells[tileID{keyOf(2), start}].block, "a tombstone")
}

func TestEntitiesOfManySecondaryKeysAreWrittenInPartsB5(t *testing.T) {
	t.Parallel()
	const users, labels = 1500, 12
	var events []event
	for user := range int64(users) {
		for label := range labels {
			events = append(events, labelled(user, start.Add(time.Duration(label%24)*hour), fmt.Sprint("label ", label)))
		}
	}
	s := newMemoryScene(t, keyedView(hour, day), &events)
	counting := &countingStore{Store: s.engine.Online}
	s.engine.Online = counting
	m := newModel(s)
	s.commit(false, true, s.build(span(0, day)))
	require.Equal(t, int64(users), s.apply().Cells)
	require.Equal(t, []int{1024, users - 1024}, counting.sizes)
	m.checkSettled(s, map[tileID]bool{})
}

func TestAnEntityThatDoesNotFitIntoACellIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		labels int
		size   int // of each
		text   string
	}{
		"bytes": {1000, 400, "take more than 4"},
		"tiles": {120_000, 0, "take more than 119467 tiles"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := []event{labelled(1, start, "")}
			for i := range c.labels {
				events = append(events, labelled(2, start, fmt.Sprintf("%06d%s", i, strings.Repeat("x", c.size))))
			}
			s := newMemoryScene(t, keyedView(hour, day), &events)
			s.commit(false, true, s.build(span(0, day)))
			_, err := s.engine.Apply(t.Context(), s.target, s.table, nil)
			require.ErrorIs(t, err, online.ErrTooLarge)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, fmt.Sprintf("cell of entity %x", keyOf(2)))
			require.ErrorContains(t, err, fmt.Sprintf("the online store holds %d bytes", online.MaxValueBytes))
			require.ErrorContains(t, err, "drop or merge values of aggregation_secondary_key")
		})
	}
}
