package materialize_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// replaced is a scene whose view is applied, filled for days 0 to 9, and then
// defined anew, at day 10.
type replaced struct {
	*scene
	now    window.Time
	stores materialize.Stores
}

func newReplaced(t *testing.T, view feature.View, change func(*feature.View)) *replaced {
	t.Helper()
	events := randomEvents(seeded(4), 200, span(-3*day, 10*day))
	r := &replaced{scene: newMemoryScene(t, view, &events), now: start.Add(10 * day)}
	r.engine.Bucket = r.bucket
	r.engine.Registry, r.engine.Ledger = registry.New(r.bucket), ledger.New(r.bucket)
	r.define(view)
	r.fill(r.stores.Serving, true, 0, 10)
	next := view
	next.Transformation += " -- anew"
	change(&next)
	r.define(next)
	require.NotNil(t, r.stores.Filling)
	return r
}

// define applies a definition of the view on the newest generation.
func (r *replaced) define(view feature.View) {
	r.t.Helper()
	_, err := r.engine.Registry.Apply(r.t.Context(), "prod", r.stores.Generation, repositoryOf(view), r.now)
	require.NoError(r.t, err)
	r.look()
}

func repositoryOf(view feature.View) feature.Repository {
	return feature.Repository{
		Entities: view.Entities, BatchSources: []feature.BatchSource{view.Sources[0].BatchSource},
		BatchFeatureViews: []feature.BatchFeatureView{view.BatchFeatureView},
	}
}

func (r *replaced) look() {
	r.t.Helper()
	var err error
	r.stores, err = r.engine.Stores(r.t.Context(), "prod", "spending")
	require.NoError(r.t, err)
}

// fill commits days to a store that they are not in yet.
func (r *replaced) fill(t *materialize.Target, followed bool, from, to int) {
	r.t.Helper()
	r.target = t
	var err error
	r.table, err = r.engine.Table(r.t.Context(), t, r.now)
	require.NoError(r.t, err)
	var builds []offline.Build
	step := t.View.Schedule()
	for _, w := range span(time.Duration(from)*day, time.Duration(to)*day).Split(step) {
		builds = append(builds, r.build(w))
	}
	r.commit(false, followed, builds...)
	if followed {
		r.apply()
	}
}

func (r *replaced) filled() materialize.Filled {
	r.t.Helper()
	filled, err := r.engine.Filled(r.t.Context(), r.stores, r.now)
	require.NoError(r.t, err)
	return filled
}

// switchOver has the filling store serve, or says what it lacks.
func (r *replaced) switchOver() (lacks string) {
	r.t.Helper()
	before := r.stores
	result, err := r.engine.Switch(r.t.Context(), "prod", "spending", r.now)
	require.NoError(r.t, err)
	r.look()
	if result.Generation == 0 {
		require.Equal(r.t, before, r.stores)
		require.NotEmpty(r.t, result.Lacks)
		return result.Lacks
	}
	require.Equal(r.t, result.Generation, r.stores.Generation)
	require.Equal(r.t, before.Filling.Fingerprint, r.stores.Serving.Fingerprint)
	require.Equal(r.t, r.stores.Generation, r.stores.Serving.Generation)
	require.Nil(r.t, r.stores.Filling)
	return ""
}

// daily is a view of days with a window of two.
func daily() feature.View { return newView(day, day, 2*day) }

func TestAStoreServesOnceItCoversWhatTheOneCoversThatServes(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	require.Equal(t, materialize.Filled{
		Wanted: 10, Missing: 10, Lacks: "10 of 10 windows that the serving store covers, the newest in [2001-01-04T00:00:00Z, 2001-01-14T00:00:00Z)",
	}, r.filled())
	filling := r.stores.Filling
	r.fill(filling, true, 5, 10)
	r.fill(filling, true, 0, 3)
	require.Equal(t, "2 of 10 windows that the serving store covers, the newest in [2001-01-07T00:00:00Z, 2001-01-09T00:00:00Z)", r.switchOver())
	r.fill(filling, false, 3, 5)
	require.Equal(t, materialize.Filled{Wanted: 10}, r.filled(), "days that requests need no more are not needed online")
	r.fill(r.stores.Serving, true, -1, 0)
	require.Equal(t, materialize.Filled{
		Wanted: 11, Missing: 1, Lacks: "1 of 11 windows that the serving store covers, the newest in [2001-01-03T00:00:00Z, 2001-01-04T00:00:00Z)",
	}, r.filled(), "what serves goes on")
	r.fill(filling, false, -1, 0)
	require.Empty(t, r.switchOver())
	result, err := r.engine.Switch(t.Context(), "prod", "spending", r.now)
	require.NoError(t, err)
	require.Equal(t, materialize.SwitchResult{}, result, "nothing is filling")
	_, err = r.engine.Switch(t.Context(), "prod", "nothing", r.now)
	require.ErrorIs(t, err, registry.ErrNotFound)
}

func TestAStoreThatIsBehindOnlineDoesNotServe(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	r.fill(r.stores.Filling, true, 0, 9)
	r.fill(r.stores.Filling, false, 9, 10)
	require.Equal(t, "1 of 2 windows in the online store, the newest in [2001-01-13T00:00:00Z, 2001-01-14T00:00:00Z)", r.switchOver())

	r = newReplaced(t, daily(), func(v *feature.View) { v.Online = false })
	r.fill(r.stores.Filling, false, 0, 10)
	require.Empty(t, r.switchOver(), "a view that is not online has nothing to follow")
}

func TestAStoreWaitsUntilItsLongerWindowCanBeRead(t *testing.T) {
	t.Parallel()
	longer := daily()
	r := newReplaced(t, longer, func(v *feature.View) { v.Aggregations = newView(day, day, 12*day).Aggregations })
	r.fill(r.stores.Filling, true, 0, 10)
	require.Equal(t, "an online store that can be read at 2001-01-14T00:00:00Z: the longest window before that is not covered", r.switchOver())
	r.fill(r.stores.Filling, true, -2, 0)
	require.Empty(t, r.switchOver())
}

func TestWhatADefinitionDoesNotWantIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   func(*feature.View)
		from, to int // what is enough
	}{
		"a later start":  {func(v *feature.View) { v.FeatureStartTime = start.Add(7 * day) }, 5, 10},
		"a longer delay": {func(v *feature.View) { v.Sources[0].BatchConfig.DataDelay = feature.Duration(day + hour) }, -2, 8},
		"a wider schedule, whose newest window is not complete": {func(v *feature.View) {
			v.BatchSchedule, v.Aggregations = feature.Duration(3*day), newView(day, 3*day, 3*day).Aggregations
		}, -1, 8},
		"a closer schedule": {func(v *feature.View) {
			v.BatchSchedule, v.AggregationInterval = feature.Duration(12*hour), feature.Duration(12*hour)
		}, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplaced(t, daily(), func(v *feature.View) {
				v.Sources = append([]feature.Source(nil), v.Sources...)
				c.change(v)
			})
			step := max(1, int(r.stores.Filling.View.Schedule()/day))
			r.fill(r.stores.Filling, true, c.from, c.to-step)
			require.NotEmpty(t, r.switchOver())
			r.fill(r.stores.Filling, true, c.to-step, c.to)
			require.Empty(t, r.switchOver())
		})
	}
}

func TestWhatIsHeldBackIsNotWaitedForExceptWhereItIsRead(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	r.fill(r.stores.Filling, true, 6, 9)
	hold := func(from, to time.Duration) {
		require.NoError(t, r.engine.Hold(t.Context(), r.stores.Filling, window.NewSet(span(from, to)), "", r.now))
		r.target = r.stores.Filling
		r.apply()
	}
	hold(0, 6*day)
	require.Equal(t, 1, r.filled().Missing)
	hold(9*day, 10*day)
	require.Equal(t, "1 of 2 windows in the online store, the newest in [2001-01-13T00:00:00Z, 2001-01-14T00:00:00Z)", r.switchOver(),
		"a backfill that is cancelled gives nobody nulls")
	r.fill(r.stores.Filling, true, 9, 10)
	require.Empty(t, r.switchOver())
}

func TestAStoreThatWasNeverFilledIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	r := &replaced{scene: newMemoryScene(t, daily(), new([]event)), now: start.Add(10 * day)}
	r.engine.Bucket, r.engine.Registry = r.bucket, registry.New(r.bucket)
	r.define(daily())
	next := daily()
	next.Transformation += " -- anew"
	r.define(next)
	require.NotNil(t, r.stores.Filling)
	require.Empty(t, r.switchOver())
	for info, err := range r.bucket.List(t.Context(), "offline/", "") {
		require.NoError(t, err)
		require.NotContains(t, info.Key, r.stores.Serving.Fingerprint, "asking creates no store")
	}
}

func TestStoresAreThoseOfTheirOwnDefinitions(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(v *feature.View) { v.TTL = feature.Duration(day) })
	require.Equal(t, int64(1), r.stores.Serving.Generation)
	require.Equal(t, int64(2), r.stores.Filling.Generation)
	require.Zero(t, r.stores.Serving.View.TTL)
	require.Equal(t, feature.Duration(day), r.stores.Filling.View.TTL)
	require.Equal(t, r.stores.Filling, r.stores.Newest())
	for _, store := range r.stores.All() {
		require.Equal(t, store, r.stores.Find(store.Fingerprint))
	}
	require.Nil(t, r.stores.Find("0123456789abcdef"))
	newest, err := r.engine.Target(t.Context(), "prod", 0, "spending")
	require.NoError(t, err)
	require.Equal(t, r.stores.Filling, newest)

	for _, name := range []string{"", "spending"} {
		online, err := r.engine.OnlineViews(t.Context(), "prod", name)
		require.NoError(t, err)
		require.Equal(t, r.stores.All(), online, "both stores are restored")
	}
	_, err = r.engine.OnlineViews(t.Context(), "prod", "nothing")
	require.ErrorIs(t, err, registry.ErrNotFound)
	offlineOnly := daily()
	offlineOnly.Online = false
	r.define(offlineOnly)
	_, err = r.engine.OnlineViews(t.Context(), "prod", "spending")
	require.ErrorIs(t, err, materialize.ErrRange)
}

// onPut has meanwhile called before the first generation is put from now on.
func (r *replaced) onPut(meanwhile func(*registry.Registry)) {
	plain, once := r.engine.Registry, sync.Once{}
	r.engine.Registry = registry.New(buckettest.Faulty{Bucket: r.bucket, Hook: func(op, key string) buckettest.Fault {
		if op == "PutIfAbsent" && strings.HasPrefix(key, "registry/") {
			once.Do(func() { meanwhile(plain) })
		}
		return buckettest.None
	}})
}

func TestASwitchThatLosesToAnApplyLooksAgain(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	r.fill(r.stores.Filling, true, 0, 10)
	other := daily()
	other.Transformation += " -- once more"
	r.onPut(func(plain *registry.Registry) {
		_, err := plain.Apply(t.Context(), "prod", 2, repositoryOf(other), r.now)
		require.NoError(t, err)
	})
	serving := r.stores.Serving
	result, err := r.engine.Switch(t.Context(), "prod", "spending", r.now)
	require.NoError(t, err)
	require.Zero(t, result.Generation)
	require.Contains(t, result.Lacks, "10 of 10 windows")
	r.look()
	require.Equal(t, int64(3), r.stores.Generation)
	require.Equal(t, serving, r.stores.Serving)
	require.Equal(t, other.Transformation, r.stores.Filling.View.Transformation, "the apply is not lost")

	r.fill(r.stores.Filling, true, 0, 10)
	described := other
	described.Description = "no other data"
	r.onPut(func(plain *registry.Registry) {
		_, err := plain.Apply(t.Context(), "prod", 3, repositoryOf(described), r.now)
		require.NoError(t, err)
	})
	require.Empty(t, r.switchOver(), "and tries again where it still can")
	require.Equal(t, int64(5), r.stores.Generation)
	require.Equal(t, "no other data", r.stores.Serving.View.Description)
}

func TestOfTwoSwitchesOneWins(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	r.fill(r.stores.Filling, true, 0, 10)
	r.onPut(func(plain *registry.Registry) {
		other := *r.engine
		other.Registry = plain
		result, err := other.Switch(t.Context(), "prod", "spending", r.now)
		require.NoError(t, err)
		require.Equal(t, int64(3), result.Generation)
	})
	result, err := r.engine.Switch(t.Context(), "prod", "spending", r.now)
	require.NoError(t, err)
	require.Equal(t, materialize.SwitchResult{}, result)
	r.look()
	require.Equal(t, int64(3), r.stores.Generation)
}

// opening is an offline store that says when a table is opened.
type opening struct {
	offline.Store
	open func(path string)
}

func (o opening) Open(ctx context.Context, spec offline.Spec) (offline.Table, error) {
	o.open(spec.Path)
	return o.Store.Open(ctx, spec)
}

// TestAWindowThatComesDuringTheCheckIsSeen gives both stores a window while they
// are compared, the one that serves first.
func TestAWindowThatComesDuringTheCheckIsSeen(t *testing.T) {
	t.Parallel()
	r := newReplaced(t, daily(), func(*feature.View) {})
	r.fill(r.stores.Filling, true, 0, 10)
	plain, comes := r.engine.Offline, true
	r.engine.Offline = opening{plain, func(path string) {
		if comes && strings.HasSuffix(path, r.stores.Serving.Fingerprint) {
			comes = false
			during := *r.scene
			engine := *r.engine
			engine.Offline = plain
			during.engine = &engine
			(&replaced{scene: &during, now: r.now}).fill(r.stores.Serving, true, -1, 0)
		}
	}}
	require.Contains(t, r.switchOver(), "1 of 11 windows")
}
