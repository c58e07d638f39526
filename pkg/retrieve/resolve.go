package retrieve

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// ErrNoData is a view without an offline store, or with one in which nothing was
// materialized yet.
var ErrNoData = errors.New("no materialized data in the offline store")

// Names say whose features are wanted: those of a view or feature table, or of a service.
type Names struct {
	Workspace string
	Service   string // empty: View
	View      string
}

// Resolve returns the parts of what is named, as of now: from each view the features
// that the newest generation takes of it, and the newest version of the store that
// serves. The features are called namespace.feature, that of a view is its name.
// Unknown names are registry.ErrNotFound or registry.ErrWorkspace.
func Resolve(ctx context.Context, e *materialize.Engine, names Names, now window.Time) ([]Part, error) {
	latest, err := e.Registry.Latest(ctx, names.Workspace)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, e, latest, names, now)
}

// resolve is Resolve as of a generation.
func resolve(ctx context.Context, e *materialize.Engine, as registry.Generation, names Names, now window.Time) ([]Part, error) {
	return partsOf(ctx, e, as, names, func(g *registry.Serving, taken feature.ServiceView) (Part, error) {
		return newPart(ctx, e, g, taken, now)
	})
}

// partsOf makes the parts of what is named as of a generation.
func partsOf(ctx context.Context, e *materialize.Engine, as registry.Generation, names Names, newPart func(*registry.Serving, feature.ServiceView) (Part, error)) ([]Part, error) {
	g, err := e.Registry.Serving(ctx, as)
	if err != nil {
		return nil, err
	}
	service, err := find(g, names)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, taken := range service.Views {
		if len(taken.Features) == 0 { // the store that serves has none of them yet
			continue
		}
		part, err := newPart(g, taken)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func find(g *registry.Serving, names Names) (feature.Service, error) {
	if names.Service != "" {
		if _, ok := g.FeatureService(names.Service); !ok {
			return feature.Service{}, fmt.Errorf("feature service %q of workspace %s: %w", names.Service, g.Workspace, registry.ErrNotFound)
		}
		return g.ServingService(names.Service)
	}
	if !g.HasView(names.View) {
		return feature.Service{}, fmt.Errorf("feature view %q of workspace %s: %w", names.View, g.Workspace, registry.ErrNotFound)
	}
	view, err := g.ServingView(names.View)
	if err != nil {
		return feature.Service{}, err
	}
	return view.Alone()
}

func newPart(ctx context.Context, e *materialize.Engine, g *registry.Serving, taken feature.ServiceView, now window.Time) (Part, error) {
	if !taken.View.Offline {
		return Part{}, fmt.Errorf("view %s has offline: false: %w", taken.View.Name, ErrNoData)
	}
	target, err := materialize.NewServingTarget(&g.Generation, taken.View)
	if err != nil {
		return Part{}, err
	}
	table, err := e.Existing(ctx, target, now)
	if err != nil {
		return Part{}, err
	}
	if table == nil {
		return Part{}, fmt.Errorf("view %s: %w", taken.View.Name, ErrNoData)
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return Part{}, fmt.Errorf("offline store of %s: %w", taken.View.Name, err)
	}
	part := bare(target, taken)
	part.Table, part.Snapshot = table, snapshot
	return part, nil
}

// bare returns the part without its table.
func bare(target *materialize.Target, taken feature.ServiceView) Part {
	part := Part{Target: target}
	for _, key := range taken.View.JoinKeys() {
		part.Keys = append(part.Keys, taken.Keys[key.Name])
	}
	for i, name := range taken.View.FeatureNames() {
		if _, ok := taken.Features.Lookup(name); ok {
			part.Features = append(part.Features, Column{Feature: i, Name: taken.Namespace + "." + name})
		}
	}
	return part
}

// Keys returns the columns that a spine for the parts must have beside its time,
// each once.
func Keys(parts []Part) feature.Schema {
	var keys feature.Schema
	for _, p := range parts {
		for i, key := range p.Target.View.JoinKeys() {
			if _, ok := keys.Lookup(p.Keys[i]); !ok {
				keys = append(keys, feature.Field{Name: p.Keys[i], Type: key.Type})
			}
		}
	}
	return keys
}

// Known returns the columns of a spine whose types are not left to its file: the join
// keys, and the time if it is named.
func Known(parts []Part, timestampKey string) feature.Schema {
	known := Keys(parts)
	if _, ok := known.Lookup(timestampKey); timestampKey != "" && !ok {
		known = append(known, feature.Field{Name: timestampKey, Type: feature.Timestamp})
	}
	return known
}

// Result returns the columns of what Join makes of a spine; ErrSpine, if two have one
// name.
func Result(spine feature.Schema, parts []Part) (feature.Schema, error) {
	if err := (Spine{Schema: spine}).checkNames(parts); err != nil {
		return nil, err
	}
	out := append(feature.Schema{}, spine...)
	for _, p := range parts {
		features, err := p.Target.View.Features()
		if err != nil {
			return nil, err
		}
		for _, c := range p.Features {
			out = append(out, feature.Field{Name: c.Name, Type: features[c.Feature].Type})
		}
	}
	return out, nil
}
