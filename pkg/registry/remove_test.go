package registry_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

// aged is a bucket whose objects were put some days ago.
type aged struct {
	bucket.Bucket
	days map[int64]int // by generation
}

func (a aged) Stat(ctx context.Context, key string) (bucket.Info, error) {
	info, err := a.Bucket.Stat(ctx, key)
	for number, days := range a.days {
		if strings.HasSuffix(key, fmt.Sprintf("/%019d.json", number)) {
			info.ModTime = info.ModTime.Add(-time.Duration(days) * 24 * time.Hour)
		}
	}
	return info, err
}

func TestAStoreIsUsedUntilTheGenerationAfterItsLastIsOld(t *testing.T) {
	t.Parallel()
	days := map[int64]int{1: 30, 2: 10, 3: 8, 4: 1}
	h := newHistory(t, aged{open(t), days})
	a, b := "v/"+h.fingerprint("a"), "v/"+h.fingerprint("b")
	h.apply(view("a"))
	h.apply(view("b"))            // fills
	h.switchOver()                // b serves
	h.apply(feature.Repository{}) // the view is deleted
	for since, want := range map[int][]string{0: {}, 2: {b}, 7: {b}, 9: {a, b}, 100: {a, b}} {
		newest, used, err := h.UsedSince(t.Context(), "prod", time.Now().Add(-time.Duration(since)*24*time.Hour))
		require.NoError(t, err)
		require.Equal(t, h.last, newest)
		require.ElementsMatch(t, want, slices.Collect(maps.Keys(used)), "%d days", since)
	}
}

// table returns definitions of one table, whose stored data is told by its features.
func table(key string, features int) feature.Repository {
	schema := feature.Schema{{Name: key, Type: feature.Int64}, {Name: "at", Type: feature.Timestamp}}
	for i := range features {
		schema = append(schema, feature.Field{Name: fmt.Sprint("f", i), Type: feature.Int64})
	}
	return feature.Repository{
		Entities: []feature.Entity{{Metadata: feature.Metadata{Name: "e"}, JoinKeys: schema[:1]}},
		FeatureTables: []feature.FeatureTable{{
			Metadata: feature.Metadata{Name: "v"}, Entities: []string{"e"}, Schema: schema, Online: true, Offline: true,
		}},
	}
}

func TestRetiredStoresOfATableAreKeptAsLongAsItIsDefined(t *testing.T) {
	t.Parallel()
	h := newHistory(t, open(t))
	used := func() []string {
		_, used, err := h.UsedSince(t.Context(), "prod", time.Now().Add(time.Hour)) // the newest generation alone
		require.NoError(t, err)
		return slices.Collect(maps.Keys(used))
	}
	name := func(s registry.Store) string { return "v/" + s.Fingerprint }
	h.apply(view("a")) // jobs make the store of a view again
	h.apply(table("other", 1))
	var want []string
	for n := range registry.KeptOfTables + 2 {
		want = append(want, name(h.apply(table("id", n+1)).Serving))
	}
	require.ElementsMatch(t, want[1:], used(), "the one that serves and the last that were retired")
	h.apply(view("b"))
	require.Len(t, used(), 1)
	h.apply(table("id", 1))
	require.Contains(t, used(), want[2])
	h.apply(feature.Repository{})
	require.Empty(t, used())
}

func TestARemovedStoreIsNeverUsedAgain(t *testing.T) {
	t.Parallel()
	h := newHistory(t, open(t))
	a, b := h.fingerprint("a"), h.fingerprint("b")
	h.apply(view("a"))
	h.apply(view("b"))
	stores := h.switchOver()
	require.Len(t, stores.Retired, 1)
	_, err := h.Remove(t.Context(), "prod", h.last.Number, []string{"v/" + b}, now)
	require.ErrorContains(t, err, "is used")
	_, err = h.Remove(t.Context(), "prod", h.last.Number-1, []string{"v/" + a}, now)
	require.ErrorContains(t, err, "is used")

	g, err := h.Remove(t.Context(), "prod", h.last.Number, []string{"v/" + a, "gone/" + a}, now)
	require.NoError(t, err)
	require.Equal(t, h.last.Repository, g.Repository)
	require.Empty(t, g.Switched)
	_, err = h.Remove(t.Context(), "prod", h.last.Number, []string{"v/" + a}, now)
	require.ErrorIs(t, err, registry.ErrConflict)
	require.Equal(t, registry.ViewStores{Serving: stores.Serving}, h.read(g))

	stores = h.apply(view("a"))
	again := fmt.Sprintf("%s-%d", a, h.last.Number)
	require.Equal(t, &registry.Store{Fingerprint: again, Generation: h.last.Number}, stores.Filling)
	with := view("a")
	with.BatchFeatureViews[0].TTL = feature.Duration(time.Hour)
	require.Equal(t, again, h.apply(with).Filling.Fingerprint, "it is the same store")
	require.Equal(t, again, h.switchOver().Serving.Fingerprint)
	stores = h.apply(view("a"))
	require.Equal(t, registry.Store{Fingerprint: again, Generation: h.last.Number}, stores.Serving)
	h.apply(view("b"))
	h.switchOver()
	require.Equal(t, again, h.apply(view("a")).Filling.Fingerprint, "a way back finds what is there")
	require.Equal(t, []string{"v/" + a, "gone/" + a}, h.last.Removed)
}
