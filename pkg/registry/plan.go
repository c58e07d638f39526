package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/viewtest"
)

// Plan is the difference between the newest generation and a repository.
type Plan struct {
	Workspace string   `json:"workspace"`
	Live      bool     `json:"live"`            // else a development workspace: nothing will be materialized
	Base      int64    `json:"base_generation"` // 0: nothing was applied yet
	Changes   []Change `json:"changes"`

	Before     feature.Repository               `json:"-"` // as applied
	Repository feature.Repository               `json:"-"` // as planned, with every view's schema filled in
	Described  map[string]transform.Description `json:"-"` // the SQL of each view, by its name
}

// Planner plans changes of a workspace.
type Planner struct {
	Registry *Registry
	Engine   transform.Engine
}

// Plan judges the files and compares them with the newest generation. The error
// is a *repository.Error when the definitions are at fault, a *ProtectedError when
// prevent_destroy forbids a change, repository.ErrTooLarge or ErrWorkspace.
func (p *Planner) Plan(ctx context.Context, workspace string, files []repository.File) (Plan, error) {
	kind, err := p.Registry.Workspace(ctx, workspace)
	if err != nil {
		return Plan{}, err
	}
	parsed, err := repository.Parse(files)
	if err != nil {
		return Plan{}, err
	}
	described, err := p.describe(ctx, parsed)
	if err != nil {
		return Plan{}, err
	}
	if err := p.test(ctx, parsed); err != nil {
		return Plan{}, err
	}
	latest, err := p.Registry.Latest(ctx, workspace)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Plan{}, err
	}
	changes, err := diff(&latest.Repository, &parsed.Repository)
	if err != nil {
		return Plan{}, fmt.Errorf("compare with generation %d of %s: %w", latest.Number, workspace, err)
	}
	if kind.Live {
		if err := protect(&latest.Repository, changes); err != nil {
			return Plan{}, err
		}
		if err := note(changes, &latest, &parsed.Repository); err != nil {
			return Plan{}, fmt.Errorf("stores of generation %d of %s: %w", latest.Number, workspace, err)
		}
	}
	return Plan{
		Workspace: workspace, Live: kind.Live, Base: latest.Number, Changes: changes,
		Before: latest.Repository, Repository: parsed.Repository, Described: described,
	}, nil
}

// test runs the tests of all views, which are not part of what is applied.
func (p *Planner) test(ctx context.Context, parsed *repository.Parsed) error {
	if err := testViews(ctx, p.Engine, parsed, func(viewtest.Result) {}); err != nil {
		return err
	}
	for i := range parsed.BatchFeatureViews {
		parsed.BatchFeatureViews[i].Tests = nil
	}
	return nil
}

func tables(view feature.View) []transform.Table {
	tables := make([]transform.Table, len(view.Sources))
	for i, s := range view.Sources {
		tables[i] = transform.Table{Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField}
	}
	return tables
}
