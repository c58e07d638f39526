package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tilery/tilery/pkg/registry"
)

// Switched tells whether the store of a view that was filling serves now.
type Switched struct {
	Generation int64  `json:"generation,omitempty"` // that made it serve; 0: none did
	Lacks      string `json:"lacks,omitempty"`      // what it lacks; empty if none is filling
}

// SwitchStores has the filling store of a view serve if it can. A view that is gone
// has none.
func (m *Materialize) SwitchStores(ctx context.Context, t Target) (Switched, error) {
	switched, err := m.switchStores(ctx, t.Workspace, t.View)
	return switched, translate(err)
}

func (m *Materialize) switchStores(ctx context.Context, workspace, view string) (Switched, error) {
	result, err := m.Engine.Switch(ctx, workspace, view, m.Clock.Now())
	if errors.Is(err, registry.ErrNotFound) {
		return Switched{}, nil
	}
	return Switched(result), err
}

// ReconcileStores does so for every view of a workspace: a job may have ended
// between its last commit and the switch. It returns what came of each view with
// a store that was filling.
func (m *Materialize) ReconcileStores(ctx context.Context, r ReconcileRequest) (map[string]Switched, error) {
	g, err := m.Engine.Registry.Latest(ctx, r.Workspace)
	if err != nil {
		return nil, translate(err)
	}
	out := map[string]Switched{}
	var problems []error
	for _, view := range slices.Sorted(maps.Keys(g.Stores)) {
		if g.Stores[view].Filling == nil {
			continue
		}
		if out[view], err = m.switchStores(ctx, r.Workspace, view); err != nil {
			problems = append(problems, fmt.Errorf("stores of %s: %w", view, err))
		}
	}
	return out, translate(errors.Join(problems...))
}
