package serve

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/registry"
)

func (s *Server) createWorkspace(ctx context.Context, body []byte) (any, error) {
	var request api.WorkspaceRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	if _, err := s.registry.CreateWorkspace(ctx, request.Workspace, request.Live); err != nil {
		return nil, registryError(err)
	}
	return s.workspace(ctx, request.Workspace)
}

func (s *Server) getWorkspace(ctx context.Context, body []byte) (any, error) {
	var request api.WorkspaceRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	return s.workspace(ctx, request.Workspace)
}

func (s *Server) workspace(ctx context.Context, name string) (any, error) {
	w, err := s.registry.Workspace(ctx, name)
	if err != nil {
		return nil, registryError(err)
	}
	g, err := s.registry.Latest(ctx, name)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	return api.WorkspaceResponse{Workspace: w, Generation: g.Number, AppliedAt: g.AppliedAt, Objects: len(g.Objects)}, nil
}

func (s *Server) listWorkspaces(ctx context.Context, body []byte) (any, error) {
	var request struct{}
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	list, err := s.registry.ListWorkspaces(ctx)
	return api.ListWorkspacesResponse{Workspaces: list}, err
}

// registryError gives the errors that a person can act on their code.
func registryError(err error) error {
	switch {
	case errors.Is(err, registry.ErrWorkspace):
		return fail(api.InvalidArgument, "%v", err)
	case errors.Is(err, registry.ErrExists):
		return fail(api.FailedPrecondition, "%v", err)
	case errors.Is(err, registry.ErrNotFound):
		return fail(api.NotFound, "%v", err)
	}
	return err
}
