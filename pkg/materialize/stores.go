package materialize

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// maxSwitchTries bounds how often Switch looks again after a lost race.
const maxSwitchTries = 10

// Stores are the stores of a view as of the newest generation, each with the
// definition that it is filled and read with.
type Stores struct {
	Generation int64   // the newest
	Serving    *Target // what requests read
	Filling    *Target // what the newest definition stores; nil if that serves
}

// Newest is the store of the newest definition.
func (s Stores) Newest() *Target {
	if s.Filling != nil {
		return s.Filling
	}
	return s.Serving
}

// Find returns the store with a fingerprint, nil if the view has no such store or
// has retired it.
func (s Stores) Find(fingerprint string) *Target {
	for _, t := range s.All() {
		if t.Fingerprint == fingerprint {
			return t
		}
	}
	return nil
}

// All returns the stores that are in use, the one that serves first.
func (s Stores) All() []*Target {
	if s.Filling != nil {
		return []*Target{s.Serving, s.Filling}
	}
	return []*Target{s.Serving}
}

// Stores returns the stores of a view, registry.ErrNotFound if it is not defined.
func (e *Engine) Stores(ctx context.Context, workspace, view string) (Stores, error) {
	g, err := e.Registry.Latest(ctx, workspace)
	if err != nil {
		return Stores{}, err
	}
	return e.storesOf(ctx, &g, view)
}

func (e *Engine) storesOf(ctx context.Context, g *registry.Generation, view string) (Stores, error) {
	newest, err := target(g, view)
	if err != nil {
		return Stores{}, err
	}
	stores := Stores{Generation: g.Number, Serving: newest}
	if known := g.Stores[view]; known.Filling != nil {
		stores.Filling = newest
		stores.Serving, err = e.Target(ctx, g.Workspace, known.Serving.Generation, view)
	}
	return stores, err
}

// OnlineViews returns the stores of the views and feature tables of the newest generation whose
// online part follows an offline one; only those of the named view if a name is
// given, which is ErrRange if it has none.
func (e *Engine) OnlineViews(ctx context.Context, workspace, name string) ([]*Target, error) {
	g, err := e.Registry.Latest(ctx, workspace)
	if err != nil {
		return nil, err
	}
	names := []string{name}
	if name == "" {
		names = names[:0]
		for _, definition := range g.BatchFeatureViews {
			names = append(names, definition.Name)
		}
		for _, definition := range g.FeatureTables {
			names = append(names, definition.Name)
		}
	}
	var out []*Target
	for _, view := range names {
		stores, err := e.storesOf(ctx, &g, view)
		if err != nil {
			return nil, err
		}
		for _, t := range stores.All() {
			if t.View.Online {
				out = append(out, t)
			}
		}
	}
	if name != "" && len(out) == 0 {
		return nil, fmt.Errorf("%w: view %s has online: false", ErrRange, name)
	}
	return out, nil
}

// Filled tells how far a store is that is filling.
type Filled struct {
	Wanted  int // windows that the store needs before it can serve
	Missing int // of them
	// Lacks says what is missing; empty: the store can serve.
	Lacks string
}

// Filled compares the store that is filling with the one that serves: it can serve
// once it covers, offline and online, all that the other covers, and can be read as
// far. Left out is what its definition does not want or cannot have yet, and online
// what requests need no more. What people hold back is not waited for, except
// where requests read it: values would turn into nulls.
//
// Of each pair the filling store is read first. Coverage only grows, so what it
// covered then, it covers when the other is read.
func (e *Engine) Filled(ctx context.Context, s Stores, now window.Time) (Filled, error) {
	held, err := e.Holds(ctx, s.Filling)
	if err != nil {
		return Filled{}, err
	}
	has, err := e.covered(ctx, s.Filling, now)
	if err != nil {
		return Filled{}, err
	}
	serving, err := e.covered(ctx, s.Serving, now)
	if err != nil {
		return Filled{}, err
	}
	wanted := s.Filling.obtainable(serving.Subtract(held), window.MinTime, now)
	missing := wanted.Subtract(has)
	filled := Filled{Wanted: s.Filling.windows(wanted), Missing: s.Filling.windows(missing)}
	if len(missing) > 0 {
		filled.Lacks = fmt.Sprintf("%d of %d windows that the serving store covers, the newest in %v", filled.Missing, filled.Wanted, missing[len(missing)-1])
	} else if s.Filling.View.Online {
		filled.Lacks, err = e.lacksOnline(ctx, s, now)
	}
	return filled, err
}

// lacksOnline says what the online part of a filling store lacks to serve.
func (e *Engine) lacksOnline(ctx context.Context, s Stores, now window.Time) (string, error) {
	has, _, _, err := online.ReadStatus(ctx, e.Online, s.Filling.Store())
	if err != nil {
		return "", err
	}
	serving, _, _, err := online.ReadStatus(ctx, e.Online, s.Serving.Store())
	if err != nil {
		return "", err
	}
	wanted := s.Filling.obtainable(serving.Covered, s.Filling.OnlineStart(now), now)
	if missing := wanted.Subtract(has.Covered); len(missing) > 0 {
		return fmt.Sprintf("%d of %d windows in the online store, the newest in %v",
			s.Filling.windows(missing), s.Filling.windows(wanted), missing[len(missing)-1]), nil
	}
	edge, readable := s.Serving.Watermark(serving.Settled())
	if !readable {
		return "", nil
	}
	edge = min(edge.Floor(s.Filling.View.Schedule()), s.Filling.View.CompleteEnd(now))
	if own, readable := s.Filling.Watermark(has.Settled()); !readable || own < edge {
		return fmt.Sprintf("an online store that can be read at %v: the longest window before that is not covered", edge), nil
	}
	return "", nil
}

// obtainable returns what of a set lies from a time on and is time that the view
// can have materialized at now.
func (t *Target) obtainable(set window.Set, from, now window.Time) window.Set {
	return set.Intersect(window.NewSet(window.Interval{
		Start: max(from, t.View.MaterializationStart()), End: t.View.CompleteEnd(now),
	}))
}

// windows counts the view's windows that a set touches.
func (t *Target) windows(set window.Set) int {
	return set.Widen(t.View.Schedule()).Count(t.View.Schedule())
}

// covered returns what the offline store covers, nothing if it is not there: to
// open it would create it.
func (e *Engine) covered(ctx context.Context, t *Target, now window.Time) (window.Set, error) {
	table, err := e.Existing(ctx, t, now)
	if err != nil || table == nil {
		return nil, err
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("coverage of %s: %w", t.Store(), err)
	}
	return t.Covered(snapshot), nil
}

// SwitchResult tells what came of Switch.
type SwitchResult struct {
	Generation int64  // in which the store that was filling serves; 0: nothing was switched
	Lacks      string // what the store that is filling lacks; empty if none is filling
}

// Switch has the filling store of a view serve if it can; ErrNotFound is a view
// that is not defined.
//
// The switch is written only on the generation that the check was made for, so an
// apply, or another switch, between the two makes it look again; after 10 lost
// races it returns registry.ErrConflict. What the check saw still holds when the
// switch is put: no commit takes coverage away, and the online store loses what it
// covers only with all that it holds, what serves included. The serving store may
// have got another window meanwhile, which the next incremental job gives the
// other as well.
func (e *Engine) Switch(ctx context.Context, workspace, view string, now window.Time) (SwitchResult, error) {
	for range maxSwitchTries {
		stores, err := e.Stores(ctx, workspace, view)
		if err != nil || stores.Filling == nil {
			return SwitchResult{}, err
		}
		filled, err := e.Filled(ctx, stores, now)
		if err != nil || filled.Lacks != "" {
			return SwitchResult{Lacks: filled.Lacks}, err
		}
		g, err := e.Registry.Switch(ctx, workspace, stores.Generation, view, now)
		if err == nil {
			return SwitchResult{Generation: g.Number}, nil
		}
		if !errors.Is(err, registry.ErrConflict) {
			return SwitchResult{}, err
		}
	}
	return SwitchResult{}, fmt.Errorf("switch %s of workspace %s: lost %d times: %w", view, workspace, maxSwitchTries, registry.ErrConflict)
}
