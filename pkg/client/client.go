package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/api"
)

const (
	maxResponse = 64 << 20 // bytes
	maxWait     = 2 * time.Minute
)

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	address string
	http    *http.Client
	slow    *http.Client // bounded by the caller's context alone
}

// New returns a client of the server at address, for instance
// http://127.0.0.1:7474, or 127.0.0.1:7474 for the same. The client keeps
// connections open between calls.
func New(address string) *Client {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	// A redirected POST would arrive as a GET.
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{strings.TrimRight(address, "/"), &http.Client{Timeout: maxWait, CheckRedirect: refuse}, &http.Client{CheckRedirect: refuse}}
}

// Plan asks what applying the files would change.
func (c *Client) Plan(ctx context.Context, r api.PlanRequest) (api.PlanResponse, error) {
	return call[api.PlanResponse](ctx, c, api.PlanPath, r)
}

// Apply applies the files. Code api.Aborted means: plan again.
func (c *Client) Apply(ctx context.Context, r api.ApplyRequest) (api.ApplyResponse, error) {
	return call[api.ApplyResponse](ctx, c, api.ApplyPath, r)
}

// GetFeatures reads one feature vector.
func (c *Client) GetFeatures(ctx context.Context, p api.GetFeaturesParams) (api.GetFeaturesResponse, error) {
	return call[api.GetFeaturesResponse](ctx, c, api.GetFeaturesPath, api.GetFeaturesRequest{Params: p})
}

// ServiceMetadata tells what a feature service takes and gives.
func (c *Client) ServiceMetadata(ctx context.Context, p api.ServiceMetadataParams) (api.ServiceMetadata, error) {
	return call[api.ServiceMetadata](ctx, c, api.ServiceMetadataPath, api.ServiceMetadataRequest{Params: p})
}

// Describe returns the properties of an object.
func (c *Client) Describe(ctx context.Context, r api.DescribeRequest) (api.DescribeResponse, error) {
	return call[api.DescribeResponse](ctx, c, api.DescribePath, r)
}

// CreateWorkspace makes a workspace, live or for development. Code
// api.FailedPrecondition means that it is there, of the other kind.
func (c *Client) CreateWorkspace(ctx context.Context, r api.WorkspaceRequest) (api.WorkspaceResponse, error) {
	return call[api.WorkspaceResponse](ctx, c, api.CreateWorkspacePath, r)
}

// Workspace tells of a workspace; one that nobody created is for development.
func (c *Client) Workspace(ctx context.Context, name string) (api.WorkspaceResponse, error) {
	return call[api.WorkspaceResponse](ctx, c, api.GetWorkspacePath, api.WorkspaceRequest{Workspace: name})
}

// Workspaces lists all workspaces by name.
func (c *Client) Workspaces(ctx context.Context) (api.ListWorkspacesResponse, error) {
	return call[api.ListWorkspacesResponse](ctx, c, api.ListWorkspacesPath, struct{}{})
}

// MaterializationStatus returns the status table of a view.
func (c *Client) MaterializationStatus(ctx context.Context, r api.MaterializationStatusRequest) (api.MaterializationStatusResponse, error) {
	return call[api.MaterializationStatusResponse](ctx, c, api.MaterializationStatusPath, r)
}

// ListJobs returns the jobs of a view, the newest first.
func (c *Client) ListJobs(ctx context.Context, r api.ListJobsRequest) (api.ListJobsResponse, error) {
	return call[api.ListJobsResponse](ctx, c, api.ListJobsPath, r)
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, r api.GetJobRequest) (api.GetJobResponse, error) {
	return call[api.GetJobResponse](ctx, c, api.GetJobPath, r)
}

func call[Response any](ctx context.Context, c *Client, path string, request any) (Response, error) {
	var response Response
	body, err := json.Marshal(request)
	if err != nil {
		return response, fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+path, bytes.NewReader(body))
	if err != nil {
		return response, fmt.Errorf("server address %q: %w", c.address, err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return response, c.noAnswer(ctx, err)
	}
	defer answer.Body.Close()
	return decodeAnswer[Response](c, answer, http.StatusOK)
}

// decodeAnswer decodes the document of an answer with the given status; any other is an error.
func decodeAnswer[Response any](c *Client, answer *http.Response, status int) (response Response, err error) {
	path := answer.Request.URL.Path
	if answer.StatusCode != status {
		return response, c.failure(path, answer)
	}
	data, err := c.readAll(path, answer)
	if err != nil {
		return response, err
	}
	if err := json.Unmarshal(data, &response); err != nil {
		return response, fmt.Errorf("decode answer of %s%s, is it Tilery's worker?: %w", c.address, path, err)
	}
	return response, nil
}

// noAnswer explains why a request had none.
func (c *Client) noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer from %s: %w", c.address, ctx.Err())
	}
	return fmt.Errorf("no answer from %s, is the worker running?: %w", c.address, err)
}

// failure is the error that a server answered with.
func (c *Client) failure(path string, answer *http.Response) error {
	data, err := c.readAll(path, answer)
	if err != nil {
		return err
	}
	var failed api.Error
	if err := json.Unmarshal(data, &failed); err != nil || failed.Message == "" {
		return fmt.Errorf("%s%s answered %s, is it Tilery's worker?", c.address, path, answer.Status)
	}
	return &failed
}

func (c *Client) readAll(path string, answer *http.Response) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s%s: %w", c.address, path, err)
	}
	if len(data) > maxResponse {
		return nil, fmt.Errorf("answer of %s%s is longer than %d bytes", c.address, path, maxResponse)
	}
	return data, nil
}
