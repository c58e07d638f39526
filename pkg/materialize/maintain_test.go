package materialize_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// agedBucket shows all objects older than they are.
type agedBucket struct {
	bucket.Bucket
	by atomic.Int64
}

func (a *agedBucket) old(info bucket.Info) bucket.Info {
	info.ModTime = info.ModTime.Add(-time.Duration(a.by.Load()))
	return info
}

func (a *agedBucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	info, err := a.Bucket.Stat(ctx, key)
	return a.old(info), err
}

func (a *agedBucket) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		for info, err := range a.Bucket.List(ctx, prefix, after) {
			if !yield(a.old(info), err) {
				return
			}
		}
	}
}

// retired is a view whose second store serves.
type retired struct {
	*replaced
	aged *agedBucket
	view feature.View
	old  *materialize.Target
}

func newRetired(t *testing.T) *retired {
	t.Helper()
	r := &retired{replaced: newReplaced(t, daily(), func(*feature.View) {}), view: daily()}
	r.old = r.stores.Serving
	r.aged = &agedBucket{Bucket: r.bucket}
	r.engine.Bucket, r.engine.Registry = r.aged, registry.New(r.aged)
	r.fill(r.stores.Filling, true, 0, 10)
	require.Empty(t, r.switchOver())
	_, err := r.engine.SaveBuilds(t.Context(), r.old, []offline.Build{r.build(span(0, day))}, "an-attempt")
	require.NoError(t, err)
	return r
}

func (r *retired) remove(dryRun bool) materialize.Maintained {
	r.t.Helper()
	done, err := r.engine.RemoveStores(r.t.Context(), "prod", r.now, materialize.MaintainRequest{DryRun: dryRun})
	require.NoError(r.t, err)
	return done
}

func (r *retired) objects(prefix string) (keys []string) {
	r.t.Helper()
	for info, err := range r.bucket.List(r.t.Context(), prefix, "") {
		require.NoError(r.t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

func nameOf(t *materialize.Target) string { return t.View.Name + "/" + t.Fingerprint }

func TestAStoreIsRemovedOnceNoDefinitionHasUsedItForLong(t *testing.T) {
	t.Parallel()
	r := newRetired(t)
	lost := r.old.CellStore("of-a-lost-status")
	_, err := r.engine.Online.Write(t.Context(), []online.Write{{
		Key:  online.Key{Store: lost, Entity: []byte("e"), Kind: online.KindTile},
		Cell: online.Cell{Version: 1}, Condition: online.IfNotNewer,
	}})
	require.NoError(t, err)
	epoch, _, _, err := online.ReadStatus(t.Context(), r.engine.Online, r.old.Store())
	require.NoError(t, err)
	require.NotEmpty(t, cellsOf(t, r.engine.Online, r.old.CellStore(epoch.Epoch)))
	serving := r.cells()
	all := r.objects("")

	require.Empty(t, r.remove(false), "it was used today")
	r.aged.by.Store(int64(8 * day))
	require.Equal(t, []string{nameOf(r.old)}, r.remove(true).Stores)
	require.Equal(t, all, r.objects(""), "a dry run changes nothing")
	done := r.remove(false)
	require.Equal(t, []string{nameOf(r.old)}, done.Stores)
	require.Greater(t, done.Removed, int64(10))
	require.Positive(t, done.Bytes)

	for _, left := range r.objects("") {
		require.NotContains(t, left, r.old.Fingerprint)
	}
	for _, name := range []string{r.old.Store(), r.old.CellStore(epoch.Epoch), lost} {
		require.Empty(t, cellsOf(t, r.engine.Online, name))
	}
	require.Equal(t, serving, r.cells(), "what serves is as it was")
	require.Empty(t, r.remove(false))

	r.look()
	r.define(r.view)
	require.Equal(t, r.old.Fingerprint+"-5", r.stores.Filling.Fingerprint, "no name is used twice")
	require.Equal(t, 10, r.filled().Missing)
	r.fill(r.stores.Filling, true, 0, 10)
	require.Empty(t, r.switchOver())
	require.Equal(t, r.old.Fingerprint+"-5", r.stores.Serving.Fingerprint)
}

func TestARemovalThatWasKilledIsGoneOnWith(t *testing.T) {
	t.Parallel()
	r := newRetired(t)
	r.aged.by.Store(int64(8 * day))
	_, err := r.engine.Registry.Remove(t.Context(), "prod", r.stores.Generation, []string{nameOf(r.old)}, r.now)
	require.NoError(t, err)
	r.aged.by.Store(0) // nothing but the generation says so
	require.Equal(t, []string{nameOf(r.old)}, r.remove(false).Stores)
	require.Empty(t, r.objects("offline/"+r.old.Store()+"/"))
}

func TestAStoreThatIsUsedIsNotRemoved(t *testing.T) {
	t.Parallel()
	t.Run("a definition came back", func(t *testing.T) {
		t.Parallel()
		r := newRetired(t)
		r.aged.by.Store(int64(8 * day))
		r.define(r.view)
		require.Equal(t, r.old.Fingerprint, r.stores.Filling.Fingerprint)
		require.Empty(t, r.remove(false))
		require.Zero(t, r.filled().Missing)
	})
	t.Run("a definition comes back meanwhile", func(t *testing.T) {
		t.Parallel()
		r := newRetired(t)
		r.aged.by.Store(int64(8 * day))
		once := false
		r.engine.Registry = registry.New(&meanwhile{Bucket: r.aged, before: "registry/prod/", do: func() {
			if !once {
				once = true
				_, err := registry.New(r.bucket).Apply(t.Context(), "prod", r.stores.Generation, repositoryOf(r.view), r.now)
				require.NoError(t, err)
			}
		}})
		require.Empty(t, r.remove(false))
		require.True(t, once)
		r.look()
		require.Equal(t, r.old.Fingerprint, r.stores.Filling.Fingerprint)
		require.Zero(t, r.filled().Missing)
	})
	t.Run("a job fills it", func(t *testing.T) {
		t.Parallel()
		r := newRetired(t)
		r.aged.by.Store(int64(8 * day))
		job := ledger.Job{Workspace: "prod", View: "spending", ID: strings.Repeat("a", 32), Type: ledger.Batch, CreatedAt: start}
		record := func(number int, state ledger.State) {
			require.NoError(t, r.engine.Ledger.Append(t.Context(), job, ledger.Record{
				Entry: ledger.Entry{Number: number, State: state}, At: start, Fingerprint: r.old.Fingerprint,
			}))
		}
		record(1, ledger.Running)
		require.Empty(t, r.remove(false))
		record(2, ledger.Drained)
		require.Equal(t, []string{nameOf(r.old)}, r.remove(false).Stores)
	})
}

// meanwhile does something before an object is put.
type meanwhile struct {
	bucket.Bucket
	before string
	do     func()
}

func (m *meanwhile) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	if strings.HasPrefix(key, m.before) {
		m.do()
	}
	return m.Bucket.PutIfAbsent(ctx, key, data)
}

func TestStoresOfDeletedViewsAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRetired(t)
	_, err := r.engine.Registry.Apply(t.Context(), "prod", r.stores.Generation, feature.Repository{}, r.now)
	require.NoError(t, err)
	require.Empty(t, r.remove(false))
	r.aged.by.Store(int64(8 * day))
	names := []string{nameOf(r.old), nameOf(r.stores.Serving)}
	slices.Sort(names)
	require.Equal(t, names, r.remove(false).Stores)
	require.Empty(t, r.objects("offline/"))
	require.Empty(t, r.objects("builds/"))
}

func TestWhatJobsHandedOnIsRemovedWhenItIsOld(t *testing.T) {
	t.Parallel()
	r := newRetired(t)
	build := r.build(span(0, day))
	key, err := r.engine.SaveBuilds(t.Context(), r.stores.Serving, []offline.Build{build}, "another-attempt")
	require.NoError(t, err)
	staged := func(dryRun bool) int64 {
		done, err := r.engine.RemoveStaged(t.Context(), "prod", "spending", materialize.MaintainRequest{DryRun: dryRun})
		require.NoError(t, err)
		return done.Removed
	}
	require.Zero(t, staged(false))
	r.aged.by.Store(int64(8 * day))
	require.Equal(t, int64(2), staged(true))
	_, err = r.engine.LoadBuilds(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, int64(2), staged(false))
	_, err = r.engine.LoadBuilds(t.Context(), key)
	require.ErrorIs(t, err, offline.ErrStale, "the job builds it again")
	require.NotEmpty(t, r.objects("offline/"+r.old.Store()+"/"))
}

// Compaction and the rest change neither what is read nor what is covered.
func TestMaintenanceOfATableChangesNoValue(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(5), 300, span(0, 2*day))
	u := newUpkept(t, newView(hour, hour, 6*hour), &events)
	u.engine.Maintenance = materialize.Maintenance{CheckpointEvery: 5}
	for _, w := range span(0, 2*day).Split(hour) {
		u.commit(false, true, u.build(w))
	}
	u.apply()
	cells, covered, before := u.cells(), u.snapshot().Covered, len(u.snapshot().Files)
	steps := []func(context.Context, *materialize.Target, window.Time, materialize.MaintainRequest) (materialize.Maintained, error){
		u.engine.Compact, u.engine.TrimLog, u.engine.Vacuum,
	}
	for round := range 3 {
		for i, step := range steps {
			id := "run/" + string(rune('a'+i)) + string(rune('0'+round))
			done, err := step(t.Context(), u.target, u.now(), materialize.MaintainRequest{ID: id})
			require.NoError(t, err)
			again, err := step(t.Context(), u.target, u.now(), materialize.MaintainRequest{ID: id})
			require.NoError(t, err)
			if i == 0 {
				require.Equal(t, done, again, "an attempt that is made again finds what the first one did")
			}
		}
		u.ahead.Add(int64(8 * day))
	}
	require.Less(t, len(u.snapshot().Files), before/4)
	require.Equal(t, covered, u.snapshot().Covered)
	require.Zero(t, u.apply().Cells, "compaction is nothing to follow")
	require.Equal(t, cells, u.cells())

	none := newTarget(t, newView(day, day))
	for _, step := range steps {
		done, err := step(t.Context(), none, u.now(), materialize.MaintainRequest{ID: "none"})
		require.NoError(t, err)
		require.Zero(t, done)
	}
	require.Empty(t, (&retired{replaced: &replaced{scene: u.scene}}).objects("offline/"+none.Store()), "no table is made by looking for it")
}

func (u *upkept) now() window.Time { return start.Add(30 * day) }
