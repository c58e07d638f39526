package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/registry"
)

// maxGenerationsBack bounds the search for a view that was deleted.
const maxGenerationsBack = 100

// StoreRequest names the store that a job writes to.
type StoreRequest struct {
	Target
	Fingerprint string `json:"fingerprint"`
}

// CheckStore says why a job that runs is no longer wanted, by the newest
// generation: its view was deleted, or its store is neither read nor filled any
// more. Empty: it is wanted.
func (m *Materialize) CheckStore(ctx context.Context, r StoreRequest) (skipped string, err error) {
	stores, err := m.live(ctx, r.Target)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return err.Error(), nil
	case err != nil:
		return "", translate(err)
	case stores.Find(r.Fingerprint) == nil:
		return fmt.Sprintf("view %s is stored elsewhere as of generation %d", r.View, stores.Generation), nil
	}
	return "", nil
}

// gone says since when a view is deleted that an earlier generation had; empty if
// none had it, as when its name is misspelt.
func (m *Materialize) gone(ctx context.Context, t Target) (string, error) {
	g, err := m.Engine.Registry.Latest(ctx, t.Workspace)
	if errors.Is(err, registry.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	newest := g.Number
	for number := newest - 1; number > 0 && number >= newest-maxGenerationsBack; number-- {
		if g, err = m.Engine.Registry.Get(ctx, t.Workspace, number); err != nil {
			return "", err
		}
		if g.HasView(t.View) {
			return fmt.Sprintf("view %s was deleted in generation %d", t.View, number+1), nil
		}
	}
	return "", nil
}
