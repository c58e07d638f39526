// Package api holds the JSON shapes of Tilery's HTTP API, shared by the server
// (pkg/serve) and the client (pkg/client).
//
// /api/v1/feature-service/* has Tecton's names and shapes: requests in snake_case
// or camelCase, responses in camelCase, Int64 as decimal strings. So have
// list-materialization-jobs and get-materialization-job, in snake_case. The other
// endpoints are Tilery's own, in snake_case. Every error is an Error.
//
// /api/v1/historical-features takes and gives files, see HistoricalPath; so does
// /api/v1/run.
package api

// Paths of the endpoints. All take POST, health takes GET.
const (
	GetFeaturesPath           = "/api/v1/feature-service/get-features"
	PlanPath                  = "/api/v1/registry/plan"
	ApplyPath                 = "/api/v1/registry/apply"
	DescribePath              = "/api/v1/registry/describe"
	CreateWorkspacePath       = "/api/v1/registry/create-workspace"
	GetWorkspacePath          = "/api/v1/registry/get-workspace"
	ListWorkspacesPath        = "/api/v1/registry/list-workspaces"
	MaterializationStatusPath = "/api/v1/jobs/materialization-status"
	ListJobsPath              = "/api/v1/jobs/list-materialization-jobs"
	GetJobPath                = "/api/v1/jobs/get-materialization-job"
	HealthPath                = "/healthz"
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
