package serve

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

const (
	// refreshAge is how old a generation may be before the server looks for a newer
	// one, beside the requests that go on with what it has.
	refreshAge = time.Second
	// maxAge is how old it may be for a request to use it: within a minute, as in
	// Tecton, every server knows what was applied, and a bucket that is slow or away
	// for less than that is not noticed.
	maxAge = time.Minute
	// refreshTimeout bounds one look.
	refreshTimeout = 10 * time.Second
)

// views holds the newest generation of each workspace, prepared for reading. Only
// workspaces that exist are kept, so requests cannot fill it.
type views struct {
	registry *registry.Registry
	logger   *slog.Logger
	looks    singleflight.Group // by workspace

	mu         sync.RWMutex
	workspaces map[string]*workspace
}

// workspace is a generation as it was the newest at a time. It is immutable.
type workspace struct {
	*generation
	asked time.Time // when it was the newest
	tried time.Time // when the server last asked, also in vain
}

// generation prepares its queries when they are first asked for.
type generation struct {
	*registry.Serving
	prepared sync.Map // locator -> *query
}

// locator names a feature service, or a feature view or table.
type locator struct {
	service bool
	name    string
}

func newViews(r *registry.Registry, logger *slog.Logger) *views {
	return &views{registry: r, logger: logger, workspaces: map[string]*workspace{}}
}

// get returns a query as of the newest generation, registry.ErrNotFound when there
// is none of that name.
func (vs *views) get(ctx context.Context, workspaceName string, l locator) (*query, error) {
	g, err := vs.generation(ctx, workspaceName)
	if err != nil {
		return nil, err
	}
	return g.query(l)
}

func (vs *views) generation(ctx context.Context, name string) (*generation, error) {
	known := vs.known(name)
	usable := known != nil && time.Since(known.asked) < maxAge
	if usable && time.Since(known.tried) < refreshAge {
		return known.generation, nil
	}
	// The look serves all who wait for it, so it outlives the one who began it.
	background := context.WithoutCancel(ctx)
	look := vs.looks.DoChan(name, func() (any, error) { return vs.look(background, name, usable) })
	if usable {
		return known.generation, nil
	}
	select {
	case answer := <-look:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*generation), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (vs *views) known(name string) *workspace {
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	return vs.workspaces[name]
}

// look asks the registry. A failure is logged when nobody waits for the answer.
func (vs *views) look(ctx context.Context, name string, alone bool) (*generation, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	asked := time.Now()
	g, err := vs.registry.Latest(ctx, name)
	var next *generation
	if err == nil {
		next, err = vs.install(ctx, g, asked)
	}
	if err != nil {
		vs.failed(name, asked)
		if alone {
			vs.logger.Warn("look for new definitions", "workspace", name, "error", err)
		}
		return nil, err
	}
	return next, nil
}

// install makes g what requests see, unless a newer one is there: a look that
// began before an apply may end after it.
func (vs *views) install(ctx context.Context, g registry.Generation, asked time.Time) (*generation, error) {
	if known := vs.known(g.Workspace); known != nil && known.Number >= g.Number {
		return vs.put(&generation{Serving: &registry.Serving{Generation: g}}, asked), nil
	}
	next, err := vs.registry.Serving(ctx, g)
	if err != nil {
		return nil, err
	}
	return vs.put(&generation{Serving: next}, asked), nil
}

// put returns what requests see from now on: next, or what is known if that is as
// new, with the queries that it has prepared, or newer.
func (vs *views) put(next *generation, asked time.Time) *generation {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	known := vs.workspaces[next.Workspace]
	switch {
	case known != nil && known.Number > next.Number:
		return known.generation
	case known != nil && known.Number == next.Number:
		next = known.generation
	}
	vs.workspaces[next.Workspace] = &workspace{generation: next, asked: asked, tried: asked}
	return next
}

// failed notes a look that got no answer, so that the next one waits its turn.
func (vs *views) failed(name string, tried time.Time) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if known := vs.workspaces[name]; known != nil {
		vs.workspaces[name] = &workspace{generation: known.generation, asked: known.asked, tried: tried}
	}
}

func (g *generation) query(l locator) (*query, error) {
	if q, ok := g.prepared.Load(l); ok {
		return q.(*query), nil
	}
	service, err := g.service(l)
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", g.Workspace, err)
	}
	q, err := newQuery(&g.Generation, service)
	if err != nil {
		return nil, fmt.Errorf("prepare %s of workspace %s: %w", l.name, g.Workspace, err)
	}
	prepared, _ := g.prepared.LoadOrStore(l, q)
	return prepared.(*query), nil
}

// service resolves what l names; a view is a service with all of its features.
func (g *generation) service(l locator) (feature.Service, error) {
	if l.service {
		if _, ok := g.FeatureService(l.name); !ok {
			return feature.Service{}, fmt.Errorf("feature service %q: %w", l.name, registry.ErrNotFound)
		}
		return g.ServingService(l.name)
	}
	if !g.HasView(l.name) {
		return feature.Service{}, fmt.Errorf("feature view %q: %w", l.name, registry.ErrNotFound)
	}
	v, err := g.ServingView(l.name)
	if err != nil {
		return feature.Service{}, err
	}
	return v.Alone()
}
