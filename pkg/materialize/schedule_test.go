package materialize_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
)

// stage is a view whose first day is covered and followed online, with builds that
// nobody has committed yet. Any number of equal copies can be made of it.
type stage struct {
	*scene
	bucket *buckettest.Memory
	online *memoryStore
	tiles  map[string][]tile // of files, by path

	old, fresh, next offline.Build // of the first day, read before or after the other; of the second
}

func newStage(t *testing.T) *stage {
	events := randomEvents(seeded(1), 12, span(0, day))
	st := &stage{scene: newMemoryScene(t, newView(hour, day), &events), online: newMemoryStore(), tiles: map[string][]tile{}}
	st.engine.Online = st.online
	st.run(span(0, day))
	st.apply()

	events = append(events[:6:6], randomEvents(seeded(2), 6, span(0, day))...)
	st.old = st.build(span(0, day))
	events = append(events[:4:4], randomEvents(seeded(3), 6, span(0, 2*day))...)
	st.fresh = st.build(span(0, day))
	st.next = st.build(span(day, 2*day))

	var err error
	st.bucket, err = buckettest.MemoryOf(t.Context(), st.scene.bucket)
	require.NoError(t, err)
	return st
}

// performance is a copy of a stage on which one schedule is played.
type performance struct {
	*scene
	model  *model
	bucket *buckettest.Memory
	online *memoryStore
}

// perform makes a copy whose online store is checked before every step, and against
// the log's head in the end.
func (st *stage) perform(t *testing.T, s *buckettest.Schedule) *performance {
	p := &performance{bucket: st.bucket.Clone(), online: st.online.clone()}
	copied := *st.scene
	copied.t, copied.bucket = t, p.bucket
	copied.engine = p.engineOn(&copied, nil)
	var err error
	copied.table, err = openTable(t.Context(), nil, &copied)
	require.NoError(t, err)
	p.scene = &copied
	p.model = newModel(p.scene)
	p.model.tiles = st.tiles
	s.Always(func() { p.model.check(p.online) })
	s.Finally(p.settle)
	return p
}

func (p *performance) settle() {
	p.apply()
	p.model.checkSettled(p.scene, map[tileID]bool{})
}

// engineOn returns the engine of a process; nil is one whose calls take no turns.
func (p *performance) engineOn(s *scene, process *buckettest.Process) *materialize.Engine {
	e := *s.engine
	e.Bucket, e.Online = p.bucket, p.online
	if process != nil {
		e.Bucket = process.Bucket(p.bucket)
		e.Online = onlinetest.Faulty{Store: p.online, Hook: func(op string) onlinetest.Fault {
			switch process.Step(op, "online") {
			case buckettest.Refused:
				return onlinetest.Before
			case buckettest.LostAnswer:
				return onlinetest.After
			}
			return onlinetest.None
		}}
	}
	return &e
}

// openTable opens the table as a process sees it: in its first life it has read
// the log as it was at the beginning.
func openTable(ctx context.Context, process *buckettest.Process, s *scene) (table offline.Table, err error) {
	b := s.engine.Bucket
	if process != nil {
		b = process.Bucket(b)
	}
	begin := func() error {
		table, err = delta.New(b, delta.Options{}).Open(ctx, s.target.Table(start))
		return err
	}
	if process != nil && process.Life == 0 {
		return table, process.Aside(begin)
	}
	return table, begin()
}

// job adds a process that commits builds, if there are any, and applies the log.
func (p *performance) job(s *buckettest.Schedule, name string, builds ...offline.Build) {
	s.Go(name, func(process *buckettest.Process) error {
		table, err := openTable(p.t.Context(), process, p.scene)
		if err != nil {
			return err
		}
		if len(builds) > 0 {
			c := offline.Commit{ID: name, Overwrite: true, Online: true, Builds: builds}
			if _, err := table.Commit(p.t.Context(), c); err != nil {
				return err
			}
		}
		_, err = p.engineOn(p.scene, process).Apply(p.t.Context(), p.target, table, nil)
		return err
	})
}

func TestAJobThatFailsAtAnyStepIsMadeGoodByARetry_B5(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	buckettest.Explore(t, buckettest.Plan{Faults: 1}, func(t *testing.T, s *buckettest.Schedule) {
		st.perform(t, s).job(s, "replace and append", st.fresh, st.next)
	})
}

func TestEveryInterleavingOfACommitAndAnApply_B5(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	buckettest.Explore(t, buckettest.Plan{}, func(t *testing.T, s *buckettest.Schedule) {
		p := st.perform(t, s)
		p.commit(true, true, st.old)
		s.Go("replace", func(process *buckettest.Process) error {
			table, err := openTable(t.Context(), process, p.scene)
			if err == nil {
				_, err = table.Commit(t.Context(), offline.Commit{ID: "replace", Overwrite: true, Online: true, Builds: []offline.Build{st.fresh}})
			}
			return err
		})
		p.job(s, "apply")
	})
}

func TestEveryInterleavingOfTwoAppliers_B5(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	buckettest.Explore(t, buckettest.Plan{}, func(t *testing.T, s *buckettest.Schedule) {
		p := st.perform(t, s)
		p.commit(true, true, st.fresh)
		p.job(s, "apply")
		p.job(s, "apply too")
	})
}

func TestAnOnlineStoreThatIsLostAtAnyStepIsFilledAgain_B5(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	for name, c := range map[string]struct {
		empty bool // before
		lose  func(ctx context.Context, p *performance, process *buckettest.Process) error
	}{
		"with its disk":                  {false, loseDisk},
		"with its disk, while empty":     {true, loseDisk},
		"by a person who drops it":       {false, dropAll},
		"by one who drops it when empty": {true, dropAll},
	} {
		t.Run(name, func(t *testing.T) {
			buckettest.Explore(t, buckettest.Plan{}, func(t *testing.T, s *buckettest.Schedule) {
				p := st.perform(t, s)
				p.commit(true, true, st.fresh)
				if c.empty {
					p.online.lose()
				}
				p.job(s, "apply")
				s.Go("lose", func(process *buckettest.Process) error { return c.lose(t.Context(), p, process) })
			})
		})
	}
}

func loseDisk(_ context.Context, p *performance, process *buckettest.Process) error {
	if process.Step("drop", "online") == buckettest.None {
		p.online.lose()
	}
	return nil
}

// dropAll drops the status first: one without its cells would claim what is not there.
func dropAll(ctx context.Context, p *performance, process *buckettest.Process) error {
	store := p.engineOn(p.scene, process).Online
	status, _, ok, err := online.ReadStatus(ctx, store, p.target.Store())
	if err != nil || !ok {
		return err
	}
	if err := store.Drop(ctx, p.target.Store()); err != nil {
		return err
	}
	return store.Drop(ctx, p.target.CellStore(status.Epoch))
}

// X read an old source and is slow, Y overwrites with the new: both orders of their
// commits are among the schedules, and those of their appliers.
func TestASlowJobAndAnOverwriteInRandomInterleavings_B5(t *testing.T) {
	t.Parallel()
	st := newStage(t)
	seed := uint64(time.Now().UnixNano())
	for faults := range 3 {
		t.Run(fmt.Sprint("faults ", faults), func(t *testing.T) {
			orders := map[bool]int{}
			buckettest.Explore(t, buckettest.Plan{Faults: faults, Random: 50, Seed: seed}, func(t *testing.T, s *buckettest.Schedule) {
				p := st.perform(t, s)
				p.job(s, "X", st.old)
				p.job(s, "Y", st.fresh, st.next)
				p.job(s, "apply")
				s.Finally(func() {
					p.settle()
					require.Equal(t, st.fresh.ReadAt, p.snapshot().ReadAt[start], "Y wins")
					orders[p.snapshot().Version == 3]++
				})
			})
			require.Positive(t, orders[true], "X came first")
			require.Positive(t, orders[false], "X was overtaken")
		})
	}
}

func TestApplyOverALostLogOrDataFileSaysSo(t *testing.T) {
	t.Parallel()
	events := []event{visit(1, start, 1), visit(2, start.Add(day), 1)}
	s := newMemoryScene(t, newView(hour, day), &events)
	s.run(span(0, day))
	s.run(span(day, 2*day))
	before, _ := s.status()
	other := newOffline(t, s.bucket)

	log := s.table.Spec().Path + "/_delta_log/00000000000000000002.json"
	data, err := s.bucket.Get(t.Context(), log)
	require.NoError(t, err)
	require.NoError(t, s.bucket.Delete(t.Context(), log))
	table, err := other.Open(t.Context(), s.table.Spec())
	require.NoError(t, err, "a log does not tell that it was longer")
	_, err = s.engine.Apply(t.Context(), s.target, table, nil)
	require.ErrorIs(t, err, offline.ErrHistoryGone)
	require.ErrorContains(t, err, "follows version 2, the log ends at 1")
	require.NoError(t, s.bucket.Put(t.Context(), log, data))

	built := s.build(span(0, day))
	s.commit(true, true, built)
	require.NoError(t, s.bucket.Delete(t.Context(), s.table.Spec().Path+"/"+built.Files[0].Path))
	_, err = s.engine.Apply(t.Context(), s.target, table, nil)
	require.ErrorIs(t, err, offline.ErrCorrupt)
	require.ErrorContains(t, err, built.Files[0].Path)
	after, _ := s.status()
	require.Equal(t, before, after)
}
