package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

// DeleteKeysRequest names the keys whose rows are deleted from the stores of a view or a
// feature table.
type DeleteKeysRequest struct {
	Workspace   string
	FeatureView string

	// Keys is a file of Format with a column for each join key and no other. Or Records
	// are its rows, which the call reads and the caller releases.
	Keys    io.Reader
	Format  frame.Format
	Records array.RecordReader

	SkipOnline  bool // leave the online store as it is
	SkipOffline bool // leave the offline store as it is
	// ForgetUntil holds rows of the keys before that time back, until LiftDeletion.
	ForgetUntil *window.Time
	ForgetNow   bool // the same, before the server's now
	Datasets    bool // remove saved datasets that were made of the view and hold a key
}

// DeleteKeys has a job delete keys; what is wrong with them is an error, and nothing is
// deleted then. It returns when the job is started.
func (c *Client) DeleteKeys(ctx context.Context, r DeleteKeysRequest) error {
	_, err := c.StartDeleteKeys(ctx, r)
	return err
}

// StartDeleteKeys is DeleteKeys that names the job.
func (c *Client) StartDeleteKeys(ctx context.Context, r DeleteKeysRequest) (response api.DeleteKeysResponse, err error) {
	if r.Records != nil {
		r.Format = frame.Arrow
	}
	query := url.Values{api.WorkspaceParameter: {r.Workspace}, api.FeatureViewParameter: {r.FeatureView}}
	if r.SkipOnline {
		query.Set(api.OnlineParameter, "false")
	}
	if r.SkipOffline {
		query.Set(api.OfflineParameter, "false")
	}
	if r.Datasets {
		query.Set(api.DatasetsParameter, "true")
	}
	if r.ForgetNow {
		query.Set(api.ForgetUntilParameter, api.ForgetNow)
	}
	setTime(query, api.ForgetUntilParameter, r.ForgetUntil)
	keys := newSpineBody(r.Keys, r.Records)
	keys.of = "the keys"
	request, err := c.fileRequest(ctx, api.DeleteKeysPath, query, r.Format, keys, frame.Parquet)
	if err != nil {
		return response, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := c.send(ctx, request, keys)
	if err != nil {
		return response, err
	}
	defer answer.Body.Close()
	return decodeAnswer[api.DeleteKeysResponse](c, answer, http.StatusOK)
}

// DeletionStatus returns the status table of the deletions of a view.
func (c *Client) DeletionStatus(ctx context.Context, r api.DeletionStatusRequest) (api.MaterializationStatusResponse, error) {
	return call[api.MaterializationStatusResponse](ctx, c, api.DeletionStatusPath, r)
}

// DeletionReceipt returns what a deletion has deleted; code api.NotFound until it has succeeded.
func (c *Client) DeletionReceipt(ctx context.Context, workspace, view, job string) (api.DeletionReceipt, error) {
	response, err := c.receipts(ctx, url.Values{
		api.WorkspaceParameter: {workspace}, api.FeatureViewParameter: {view}, api.JobParameter: {job},
	})
	if err != nil {
		return api.DeletionReceipt{}, err
	}
	if len(response.Receipts) != 1 {
		return api.DeletionReceipt{}, fmt.Errorf("%s answered with %d receipts, is it Tilery's worker?", c.address, len(response.Receipts))
	}
	return response.Receipts[0], nil
}

// DeletionReceipts returns the receipts of a view, the newest first; limit is at most
// 1000, and 0 means 100.
func (c *Client) DeletionReceipts(ctx context.Context, workspace, view string, limit int) ([]api.DeletionReceipt, error) {
	query := url.Values{api.WorkspaceParameter: {workspace}, api.FeatureViewParameter: {view}}
	if limit != 0 {
		query.Set(api.LimitParameter, strconv.Itoa(limit))
	}
	response, err := c.receipts(ctx, query)
	return response.Receipts, err
}

func (c *Client) receipts(ctx context.Context, query url.Values) (response api.DeletionReceiptsResponse, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address+api.DeletionReceiptsPath+"?"+query.Encode(), nil)
	if err != nil {
		return response, fmt.Errorf("server address %q: %w", c.address, err)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return response, c.noAnswer(ctx, err)
	}
	defer answer.Body.Close()
	return decodeAnswer[api.DeletionReceiptsResponse](c, answer, http.StatusOK)
}

// LiftDeletion lets rows of the keys through again that a deletion holds back, and
// materializes again what was held back, unless that is not wanted.
func (c *Client) LiftDeletion(ctx context.Context, r api.LiftDeletionRequest) (api.LiftDeletionResponse, error) {
	return call[api.LiftDeletionResponse](ctx, c, api.LiftDeletionPath, r)
}
