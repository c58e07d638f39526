package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// KeptOfTables is how many stores of a feature table are kept after they were retired.
const KeptOfTables = 16

// UsedSince returns the newest generation and the stores, as view/fingerprint, that
// any generation reads or fills which was the newest at some time since: by the
// bucket's clock, whatever the product's says. As used count those of a feature table
// that were retired last, too, since nothing could make them again; but not those of other
// join keys, from which no key could be deleted.
func (r *Registry) UsedSince(ctx context.Context, workspace string, since time.Time) (Generation, map[string]bool, error) {
	newest, err := r.Latest(ctx, workspace)
	if err != nil {
		return Generation{}, nil, err
	}
	used, err := r.keptOfTables(ctx, &newest)
	if err != nil {
		return Generation{}, nil, err
	}
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

// keptOfTables returns the retired stores of the feature tables of a generation that are kept.
func (r *Registry) keptOfTables(ctx context.Context, g *Generation) (map[string]bool, error) {
	kept := map[string]bool{}
	for _, table := range g.FeatureTables {
		is, err := g.View(table.Name)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, old := range slices.Backward(g.Stores[table.Name].Retired) {
			if n == KeptOfTables {
				break
			}
			was, err := r.Get(ctx, g.Workspace, old.Generation)
			if err != nil {
				return nil, fmt.Errorf("definition of retired store %s of %s: %w", old.Fingerprint, table.Name, err)
			}
			before, err := was.View(table.Name) // may be no table: jobs make its store again
			if err != nil {
				return nil, err
			}
			if before.Ingested && slices.Equal(before.JoinKeys(), is.JoinKeys()) {
				kept[table.Name+"/"+old.Fingerprint] = true
				n++
			}
		}
	}
	return kept, nil
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
