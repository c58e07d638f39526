package materialize_test

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/pkg/window"
)

// days returns the windows of the first n days.
func days(n int) []window.Interval { return span(0, time.Duration(n)*day).Split(day) }

// commitAll overwrites the first n days with what the sources hold.
func (s *scene) commitAll(n int) {
	s.t.Helper()
	var builds []offline.Build
	for _, w := range days(n) {
		builds = append(builds, s.build(w))
	}
	s.commit(true, true, builds...)
}

func TestAnApplierThatCrashesAtAnyOnlineCallIsHealedB5(t *testing.T) {
	t.Parallel()
	for _, fault := range []onlinetest.Fault{onlinetest.Before, onlinetest.After} {
		for _, op := range []string{"get", "write"} {
			t.Run(fmt.Sprint(op, " fault ", fault), func(t *testing.T) {
				t.Parallel()
				var events []event
				s := newMemoryScene(t, newView(hour, day), &events)
				m, before, r := newModel(s), map[tileID]bool{}, seeded(1)
				for call, failed := 1, true; failed; call++ {
					events = randomEvents(r, 100, span(0, 3*day))
					s.commitAll(3)
					left := call
					store := onlinetest.Faulty{Store: watchedStore{s.engine.Online, m}, Hook: func(o string) onlinetest.Fault {
						if o == op {
							left--
						}
						if o == op && left == 0 {
							return fault
						}
						return onlinetest.None
					}}
					_, err := s.with(store).Apply(t.Context(), s.target, s.table, nil)
					failed = left <= 0
					if err != nil {
						require.ErrorIs(t, err, onlinetest.ErrInjected)
					}
					m.check(s.engine.Online)
					s.apply()
					m.checkSettled(s, before)
				}
			})
		}
	}
}

func TestAnApplierThatCrashesAtAnyBucketCallIsHealedB5(t *testing.T) {
	t.Parallel()
	var events []event
	s := newMemoryScene(t, newView(hour, day), &events)
	m, before, r := newModel(s), map[tileID]bool{}, seeded(1)
	failures := 0
	for call, failed := 1, true; failed; call++ {
		events = randomEvents(r, 30, span(0, 2*day))
		s.commitAll(2)
		var left atomic.Int64 // the log is read by many at once
		faulty := buckettest.Faulty{Bucket: s.bucket, Hook: func(string, string) buckettest.Fault {
			if left.Add(-1) == 0 {
				return buckettest.Refused
			}
			return buckettest.None
		}}
		table, err := newOffline(t, faulty).Open(t.Context(), s.table.Spec())
		require.NoError(t, err)
		left.Store(int64(call))
		_, err = s.with(watchedStore{s.engine.Online, m}).Apply(t.Context(), s.target, table, nil)
		failed = left.Load() <= 0
		if err != nil {
			failures++
			require.ErrorIs(t, err, buckettest.ErrInjected)
			require.NotErrorIs(t, err, offline.ErrCorrupt, "a retry mends it")
		}
		m.check(s.engine.Online)
		s.apply()
		m.checkSettled(s, before)
	}
	require.Greater(t, failures, 5)
}

func TestAZombieApplierUndoesNothingB5(t *testing.T) {
	t.Parallel()
	for write := 1; write <= 4; write++ { // the last one is the status
		t.Run(fmt.Sprint("parked at write ", write), func(t *testing.T) {
			t.Parallel()
			events := randomEvents(seeded(1), 100, span(0, 3*day))
			s := newMemoryScene(t, newView(hour, day), &events)
			m, before := newModel(s), map[tileID]bool{}
			s.commitAll(3)
			s.apply()
			m.checkSettled(s, before)
			events = append(events, visit(42, start, 1), visit(42, start.Add(day), 1))
			s.commitAll(3)
			zombie := startParked(s, watchedStore{s.engine.Online, m}, write)
			require.NotNil(t, zombie)

			events = events[50:100]
			s.commitAll(3)
			s.apply()
			m.checkSettled(s, before)
			settled := s.cells()
			require.NoError(t, zombie.resume())
			m.checkSettled(s, before)
			require.Equal(t, settled, s.cells())
		})
	}
}

func TestAStoreThatIsEmptiedMidwayIsFilledAgainB5(t *testing.T) {
	t.Parallel()
	for _, filled := range []bool{false, true} {
		for write := 1; write <= 5; write++ { // claim (of an empty store), three blocks, status
			t.Run(fmt.Sprintf("filled %v, parked at write %d", filled, write), func(t *testing.T) {
				t.Parallel()
				events := randomEvents(seeded(1), 100, span(0, 3*day))
				s := newMemoryScene(t, newView(hour, day), &events)
				m := newModel(s)
				s.commitAll(3)
				if filled {
					s.apply()
					events = events[50:]
					s.commitAll(3)
				}
				p := startParked(s, watchedStore{s.engine.Online, m}, write)
				if p == nil {
					require.True(t, filled)
					return
				}
				if status, ok := s.status(); ok {
					require.NoError(t, s.engine.Online.Drop(t.Context(), s.target.CellStore(status.Epoch)))
				}
				require.NoError(t, s.engine.Online.Drop(t.Context(), s.target.Store()))
				require.NoError(t, p.resume())
				m.checkSettled(s, map[tileID]bool{})
			})
		}
	}
}

// Only the status is lost; the cells of its epoch, some of them old, are not served.
func TestALostStatusStartsANewEpochB5(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 100, span(0, 3*day))
	s := newMemoryScene(t, newView(hour, day), &events)
	m := newModel(s)
	s.commitAll(3)
	s.apply()
	first, _ := s.status()
	require.NoError(t, s.engine.Online.Drop(t.Context(), s.target.Store()))
	events = events[50:]
	s.commitAll(3)
	s.apply()
	second, _ := s.status()
	require.NotEqual(t, first.Epoch, second.Epoch)
	m.checkSettled(s, map[tileID]bool{})
}

func TestALostAnswerOfTheStatusIsNoLostRaceB5(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 100, span(0, day))
	s := newMemoryScene(t, newView(hour, day), &events)
	s.run(span(0, day))
	s.commit(true, true, s.build(span(0, day)))
	writes := 0
	store := onlinetest.Faulty{Store: s.engine.Online, Hook: func(op string) onlinetest.Fault {
		if op == "write" {
			writes++
		}
		if op == "write" && writes == 2 {
			return onlinetest.After
		}
		return onlinetest.None
	}}
	result, err := s.with(store).Apply(t.Context(), s.target, s.table, nil)
	require.NoError(t, err)
	require.Equal(t, 2, writes)
	require.Equal(t, s.snapshot().Version, result.Version)
}

// The same data, in one commit or in many, in any order, once or often, gives
// the same cells, bit for bit.
func TestCellsDoNotTellHowTheyCameAboutB9(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(1), 2000, span(0, 4*day))
	view := newView(hour, 6*hour, day)
	windows := span(0, 4*day).Split(6 * hour)
	values := func(s *scene) map[tileID]block {
		out := map[tileID]block{}
		for id, cell := range s.cells() {
			if cell.block != nil {
				out[id] = cell.block
			}
		}
		return out
	}
	straight := newMemoryScene(t, view, &events)
	straight.run(windows...)
	want := values(straight)
	require.NotEmpty(t, want)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r, mine := seeded(seed), slices.Clone(events)
			s := newMemoryScene(t, view, &mine)
			mine = randomEvents(r, 300, span(0, 4*day)) // what an earlier run saw
			s.run(windows[:7]...)
			mine = slices.Clone(events)
			again := append(slices.Clone(windows), windows[3:9]...)
			r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
			for len(again) > 0 {
				r.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				n := min(len(again), 1+r.IntN(4))
				group := map[window.Interval]bool{}
				for _, w := range again[:n] {
					group[w] = true
				}
				s.run(slices.Collect(maps.Keys(group))...)
				again = again[n:]
			}
			require.Equal(t, want, values(s))
		})
	}
}
