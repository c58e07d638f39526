package serve

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

// prepare returns a generation with those whose definitions serve where its own do
// not yet, because their stores are still being filled.
func (vs *views) prepare(ctx context.Context, g registry.Generation) (*generation, error) {
	out := &generation{Generation: g, older: map[string]*registry.Generation{}}
	read := map[int64]*registry.Generation{}
	for _, name := range slices.Sorted(maps.Keys(g.Stores)) {
		stores := g.Stores[name]
		if stores.Filling == nil {
			continue
		}
		number := stores.Serving.Generation
		if read[number] == nil {
			older, err := vs.registry.Get(ctx, g.Workspace, number)
			if err != nil {
				return nil, fmt.Errorf("definition that serves %s: %w", name, err)
			}
			read[number] = &older
		}
		out.older[name] = read[number]
	}
	return out, nil
}

// viewThatServes resolves a view by the definition of the store that serves.
func (g *generation) viewThatServes(name string) (feature.View, error) {
	if older := g.older[name]; older != nil {
		return older.View(name)
	}
	return g.View(name)
}

// serviceThatServes resolves a service. From a view whose new store is still being
// filled it takes what it took when the old one was defined, or, if it did not use
// the view then, what of its features the old one has, which may be nothing.
func (g *generation) serviceThatServes(name string) (feature.Service, error) {
	service, err := g.Service(name)
	if err != nil {
		return feature.Service{}, err
	}
	for i, taken := range service.Views {
		older := g.older[taken.View.Name]
		if older == nil {
			continue
		}
		if service.Views[i], err = before(older, name, taken); err != nil {
			return feature.Service{}, err
		}
	}
	return service, nil
}

// before returns what a service took from a view as of an older generation.
func before(older *registry.Generation, service string, now feature.ServiceView) (feature.ServiceView, error) {
	if _, ok := older.FeatureService(service); ok {
		then, err := older.Service(service)
		if err != nil {
			return feature.ServiceView{}, err
		}
		i := slices.IndexFunc(then.Views, func(v feature.ServiceView) bool {
			return v.View.Name == now.View.Name && v.Namespace == now.Namespace
		})
		if i >= 0 {
			return then.Views[i], nil
		}
	}
	view, err := older.View(now.View.Name)
	if err != nil {
		return feature.ServiceView{}, err
	}
	all, err := view.Features()
	if err != nil {
		return feature.ServiceView{}, err
	}
	out := feature.ServiceView{View: view, Namespace: now.Namespace, Keys: map[string]string{}}
	for _, f := range all {
		if _, ok := now.Features.Lookup(f.Name); ok {
			out.Features = append(out.Features, f)
		}
	}
	for _, key := range view.JoinKeys() {
		out.Keys[key.Name] = key.Name
		if renamed, ok := now.Keys[key.Name]; ok {
			out.Keys[key.Name] = renamed
		}
	}
	return out, nil
}
