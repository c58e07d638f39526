package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/feature"
)

// Serving is a generation with the definitions that its stores are read by. They
// are older than its own where a new store is still being filled. It is immutable.
type Serving struct {
	Generation
	// older has, of each view whose newest definition does not serve yet, the
	// generation that does.
	older map[string]*Generation
}

// Serving adds to a generation those whose definitions serve in its stead.
func (r *Registry) Serving(ctx context.Context, g Generation) (*Serving, error) {
	out := &Serving{Generation: g, older: map[string]*Generation{}}
	read := map[int64]*Generation{}
	for _, name := range slices.Sorted(maps.Keys(g.Stores)) {
		stores := g.Stores[name]
		if stores.Filling == nil {
			continue
		}
		number := stores.Serving.Generation
		if read[number] == nil {
			older, err := r.Get(ctx, g.Workspace, number)
			if err != nil {
				return nil, fmt.Errorf("definition that serves %s: %w", name, err)
			}
			read[number] = &older
		}
		out.older[name] = read[number]
	}
	return out, nil
}

// ServingView resolves a view by the definition of the store that serves.
func (s *Serving) ServingView(name string) (feature.View, error) {
	if older := s.older[name]; older != nil {
		return older.View(name)
	}
	return s.View(name)
}

// ServingService resolves a service. From a view whose new store is still being
// filled it takes what it took when the old one was defined, or, if it did not use
// the view then, what of its features the old one has, which may be nothing.
func (s *Serving) ServingService(name string) (feature.Service, error) {
	service, err := s.Service(name)
	if err != nil {
		return feature.Service{}, err
	}
	for i, taken := range service.Views {
		older := s.older[taken.View.Name]
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
func before(older *Generation, service string, now feature.ServiceView) (feature.ServiceView, error) {
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
