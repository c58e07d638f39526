package api

import (
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// PlanRequest asks what applying the files would change.
type PlanRequest struct {
	Workspace string            `json:"workspace"`
	Files     []repository.File `json:"files"`
}

// PlanResponse is the difference to the newest generation.
type PlanResponse struct {
	registry.Plan
	// Costs are what materializing takes, of each view for which the plan adds
	// something to materialize, by the views' names; none in a development workspace.
	Costs []materialize.Cost `json:"costs"`
}

// ApplyRequest applies the files if the newest generation is still the one that
// the plan was made against.
type ApplyRequest struct {
	PlanRequest
	BaseGeneration int64 `json:"base_generation"`
}

// ApplyResponse tells what was applied.
type ApplyResponse struct {
	registry.Plan
	Generation int64 `json:"generation"`
}

// WorkspaceRequest names a workspace. Live is read by create-workspace alone.
type WorkspaceRequest struct {
	Workspace string `json:"workspace"`
	Live      bool   `json:"live,omitempty"`
}

// WorkspaceResponse tells of a workspace.
type WorkspaceResponse struct {
	registry.Workspace
	Generation int64       `json:"generation"`          // 0: nothing was applied yet
	AppliedAt  window.Time `json:"applied_at,omitzero"` // product time
	Objects    int         `json:"objects"`             // that are defined
}

// ListWorkspacesResponse has every workspace, by name.
type ListWorkspacesResponse struct {
	Workspaces []registry.Workspace `json:"workspaces"`
}
