package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// UsedSince returns the newest generation and the stores, as view/fingerprint, that
// any generation reads or fills which was the newest at some time since: by the
// bucket's clock, whatever the product's says.
func (r *Registry) UsedSince(ctx context.Context, workspace string, since time.Time) (Generation, map[string]bool, error) {
	newest, err := r.Latest(ctx, workspace)
	if err != nil {
		return Generation{}, nil, err
	}
	used := map[string]bool{}
	for g := newest; ; {
		for view, stores := range g.Stores {
			used[view+"/"+stores.Serving.Fingerprint] = true
			if stores.Filling != nil {
				used[view+"/"+stores.Filling.Fingerprint] = true
			}
		}
		put, err := r.bucket.Stat(ctx, key(workspace, g.Number))
		if err != nil {
			return Generation{}, nil, fmt.Errorf("look at generation %d of %s: %w", g.Number, workspace, err)
		}
		if g.Number == 1 || put.ModTime.Before(since) {
			return newest, used, nil
		}
		if g, err = r.Get(ctx, workspace, g.Number-1); err != nil {
			return Generation{}, nil, err
		}
	}
}

// Remove writes the generation after base: the same definitions, but the named stores,
// as view/fingerprint, are removed, and their names never used again. Stores that base
// reads or fills are an error. When base is no longer the newest, Remove changes
// nothing and returns ErrConflict. After bucket.ErrUnknown the generation may have
// been written.
func (r *Registry) Remove(ctx context.Context, workspace string, base int64, names []string, now window.Time) (Generation, error) {
	g, err := r.Get(ctx, workspace, base)
	if err != nil {
		return Generation{}, fmt.Errorf("remove stores on generation %d: %w", base, err)
	}
	g.Stores = maps.Clone(g.Stores)
	for view, stores := range g.Stores {
		removed := func(s Store) bool { return slices.Contains(names, view+"/"+s.Fingerprint) }
		if removed(stores.Serving) || stores.Filling != nil && removed(*stores.Filling) {
			return Generation{}, fmt.Errorf("remove %v on generation %d of %s: a store of %s is used", names, base, workspace, view)
		}
		var kept []RetiredStore
		for _, old := range stores.Retired {
			if !removed(old.Store) {
				kept = append(kept, old)
			}
		}
		stores.Retired = kept
		g.Stores[view] = stores
	}
	g.Number, g.AppliedAt, g.Switched = base+1, now, ""
	for _, name := range names {
		if !slices.Contains(g.Removed, name) {
			g.Removed = append(g.Removed, name)
		}
	}
	if err := r.put(ctx, &g); err != nil {
		return Generation{}, fmt.Errorf("remove stores on generation %d of %s: %w", base, workspace, err)
	}
	return g, nil
}
