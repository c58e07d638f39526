// Package client is the Go client of Tilery's HTTP API.
//
// Errors that the server answered with are *api.Error, with its code; all others
// (no connection, a timeout) wrap the cause and name the address.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tilery/tilery/pkg/api"
)

// maxResponse bounds what is read of an answer.
const maxResponse = 64 << 20

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	address string
	http    *http.Client
}

// New returns a client of the server at address, for instance http://127.0.0.1:7474.
func New(address string) *Client {
	return &Client{strings.TrimRight(address, "/"), &http.Client{}}
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
		return response, fmt.Errorf("no answer from %s, is the worker running?: %w", c.address, err)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end or given up
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxResponse))
	if err != nil {
		return response, fmt.Errorf("read answer of %s%s: %w", c.address, path, err)
	}
	if answer.StatusCode != http.StatusOK {
		var failed api.Error
		if err := json.Unmarshal(data, &failed); err != nil || failed.Message == "" {
			return response, fmt.Errorf("%s%s: %s", c.address, path, answer.Status)
		}
		return response, &failed
	}
	if err := json.Unmarshal(data, &response); err != nil {
		return response, fmt.Errorf("decode answer of %s%s: %w", c.address, path, err)
	}
	return response, nil
}
