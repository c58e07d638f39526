// Package api holds the JSON shapes of Tilery's HTTP API, shared by the server
// (pkg/serve) and the client (pkg/client).
//
// /api/v1/feature-service/* has Tecton's names and shapes: requests in snake_case
// or camelCase, responses in camelCase, Int64 as decimal strings. The other
// endpoints are Tilery's own, in snake_case. Every error is an Error.
package api

import (
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

// Paths of the endpoints. All take POST, health takes GET.
const (
	GetFeaturesPath = "/api/v1/feature-service/get-features"
	PlanPath        = "/api/v1/registry/plan"
	ApplyPath       = "/api/v1/registry/apply"
	HealthPath      = "/healthz"
)

// Code is a gRPC status code, as Tecton's errors carry it.
type Code int

// The codes, each with the HTTP status that goes with it.
const (
	InvalidArgument    Code = 3  // 400
	DeadlineExceeded   Code = 4  // 504
	NotFound           Code = 5  // 404
	ResourceExhausted  Code = 8  // 429
	FailedPrecondition Code = 9  // 400
	Aborted            Code = 10 // 409
	Internal           Code = 13 // 500
	Unavailable        Code = 14 // 503
)

// Error is the body of every response that is not 200.
type Error struct {
	Text    string `json:"error"`
	Message string `json:"message"` // the same text
	Code    Code   `json:"code"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// PlanRequest asks what applying the files would change.
type PlanRequest struct {
	Workspace string            `json:"workspace"`
	Files     []repository.File `json:"files"`
}

// PlanResponse is the difference to the newest generation.
type PlanResponse struct {
	registry.Plan
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
