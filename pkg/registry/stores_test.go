package registry_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// view returns definitions of one view whose stored data is told by its SQL.
func view(sql string) feature.Repository {
	return feature.Repository{BatchFeatureViews: []feature.BatchFeatureView{{
		Metadata: feature.Metadata{Name: "v"}, Transformation: sql, Offline: true, Online: true,
		Schema: feature.Schema{{Name: "n", Type: feature.Int64}},
	}}}
}

// history applies and switches, each time on the newest generation.
type history struct {
	*testing.T
	*registry.Registry
	workspace string
	last      registry.Generation
	begun     window.Time
}

func newHistory(t *testing.T, b bucket.Bucket) *history {
	return &history{T: t, Registry: registry.New(b), workspace: "prod", begun: window.FromTime(time.Now())}
}

func (h *history) apply(repository feature.Repository) registry.ViewStores {
	h.Helper()
	g, err := h.Apply(h.Context(), h.workspace, h.last.Number, repository, now)
	require.NoError(h, err)
	return h.read(g)
}

func (h *history) switchOver() registry.ViewStores {
	h.Helper()
	g, err := h.Switch(h.Context(), h.workspace, h.last.Number, "v", now+5)
	require.NoError(h, err)
	require.Equal(h, "v", g.Switched)
	require.Equal(h, now+5, g.AppliedAt)
	require.Equal(h, h.last.Repository, g.Repository)
	require.Equal(h, h.last.Objects, g.Objects)
	require.NotEqual(h, h.last.ID, g.ID)
	return h.read(g)
}

// read checks that g is what others read, and returns the view's stores.
func (h *history) read(g registry.Generation) registry.ViewStores {
	h.Helper()
	latest, err := h.Latest(h.Context(), h.workspace)
	require.NoError(h, err)
	require.Equal(h, g, latest)
	h.last = g
	return g.Stores["v"]
}

// retired returns the stores and requires that each was retired in the life of h.
func (h *history) retired(s registry.ViewStores) []registry.Store {
	h.Helper()
	var out []registry.Store
	for _, r := range s.Retired {
		require.GreaterOrEqual(h, r.At, h.begun)
		require.LessOrEqual(h, r.At, window.FromTime(time.Now()))
		out = append(out, r.Store)
	}
	return out
}

func (h *history) fingerprint(sql string) string {
	repository := view(sql)
	v, err := repository.View("v")
	require.NoError(h, err)
	fingerprint, err := v.Fingerprint()
	require.NoError(h, err)
	return fingerprint
}

func TestTheOldStoreServesUntilTheNewOneIsSwitchedTo(t *testing.T) {
	t.Parallel()
	h := newHistory(t, open(t))
	a, b, c := h.fingerprint("a"), h.fingerprint("b"), h.fingerprint("c")

	require.Equal(t, registry.ViewStores{Serving: registry.Store{Fingerprint: a, Generation: 1}}, h.apply(view("a")), "a new view")
	with := view("a")
	with.BatchFeatureViews[0].TTL = feature.Duration(time.Hour)
	require.Equal(t, registry.ViewStores{Serving: registry.Store{Fingerprint: a, Generation: 2}}, h.apply(with), "what is stored is the same")

	require.Equal(t, registry.ViewStores{
		Serving: registry.Store{Fingerprint: a, Generation: 2}, Filling: &registry.Store{Fingerprint: b, Generation: 3},
	}, h.apply(view("b")), "the old definition serves the old store")
	with = view("b")
	with.BatchFeatureViews[0].TTL = feature.Duration(time.Hour)
	require.Equal(t, registry.ViewStores{
		Serving: registry.Store{Fingerprint: a, Generation: 2}, Filling: &registry.Store{Fingerprint: b, Generation: 4},
	}, h.apply(with), "the store that is filling follows its newest definition")

	stores := h.apply(view("c"))
	require.Equal(t, registry.Store{Fingerprint: a, Generation: 2}, stores.Serving)
	require.Equal(t, &registry.Store{Fingerprint: c, Generation: 5}, stores.Filling)
	require.Equal(t, []registry.Store{{Fingerprint: b, Generation: 4}}, h.retired(stores), "it was never read")

	stores = h.switchOver()
	require.Equal(t, registry.Store{Fingerprint: c, Generation: 6}, stores.Serving)
	require.Nil(t, stores.Filling)
	require.Equal(t, []registry.Store{{Fingerprint: b, Generation: 4}, {Fingerprint: a, Generation: 2}}, h.retired(stores))

	stores = h.apply(view("a"))
	require.Equal(t, &registry.Store{Fingerprint: a, Generation: 7}, stores.Filling, "a way back is filled like any other store")
	require.Equal(t, []registry.Store{{Fingerprint: b, Generation: 4}}, h.retired(stores), "what is used is not retired")
	stores = h.apply(view("c"))
	require.Equal(t, registry.Store{Fingerprint: c, Generation: 8}, stores.Serving)
	require.Nil(t, stores.Filling, "back to the definition that serves")
	require.Equal(t, []registry.Store{{Fingerprint: b, Generation: 4}, {Fingerprint: a, Generation: 7}}, h.retired(stores))

	h.apply(feature.Repository{})
	require.Empty(t, h.last.Stores, "a view that is deleted has no stores")
	require.Equal(t, registry.ViewStores{Serving: registry.Store{Fingerprint: b, Generation: 10}}, h.apply(view("b")), "and is new afterwards")
}

func TestAnApplyThatLeavesAViewAsItIsLeavesItsStores(t *testing.T) {
	t.Parallel()
	h := newHistory(t, open(t))
	h.apply(view("a"))
	h.apply(view("b"))
	more := view("b")
	other := more.BatchFeatureViews[0]
	other.Name, other.Transformation = "w", "x"
	more.BatchFeatureViews = append(more.BatchFeatureViews, other)
	h.apply(more)
	require.Equal(t, registry.ViewStores{
		Serving: registry.Store{Fingerprint: h.fingerprint("a"), Generation: 1}, Filling: &registry.Store{Fingerprint: h.fingerprint("b"), Generation: 3},
	}, h.last.Stores["v"])
	w := h.last.Stores["w"]
	h.switchOver()
	require.Equal(t, w, h.last.Stores["w"], "a switch is one view's")
}

func TestNothingIsWaitedForThatCannotBeFilled(t *testing.T) {
	t.Parallel()
	without := func(sql string) feature.Repository {
		r := view(sql)
		r.BatchFeatureViews[0].Offline = false
		return r
	}
	for name, c := range map[string]struct {
		workspace string
		changes   []feature.Repository
	}{
		"no offline store any more":     {"prod", []feature.Repository{view("a"), without("b")}},
		"nor while another was filling": {"prod", []feature.Repository{view("a"), view("c"), without("b")}},
		"no offline store until now":    {"prod", []feature.Repository{without("a"), view("b")}},
		"a development workspace":       {"dev", []feature.Repository{view("a"), view("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, open(t))
			h.workspace = c.workspace
			for _, change := range c.changes {
				h.apply(change)
			}
			require.Equal(t, registry.Store{Fingerprint: h.fingerprint("b"), Generation: h.last.Number}, h.last.Stores["v"].Serving)
			require.Nil(t, h.last.Stores["v"].Filling)
		})
	}
}

func TestASwitchNeedsTheNewestGenerationAndAStoreThatIsFilling(t *testing.T) {
	t.Parallel()
	h := newHistory(t, open(t))
	_, err := h.Switch(t.Context(), "prod", 1, "v", now)
	require.ErrorIs(t, err, registry.ErrNotFound)
	_, err = h.Switch(t.Context(), "Prod", 1, "v", now)
	require.ErrorIs(t, err, registry.ErrWorkspace)
	h.apply(view("a"))
	for _, name := range []string{"v", "nothing"} {
		_, err = h.Switch(t.Context(), "prod", 1, name, now)
		require.ErrorIs(t, err, registry.ErrNotFound, name)
	}
	h.apply(view("b"))
	h.apply(view("b"))
	_, err = h.Switch(t.Context(), "prod", 2, "v", now)
	require.ErrorIs(t, err, registry.ErrConflict)
	require.EqualError(t, err, "switch v on generation 2 of prod: the workspace has changed since: something was applied, or a store that was filled began to serve")
	h.switchOver()
	_, err = h.Switch(t.Context(), "prod", 4, "v", now)
	require.ErrorIs(t, err, registry.ErrNotFound, "it serves already")
	_, err = h.Apply(t.Context(), "prod", 3, view("c"), now)
	require.ErrorIs(t, err, registry.ErrConflict, "what was planned before the switch")
}

// TestRacingSwitchesAndAppliesHaveOneWinner loses answers as well.
func TestRacingSwitchesAndAppliesHaveOneWinner(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls := 0
	b := buckettest.Faulty{Bucket: open(t), Hook: func(op, _ string) buckettest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if op != "PutIfAbsent" {
			return buckettest.None
		}
		calls++
		return []buckettest.Fault{buckettest.None, buckettest.LostAnswer, buckettest.None, buckettest.Refused}[calls%4]
	}}
	h := newHistory(t, b)
	h.apply(view("0"))
	for round := range 10 {
		stores := h.apply(view(fmt.Sprint("filling ", round)))
		require.NotNil(t, stores.Filling)
		const racers = 8
		var won [racers]registry.Generation
		var errs [racers]error
		var wait sync.WaitGroup
		for i := range racers {
			r := registry.New(b) // as in another process
			wait.Go(func() {
				if i%2 == 0 {
					won[i], errs[i] = r.Switch(t.Context(), "prod", h.last.Number, "v", now)
				} else {
					won[i], errs[i] = r.Apply(t.Context(), "prod", h.last.Number, view(fmt.Sprint("applied ", round)), now)
				}
			})
		}
		wait.Wait()
		winner := -1
		for i, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, registry.ErrConflict)
				continue
			}
			require.Negative(t, winner, "two winners")
			winner = i
		}
		require.GreaterOrEqual(t, winner, 0, "no winner")
		after := h.read(won[winner])
		if winner%2 == 0 {
			require.Equal(t, stores.Filling.Fingerprint, after.Serving.Fingerprint)
			require.Contains(t, h.retired(after), stores.Serving)
		} else {
			require.Equal(t, stores.Serving, after.Serving)
			require.Contains(t, h.retired(after), *stores.Filling)
		}
	}
}

func TestPlansTellWhatServes(t *testing.T) {
	b := newBench(t)
	require.Empty(t, b.plan().Changes[2].Note)
	b.apply()
	original := b.files
	b.edit(definitions, "owner: flights@example.com\n", "")
	require.Empty(t, b.plan().Changes[0].Note)
	b.edit(sql, "FROM flights", "FROM flights WHERE delay IS NOT NULL")
	require.Equal(t, "keeps serving the old store until the new one is filled", b.plan().Changes[0].Note)
	b.apply()
	b.edit(definitions, "Flights and their arrival delay", "Arrivals")
	require.Equal(t, "takes effect when the store that is filling serves", b.plan().Changes[0].Note)
	b.files = original
	require.Equal(t, "is the definition that serves: what was being filled is dropped", b.plan().Changes[0].Note)
	dev, err := b.planner.Plan(t.Context(), "dev", b.files)
	require.NoError(t, err)
	for _, c := range dev.Changes {
		require.Empty(t, c.Note)
	}
}
