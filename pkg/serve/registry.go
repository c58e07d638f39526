package serve

import (
	"context"
	"errors"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

func (s *Server) plan(ctx context.Context, body []byte) (any, error) {
	var request api.PlanRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	plan, err := s.planner.Plan(ctx, request.Workspace, request.Files)
	if err != nil {
		return nil, planError(err)
	}
	costs, err := s.costs(ctx, plan)
	if err != nil {
		return nil, err
	}
	return api.PlanResponse{Plan: plan, Costs: costs}, nil
}

func (s *Server) apply(ctx context.Context, body []byte) (any, error) {
	var request api.ApplyRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	plan, err := s.planner.Plan(ctx, request.Workspace, request.Files)
	if err != nil {
		return nil, planError(err)
	}
	if plan.Base != request.BaseGeneration {
		return nil, fail(api.Aborted, "workspace %s is at generation %d, by an apply or a store that began to serve, the plan was made against %d: plan again", plan.Workspace, plan.Base, request.BaseGeneration)
	}
	if len(plan.Changes) == 0 {
		s.onApply(ctx, plan.Workspace)
		return api.ApplyResponse{Plan: plan, Generation: plan.Base}, nil
	}
	asked := time.Now()
	generation, err := s.planner.Registry.Apply(ctx, plan.Workspace, plan.Base, plan.Repository, s.clock.Now())
	if err != nil {
		return nil, planError(err)
	}
	if _, err := s.views.install(ctx, generation, asked); err != nil { // requests come to it by themselves
		s.logger.Warn("look for what serves", "workspace", plan.Workspace, "error", err)
	}
	s.onApply(ctx, plan.Workspace)
	return api.ApplyResponse{Plan: plan, Generation: generation.Number}, nil
}

// planError gives the errors that a person can act on their code.
func planError(err error) error {
	var definitions *repository.Error
	var protected *registry.ProtectedError
	switch {
	case errors.As(err, &protected):
		return fail(api.FailedPrecondition, "%v", err)
	case errors.As(err, &definitions), errors.Is(err, registry.ErrWorkspace), errors.Is(err, repository.ErrTooLarge):
		return fail(api.InvalidArgument, "%v", err)
	case errors.Is(err, registry.ErrConflict):
		return fail(api.Aborted, "%v: plan again", err)
	}
	return err
}
