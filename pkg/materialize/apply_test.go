package materialize_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// countingStore keeps the sizes of all writes of cells.
type countingStore struct {
	online.Store
	sizes []int
}

func (c *countingStore) Write(ctx context.Context, writes []online.Write) ([]bool, error) {
	if writes[0].Key.Kind != online.KindStatus {
		c.sizes = append(c.sizes, len(writes))
	}
	return c.Store.Write(ctx, writes)
}

func visit(user int64, at window.Time, n int64) event {
	return event{user: &user, at: at, n: &n}
}

func keyOf(user int64) string { return event{user: &user}.key() }

func TestApplyOfMoreKeysThanAWriteAndRowsThanARecordB5(t *testing.T) {
	t.Parallel()
	var events []event
	for user := range int64(3000) {
		for h := range 23 { // 69,000 tiles: a record holds 65,536
			events = append(events, visit(user, start.Add(time.Duration(h)*hour), user))
		}
	}
	s := newMemoryScene(t, newView(hour, day), &events)
	counting := &countingStore{Store: s.engine.Online}
	s.engine.Online = counting
	m := newModel(s)
	s.commit(false, true, s.build(span(0, day)))
	require.Equal(t, int64(3000), s.apply().Cells)
	require.Equal(t, []int{1024, 1024, 952}, counting.sizes)
	m.checkSettled(s, map[tileID]bool{})

	events = events[23 : 2*23]
	s.commit(true, true, s.build(span(0, day)))
	require.Equal(t, int64(3000), s.apply().Cells, "tombstones too")
	m.checkSettled(s, map[tileID]bool{})
	require.Zero(t, s.apply().Cells, "nothing new")
}

// Hourly windows make 24 files of one block of a day.
func TestApplyOfManyFilesInOneBlockB5(t *testing.T) {
	t.Parallel()
	r := seeded(1)
	events := randomEvents(r, 500, span(0, 2*day))
	s := newMemoryScene(t, newView(hour, hour, day), &events)
	m, before := newModel(s), map[tileID]bool{}
	var builds []offline.Build
	for h := range 48 {
		builds = append(builds, s.build(span(time.Duration(h)*hour, time.Duration(h+1)*hour)))
	}
	r.Shuffle(len(builds), func(i, j int) { builds[i], builds[j] = builds[j], builds[i] })
	s.commit(false, true, builds[:30]...)
	s.apply()
	m.checkSettled(s, before)
	s.commit(false, true, builds[30:]...)
	s.apply()
	m.checkSettled(s, before)

	events = randomEvents(r, 100, span(0, 2*day))
	s.commit(true, true, s.build(span(5*hour, 6*hour)), s.build(span(23*hour, 24*hour)))
	before23 := s.snapshot().Version
	s.apply()
	m.checkSettled(s, before)
	for id, cell := range s.cells() {
		touched := cell.version == uint64(before23)
		require.True(t, touched || id.start == start || id.start == start.Add(day))
		if id.start == start.Add(day) {
			require.False(t, touched, "the second day did not change")
		}
	}
}

func (s *scene) cells() map[tileID]stored {
	status, ok := s.status()
	require.True(s.t, ok)
	return readCells(s.t, s.engine.Online, s.target.CellStore(status.Epoch))
}

// Weeks of daily tiles straddle blocks of 30 days and partitions of a month.
func TestApplyOfWindowsThatStraddleBlocksB5(t *testing.T) {
	t.Parallel()
	r := seeded(1)
	events := randomEvents(r, 400, span(0, 70*day))
	s := newMemoryScene(t, newView(day, 7*day, 14*day), &events)
	m, before := newModel(s), map[tileID]bool{}
	for _, week := range r.Perm(10) {
		s.commit(false, true, s.build(span(time.Duration(week)*7*day, time.Duration(week+1)*7*day)))
		if r.IntN(2) == 0 {
			s.apply()
			m.checkSettled(s, before)
		}
	}
	s.apply()
	m.checkSettled(s, before)
	events = events[:50]
	s.run(span(21*day, 28*day), span(28*day, 35*day))
	m.checkSettled(s, before)
}

func TestApplyOfAFileAddedAndRemovedWithinTheStepB5(t *testing.T) {
	t.Parallel()
	for _, followed := range []bool{true, false} {
		t.Run(fmt.Sprint("replaced with online=", followed), func(t *testing.T) {
			t.Parallel()
			events := []event{visit(1, start, 1), visit(2, start, 1)}
			s := newMemoryScene(t, newView(hour, day), &events)
			m := newModel(s)
			s.commit(false, true, s.build(span(0, day)))
			events = []event{visit(2, start, 2), visit(3, start, 2)}
			head := s.commit(true, followed, s.build(span(0, day)))
			s.apply()
			m.checkSettled(s, map[tileID]bool{})
			cells := s.cells()
			require.Len(t, cells, 3)
			for user := range int64(3) {
				cell := cells[tileID{keyOf(user + 1), start}]
				require.Equal(t, uint64(head), cell.version)
				require.Equal(t, user == 0, cell.block == nil, "user %d", user+1)
			}
		})
	}
}

// A block's other windows are not served, so nobody would correct them.
func TestApplyKeepsWindowsThatItDoesNotFollowOutOfCellsB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, start, 1), visit(1, start.Add(hour), 1)}
	s := newMemoryScene(t, newView(hour, hour), &events)
	m, before := newModel(s), map[tileID]bool{}
	first, second := span(0, hour), span(hour, 2*hour)
	s.commit(false, false, s.build(first))
	s.commit(false, true, s.build(second))
	s.apply()
	m.checkSettled(s, before)
	require.Len(t, s.cells()[tileID{keyOf(1), start}].block, 1)

	events = events[1:]
	s.commit(true, false, s.build(first)) // the row vanishes, unseen by the online store
	s.commit(true, true, s.build(first))  // and now the window is to be served
	s.apply()
	m.checkSettled(s, before)
	require.Len(t, s.cells()[tileID{keyOf(1), start}].block, 1)
}

func TestApplyFollowsCoveredWindowsAlsoWithOnlineFalseB5(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, start, 1)}
	s := newMemoryScene(t, newView(hour, day), &events)
	m, before := newModel(s), map[tileID]bool{}
	s.run(span(0, day))
	events = []event{visit(2, start, 1), visit(2, start.Add(day), 1)}
	s.commit(true, false, s.build(span(0, day)), s.build(span(day, 2*day)))
	s.apply()
	m.checkSettled(s, before)
	require.Nil(t, s.cells()[tileID{keyOf(1), start}].block)
	require.NotContains(t, s.cells(), tileID{keyOf(2), start.Add(day)}, "was not covered")
	status, _ := s.status()
	require.Equal(t, window.NewSet(span(0, day)), status.Covered)
}

func TestCellVersionsAreThoseOfTheirLastChangeB5(t *testing.T) {
	t.Parallel()
	r := seeded(3)
	var events []event
	s := newMemoryScene(t, newView(hour, 6*hour, day), &events)
	m := newModel(s)
	for range 12 {
		events = randomEvents(r, 60, span(0, 2*day))
		i := time.Duration(r.IntN(8))
		s.commit(true, r.IntN(3) > 0, s.build(span(i*6*hour, (i+1)*6*hour)))
		s.apply()
		m.checkSettled(s, map[tileID]bool{})
		head := s.snapshot().Version
		touched := m.lastTouched(head)
		for id, cell := range s.cells() {
			require.Equal(t, uint64(touched[id]), cell.version)
		}
	}
}

func TestGapsHoldTheWatermarkBack(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 200, span(0, 10*day))
	s := newMemoryScene(t, newView(hour, day, 3*day), &events)
	edge := func(d int) {
		s.run(span(time.Duration(d)*day, time.Duration(d+1)*day))
	}
	require.Nil(t, s.apply().Status.Watermark)
	for _, step := range []struct {
		day  int
		want time.Duration // 0: none
	}{{0, 0}, {1, 0}, {3, 0}, {4, 0}, {5, 6 * day}, {2, 6 * day}, {7, 6 * day}, {8, 6 * day}, {6, 9 * day}} {
		edge(step.day)
		status, _ := s.status()
		if step.want == 0 {
			require.Nil(t, status.Watermark, "day %d", step.day)
			continue
		}
		require.Equal(t, start.Add(step.want), *status.Watermark, "day %d", step.day)
	}
}

func TestApplyRefusesALogThatLostVersions(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 10, span(0, day))
	s := newMemoryScene(t, newView(hour, day), &events)
	s.run(span(0, day))
	other := newMemoryScene(t, newView(hour, day), &events)
	_, err := other.with(s.engine.Online).Apply(t.Context(), other.target, other.table, nil)
	require.ErrorIs(t, err, offline.ErrHistoryGone)
	require.ErrorContains(t, err, "follows version 1, the log ends at 0")
}

func TestApplyReportsCells(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, start, 1), visit(2, start, 1), visit(2, start.Add(day), 1)}
	s := newMemoryScene(t, newView(hour, day), &events)
	s.commit(false, true, s.build(span(0, day)), s.build(span(day, 2*day)))
	var seen []int64
	result, err := s.engine.Apply(t.Context(), s.target, s.table, func(p materialize.Progress) { seen = append(seen, p.Rows) })
	require.NoError(t, err)
	require.Equal(t, []int64{2, 3}, seen)
	require.Equal(t, int64(3), result.Cells)
	require.Equal(t, int64(1), result.Version)
	require.True(t, slices.Equal(window.NewSet(span(0, 2*day)), result.Status.Covered))
}
