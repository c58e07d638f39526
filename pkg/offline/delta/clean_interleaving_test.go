package delta_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// era is a bucket in memory with a clock of its own, which dates its objects.
type era struct {
	*buckettest.Memory
	mu     sync.Mutex
	passed time.Duration
	put    map[string]time.Duration // when objects were put
}

var eraStart = time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC)

// newEra returns a bucket whose objects were put at its start.
func newEra(memory *buckettest.Memory) *era {
	return &era{Memory: memory, put: map[string]time.Duration{}}
}

func (e *era) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return eraStart.Add(e.passed)
}

func (e *era) pass(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.passed += d
}

func (e *era) date(info bucket.Info) bucket.Info {
	e.mu.Lock()
	defer e.mu.Unlock()
	info.ModTime = eraStart.Add(e.put[info.Key])
	return info
}

func (e *era) dated(key string, err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.put[key] = e.passed
	}
	return err
}

func (e *era) Put(ctx context.Context, key string, data []byte) error {
	return e.dated(key, e.Memory.Put(ctx, key, data))
}

func (e *era) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return e.dated(key, e.Memory.PutIfAbsent(ctx, key, data))
}

func (e *era) Stat(ctx context.Context, key string) (bucket.Info, error) {
	info, err := e.Memory.Stat(ctx, key)
	return e.date(info), err
}

func (e *era) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		for info, err := range e.Memory.List(ctx, prefix, after) {
			if !yield(e.date(info), err) {
				return
			}
		}
	}
}

// eraScene is a table in an era, and what processes saw of it.
type eraScene struct {
	*era
	t    *testing.T
	mu   sync.Mutex
	seen map[int64]coverage
}

func newEraScene(t *testing.T, memory *buckettest.Memory) *eraScene {
	return &eraScene{era: newEra(memory.Clone()), t: t, seen: map[int64]coverage{}}
}

func (e *eraScene) open(b bucket.Bucket, now func() time.Time) (offline.Table, error) {
	return delta.New(b, delta.Options{Now: now}).Open(e.t.Context(), offlinetest.Spec())
}

func windowOf(hourN int) offline.Build { return offline.Build{Window: hour(hourN), ReadAt: readAt(1)} }

// commit covers an hour, and must succeed.
func (e *eraScene) commit(table offline.Table, hourN int) (version int64, err error) {
	c := offline.Commit{ID: fmt.Sprint("hour ", hourN), Builds: []offline.Build{windowOf(hourN)}}
	result, err := table.Commit(e.t.Context(), c)
	if err == nil && result.Outcomes[0] != offline.Committed {
		err = fmt.Errorf("hour %d is %s", hourN, result.Outcomes[0])
	}
	return result.Version, err
}

// look takes a snapshot. No two processes may see different states of one version,
// and none a state that was past when it began to look.
func (e *eraScene) look(table offline.Table) (offline.Snapshot, error) {
	head, err := e.head()
	if err != nil {
		return offline.Snapshot{}, err
	}
	s, err := table.Snapshot(e.t.Context())
	if err != nil {
		return s, err
	}
	if s.Version < head {
		return s, fmt.Errorf("version %d is seen, while %d was there before", s.Version, head)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if before, ok := e.seen[s.Version]; ok && !reflect.DeepEqual(before, s.ReadAt) {
		return s, fmt.Errorf("version %d covers %v, to others %v", s.Version, s.ReadAt, before)
	}
	e.seen[s.Version] = maps.Clone(s.ReadAt)
	return s, nil
}

// head returns the number of the log's last version.
func (e *eraScene) head() (last int64, err error) {
	folder := offlinetest.Spec().Path + "/_delta_log/"
	for info, err := range e.Memory.List(e.t.Context(), folder, "") {
		if err != nil {
			return 0, err
		}
		var number int64
		if _, err := fmt.Sscanf(info.Key[len(folder):], "%d.json", &number); err == nil {
			last = number
		}
	}
	return last, nil
}

// requireCovered demands that a process that opens the table now finds these hours.
func (e *eraScene) requireCovered(hours ...int) {
	table, err := e.open(e.era, e.now)
	require.NoError(e.t, err)
	s, err := e.look(table)
	require.NoError(e.t, err)
	want := coverage{}
	for _, n := range hours {
		want[hour(n).Start] = readAt(1)
	}
	require.Equal(e.t, want, s.ReadAt)
}

// cleanable is a table of two versions after the first, with a checkpoint between.
func cleanable(t *testing.T) *buckettest.Memory {
	memory := buckettest.NewMemory()
	table := open(t, memory, delta.Options{})
	commit(t, table, "hour 0", false, windowOf(0))
	checkpoint(t, table, 1)
	commit(t, table, "hour 1", false, windowOf(1))
	return memory
}

// part of what other processes do.
type part func(e *eraScene, table offline.Table) error

// others is what other processes do while one stands still: they cover two more
// hours, write a checkpoint, and clean the log of all versions before it.
var others = []part{
	func(e *eraScene, table offline.Table) error {
		for _, n := range []int{2, 3} {
			if _, err := e.commit(table, n); err != nil {
				return err
			}
		}
		return nil
	},
	func(e *eraScene, table offline.Table) error {
		e.pass(week)
		_, err := table.Checkpoint(e.t.Context(), 1)
		return err
	},
	func(e *eraScene, table offline.Table) error {
		e.pass(week + time.Hour)
		_, err := table.CleanLog(e.t.Context(), week)
		return err
	},
}

// stopTwice runs act, which stops before its i-th and its j-th step for what others
// do: the first parts of it, and the rest. A step is a call of the bucket or a look
// at the clock. It reports whether act had so many steps.
func stopTwice(t *testing.T, memory *buckettest.Memory, others []part, parts, i, j int, act func(e *eraScene, table offline.Table)) bool {
	e := newEraScene(t, memory)
	other, err := e.open(e.era, e.now)
	require.NoError(t, err)
	step, done := -1<<30, 0
	var steps sync.Mutex
	stop := func() {
		steps.Lock()
		defer steps.Unlock()
		until := done
		switch step++; {
		case step >= j:
			until = len(others)
		case step >= i:
			until = parts
		}
		for ; done < until; done++ {
			require.NoError(t, others[done](e, other))
		}
	}
	b := buckettest.Faulty{Bucket: e.era, Hook: func(string, string) buckettest.Fault {
		stop()
		return buckettest.None
	}}
	table, err := e.open(b, func() time.Time {
		stop()
		return e.now()
	})
	require.NoError(t, err)
	step = -1
	act(e, table)
	if done < len(others) {
		return false
	}
	for _, table := range []offline.Table{table, other} {
		_, err := e.look(table)
		require.NoError(t, err)
	}
	return true
}

// stopAnywhere tries all steps at which a process can stop for all that others do,
// and a sixth of the pairs of steps between which they do it.
func stopAnywhere(t *testing.T, others []part, act func(e *eraScene, table offline.Table)) {
	memory := cleanable(t)
	for parts := 1; parts < len(others); parts++ {
		for i := 0; stopTwice(t, memory, others, parts, i, i, act); i++ {
			for j := i + 1 + i%6; stopTwice(t, memory, others, parts, i, j, act); j += 6 {
			}
		}
	}
}

// A commit that was planned long ago may find its number free, in the hole that a
// cleanup left. It is planned again then.
func TestACommitterMayStandStillAcrossCheckpointAndCleanup_B2_B3(t *testing.T) {
	t.Parallel()
	runs, holes := 0, 0
	stopAnywhere(t, others, func(e *eraScene, table offline.Table) {
		version, err := e.commit(table, 5)
		require.NoError(t, err)
		s, err := e.look(table)
		require.NoError(t, err)
		require.Contains(t, s.ReadAt, hour(5).Start)
		runs++
		data, err := e.Get(t.Context(), logKey(3))
		if err == nil && version != 3 && strings.Contains(string(data), "hour 5") {
			holes++
			e.requireCovered(0, 1, 2, 3, 5)
		}
	})
	require.Positive(t, holes)
	t.Logf("%d runs, %d with a version in the hole", runs, holes)
}

// A version that was put into a hole is read by nobody, though here it joins the
// versions that the stopped reader knows with those that are left.
func TestAReaderMayStandStillAcrossCheckpointAndCleanup_B2(t *testing.T) {
	t.Parallel()
	straying := slices.Clone(others)
	straying[2] = func(e *eraScene, table offline.Table) error {
		if err := others[2](e, table); err != nil {
			return err
		}
		stray := fmt.Sprintf(`{"txn":{"appId":"w/%v","version":%d}}`, hour(9).Start, readAt(9))
		return e.Memory.PutIfAbsent(t.Context(), logKey(3), []byte(stray))
	}
	stopAnywhere(t, straying, func(e *eraScene, table offline.Table) {
		for range 2 {
			s, err := e.look(table)
			require.NoError(t, err)
			changes, err := table.Changes(t.Context(), 2, s.Version)
			if err != nil {
				require.ErrorIs(t, err, offline.ErrHistoryGone)
				continue
			}
			for i, change := range changes {
				require.Equal(t, hour(2+i), change.Windows[0])
			}
		}
	})
}

// A maintainer that is stopped at any step has done no harm, and what it did is
// finished by a call after it, beside a committer and a reader.
func TestCheckpointAndCleanupMayBeStoppedAtAnyStep_B2_B3(t *testing.T) {
	t.Parallel()
	memory := cleanable(t)
	for name, plan := range map[string]buckettest.Plan{
		"alone":  {Faults: 1},
		"beside": {Faults: 2, Random: 40, Seed: uint64(time.Now().UnixNano())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			buckettest.Explore(t, plan, func(t *testing.T, s *buckettest.Schedule) {
				e := newEraScene(t, memory)
				e.pass(week + time.Hour)
				s.Go("maintainer", e.actor(func(table offline.Table) error {
					if _, err := table.Checkpoint(t.Context(), 1); err != nil {
						return err
					}
					e.pass(week + time.Hour)
					_, err := table.CleanLog(t.Context(), week)
					return err
				}))
				want := []int{0, 1}
				if plan.Random > 0 {
					want = append(want, 2)
					s.Go("committer", e.actor(func(table offline.Table) error {
						_, err := e.commit(table, 2)
						return err
					}))
					s.Go("reader", e.actor(func(table offline.Table) error {
						for range 2 {
							if _, err := e.look(table); err != nil {
								return err
							}
						}
						return nil
					}))
				}
				s.Finally(func() {
					e.requireCovered(want...)
					require.False(t, exists(t, e.era, logKey(0)), "the log is cleaned")
				})
			})
		})
	}
}

// actor returns a process that opens the table, in each of its lives, and acts.
func (e *eraScene) actor(act func(table offline.Table) error) func(*buckettest.Process) error {
	return func(p *buckettest.Process) error {
		table, err := e.open(p.Bucket(e.era), e.now)
		if err != nil {
			return err
		}
		return act(table)
	}
}
