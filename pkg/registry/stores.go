package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Store names stored data of a view, and the generation whose definition it is
// filled and read with.
type Store struct {
	// Fingerprint is the definition's; with a dash and a generation's number, if the
	// store that had this name was removed before that generation.
	Fingerprint string `json:"fingerprint"`
	Generation  int64  `json:"generation"`
}

// RetiredStore is stored data of a view that is neither read nor filled any more.
// It stays for a while, so that an earlier definition finds it again; see UsedSince.
type RetiredStore struct {
	Store
	At window.Time `json:"at"` // real time, since it ages whatever the product's clock says
}

// ViewStores are the stores of a view.
type ViewStores struct {
	// Serving is the store that requests read.
	Serving Store `json:"serving"`
	// Filling is the store of the newest definition until it can serve; nil if the
	// newest definition serves.
	Filling *Store         `json:"filling,omitempty"`
	Retired []RetiredStore `json:"retired,omitempty"` // the latest last
}

// Newest is the store of the newest definition.
func (s ViewStores) Newest() Store {
	if s.Filling != nil {
		return *s.Filling
	}
	return s.Serving
}

// change returns the stores after a change to which of them are used. A store that
// is used no more is retired, a retired one that is used again is not.
func (s ViewStores) change(serving Store, filling *Store) ViewStores {
	next := ViewStores{Serving: serving, Filling: filling}
	retire := func(old RetiredStore) {
		used := old.Fingerprint == serving.Fingerprint || filling != nil && old.Fingerprint == filling.Fingerprint
		if !used {
			next.Retired = append(next.Retired, old)
		}
	}
	for _, old := range s.Retired {
		retire(old)
	}
	now := window.FromTime(time.Now())
	retire(RetiredStore{s.Serving, now})
	if s.Filling != nil {
		retire(RetiredStore{*s.Filling, now})
	}
	return next
}

// stores returns the stores of the views and tables of a repository that becomes a
// generation.
// A definition whose stored data is that of the store that serves takes effect
// there at once. Any other gets a store to fill, and the old one serves meanwhile,
// with the definition that it has. Where nothing can be filled, nothing is waited
// for: in a development workspace, of a view without an offline store, and of a
// feature table, whose rows nobody but its owner has.
func stores(base *Generation, repository *feature.Repository, number int64, live bool) (map[string]ViewStores, error) {
	var out map[string]ViewStores
	for _, name := range repository.ViewNames() {
		is, err := fingerprint(repository, name)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[string]ViewStores{}
		}
		before, known := base.Stores[name]
		is = before.named(is, name, number, base.Removed)
		defined := Store{is, number}
		was, _ := base.BatchFeatureView(name)
		view, _ := repository.BatchFeatureView(name) // of a table the zero
		fillable := view.Offline && (was.Offline || before.Filling != nil)
		switch {
		case !known:
			out[name] = ViewStores{Serving: defined}
		case is == before.Serving.Fingerprint || !fillable || !live:
			out[name] = before.change(defined, nil)
		default:
			out[name] = before.change(before.Serving, &defined)
		}
	}
	return out, nil
}

// named returns the fingerprint of the store for a definition: that of a store which
// is there, or a name that was never removed.
func (s ViewStores) named(fingerprint, view string, number int64, removed []string) string {
	there := []Store{s.Serving}
	if s.Filling != nil {
		there = append(there, *s.Filling)
	}
	for _, r := range slices.Backward(s.Retired) {
		there = append(there, r.Store)
	}
	for _, store := range there {
		if defined, _, _ := strings.Cut(store.Fingerprint, "-"); defined == fingerprint {
			return store.Fingerprint
		}
	}
	if slices.Contains(removed, view+"/"+fingerprint) {
		return fmt.Sprintf("%s-%d", fingerprint, number)
	}
	return fingerprint
}

// note tells what the changes of views and tables mean for what is served.
func note(changes []Change, base *Generation, repository *feature.Repository) error {
	next, err := stores(base, repository, base.Number+1, true)
	if err != nil {
		return err
	}
	for i := range changes {
		c := &changes[i]
		is := next[c.Name]
		switch was := base.Stores[c.Name]; {
		case c.Action != Update && c.Action != Recreate:
		case c.Kind == KindTable && c.Action == Recreate:
			c.Note = noteTable(was, is)
		case c.Kind != KindView:
		case is.Filling != nil && c.Action == Recreate:
			c.Note = "keeps serving the old store until the new one is filled"
		case is.Filling != nil:
			c.Note = "takes effect when the store that is filling serves"
		case was.Filling != nil:
			c.Note = "is the definition that serves: what was being filled is dropped"
		}
	}
	return nil
}

// noteTable tells what a feature table serves after its fingerprint changed.
func noteTable(was, is ViewStores) string {
	if slices.ContainsFunc(was.Retired, func(r RetiredStore) bool { return r.Fingerprint == is.Serving.Fingerprint }) {
		return "serves at once, from the store that this definition had before: what was ingested since stays with the other store and must be ingested again"
	}
	return "serves at once, from an empty store: what was ingested stays with the old store and must be ingested again"
}

// Switch writes the generation after base: the same definitions, but the store of
// the view that was filling serves. The caller has seen, as of base, that it can.
// When base is no longer the newest, Switch changes nothing and returns ErrConflict;
// ErrNotFound, when base is not there or no store of the view is filling. After
// bucket.ErrUnknown the generation may have been written.
func (r *Registry) Switch(ctx context.Context, workspace string, base int64, view string, now window.Time) (Generation, error) {
	g, err := r.Get(ctx, workspace, base)
	if err != nil {
		return Generation{}, fmt.Errorf("switch %s on generation %d: %w", view, base, err)
	}
	before := g.Stores[view]
	if before.Filling == nil {
		return Generation{}, fmt.Errorf("switch %s on generation %d of %s: a store that is filling: %w", view, base, workspace, ErrNotFound)
	}
	g.Number, g.AppliedAt, g.Switched = base+1, now, view
	g.Stores = maps.Clone(g.Stores)
	g.Stores[view] = before.change(Store{before.Filling.Fingerprint, g.Number}, nil)
	if err := r.put(ctx, &g); err != nil {
		return Generation{}, fmt.Errorf("switch %s on generation %d of %s: %w", view, base, workspace, err)
	}
	return g, nil
}
