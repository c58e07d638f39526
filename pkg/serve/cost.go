package serve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
)

// costTimeout bounds what a plan waits to be told its costs: sources may be slow,
// and a plan without them is better than none.
const costTimeout = 20 * time.Second

// costs tells what a plan adds to what is to be materialized.
func (s *Server) costs(ctx context.Context, plan registry.Plan) ([]materialize.Cost, error) {
	out := []materialize.Cost{}
	if s.engine == nil || !plan.Live {
		return out, nil
	}
	changed := map[[2]string]registry.Action{}
	for _, c := range plan.Changes {
		changed[[2]string{c.Kind, c.Name}] = c.Action
	}
	now := s.clock.Now()
	limited, cancel := context.WithTimeout(ctx, costTimeout)
	defer cancel()
	for _, definition := range plan.Repository.BatchFeatureViews {
		action := changed[[2]string{registry.KindView, definition.Name}]
		bySource := slices.ContainsFunc(definition.Sources, func(v feature.ViewSource) bool {
			return changed[[2]string{registry.KindSource, v.Source}] != ""
		})
		if action == "" && !bySource {
			continue
		}
		request, err := costRequest(plan, definition.Name, action)
		if err != nil {
			return nil, err
		}
		request.Now = now
		cost, err := s.engine.Cost(limited, request)
		late := err != nil && limited.Err() != nil && ctx.Err() == nil
		switch {
		case late:
			cost = materialize.Cost{View: definition.Name, Backfills: []materialize.Backfill{},
				Warnings: []string{fmt.Sprintf("what it costs could not be told within %v", costTimeout)}}
		case err != nil:
			return nil, err
		}
		if request.Before == nil || cost.Windows > 0 || late {
			out = append(out, cost)
		}
	}
	slices.SortFunc(out, func(a, b materialize.Cost) int { return cmp.Compare(a.View, b.View) })
	return out, nil
}

func costRequest(plan registry.Plan, name string, action registry.Action) (materialize.CostRequest, error) {
	view, err := plan.Repository.View(name)
	if err != nil {
		return materialize.CostRequest{}, err
	}
	target, err := materialize.NewTarget(plan.Workspace, plan.Base, view)
	if err != nil {
		return materialize.CostRequest{}, err
	}
	request := materialize.CostRequest{Target: target, SQL: plan.Described[name]}
	if action == registry.Create || action == registry.Recreate {
		return request, nil
	}
	before, err := plan.Before.View(name)
	request.Before = &before
	return request, err
}
