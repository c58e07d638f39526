package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
)

// maxDefinitionAge is how long a server may use a generation before it looks for
// a newer one.
const maxDefinitionAge = time.Second

// views holds the newest generation of each workspace, prepared for reading.
type views struct {
	registry *registry.Registry

	mu         sync.Mutex
	workspaces map[string]*workspace
}

type workspace struct {
	generation registry.Generation
	readAt     time.Time
	views      map[string]*view
}

func (vs *views) get(ctx context.Context, workspaceName, name string) (*view, error) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	w, err := vs.workspace(ctx, workspaceName)
	if err != nil {
		return nil, err
	}
	if v, ok := w.views[name]; ok {
		return v, nil
	}
	definition, err := w.generation.View(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	v, err := prepare(w.generation, definition)
	if err != nil {
		return nil, err
	}
	w.views[name] = v
	return v, nil
}

func prepare(g registry.Generation, definition feature.View) (*view, error) {
	target, err := materialize.NewTarget(g.Workspace, g.Number, definition)
	if err != nil {
		return nil, err
	}
	return newView(target), nil
}

// workspace returns the newest generation, at most maxDefinitionAge old. Only
// workspaces that exist are kept, so requests cannot fill the map.
func (vs *views) workspace(ctx context.Context, name string) (*workspace, error) {
	known := vs.workspaces[name]
	if known != nil && time.Since(known.readAt) < maxDefinitionAge {
		return known, nil
	}
	readAt := time.Now()
	g, err := vs.registry.Latest(ctx, name)
	if err != nil {
		return nil, err
	}
	if known == nil || known.generation.Number != g.Number {
		known = &workspace{generation: g, views: map[string]*view{}}
		vs.workspaces[name] = known
	}
	known.readAt = readAt
	return known, nil
}

// forget makes the next request read the workspace's newest generation.
func (vs *views) forget(name string) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	delete(vs.workspaces, name)
}
