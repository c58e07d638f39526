package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
)

// ListDatasets returns a page of a workspace's datasets whose names begin with prefix.
// After is Next of the page before, limit at most 1000; zero values are the defaults.
func (c *Client) ListDatasets(ctx context.Context, workspace, prefix, after string, limit int) (api.ListDatasetsResponse, error) {
	query := url.Values{}
	if prefix != "" {
		query.Set(api.PrefixParameter, prefix)
	}
	if after != "" {
		query.Set(api.AfterParameter, after)
	}
	if limit != 0 {
		query.Set(api.LimitParameter, strconv.Itoa(limit))
	}
	return askDataset[api.ListDatasetsResponse](ctx, c, c.http, http.MethodGet, workspace, "", query)
}

// StartDataset has a job make a dataset of the features of a spine: for results that
// take longer than a request may. Whether it succeeds, the job tells.
func (c *Client) StartDataset(ctx context.Context, r HistoricalRequest) (response api.StartDatasetResponse, err error) {
	if r.Records != nil {
		r.SpineFormat = frame.Arrow
	}
	spine := newSpineBody(r.Spine, r.Records)
	request, err := c.historicalRequest(ctx, api.DatasetsPath, r, spine, frame.Parquet)
	if err != nil {
		return response, err
	}
	answer, err := c.send(ctx, request, spine)
	if err != nil {
		return response, err
	}
	defer answer.Body.Close()
	return decodeAnswer[api.StartDatasetResponse](c, answer, http.StatusOK)
}

// Dataset returns what is known of a dataset.
func (c *Client) Dataset(ctx context.Context, workspace, name string) (api.Dataset, error) {
	return askDataset[api.Dataset](ctx, c, c.http, http.MethodGet, workspace, url.PathEscape(name), url.Values{})
}

// DeleteDataset deletes a dataset and returns what it was.
func (c *Client) DeleteDataset(ctx context.Context, workspace, name string) (api.Dataset, error) {
	return askDataset[api.Dataset](ctx, c, c.http, http.MethodDelete, workspace, url.PathEscape(name), url.Values{})
}

// RemakeDataset makes the rows of a dataset again; an error says how they differ, or
// what is gone that they were made of. It takes as long as the dataset took, bounded by ctx.
func (c *Client) RemakeDataset(ctx context.Context, workspace, name string) (api.RemakeResponse, error) {
	return askDataset[api.RemakeResponse](ctx, c, c.slow, http.MethodPost, workspace, url.PathEscape(name)+api.DatasetRemakePath, url.Values{})
}

// DatasetFile returns the rows of a dataset as a file of that format, bounded by ctx.
func (c *Client) DatasetFile(ctx context.Context, workspace, name string, format frame.Format) (*HistoricalFile, error) {
	request, err := c.datasetRequest(ctx, http.MethodGet, workspace, url.PathEscape(name)+api.DatasetDataPath, url.Values{})
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", format.MediaType())
	return c.file(ctx, request, newSpineBody(nil, nil))
}

func (c *Client) datasetRequest(ctx context.Context, method, workspace, path string, query url.Values) (*http.Request, error) {
	query.Set(api.WorkspaceParameter, workspace)
	address := c.address + api.DatasetsPath
	if path != "" {
		address += "/" + path
	}
	request, err := http.NewRequestWithContext(ctx, method, address+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", c.address, err)
	}
	return request, nil
}

func askDataset[Response any](ctx context.Context, c *Client, by *http.Client, method, workspace, path string, query url.Values) (response Response, err error) {
	request, err := c.datasetRequest(ctx, method, workspace, path, query)
	if err != nil {
		return response, err
	}
	answer, err := by.Do(request)
	if err != nil {
		return response, c.noAnswer(ctx, err)
	}
	defer answer.Body.Close()
	return decodeAnswer[Response](c, answer, http.StatusOK)
}
