package serve

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/registry"
)

func (d *deletions) receipts(ctx context.Context, _ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(api.InvalidArgument, "parameters: %v", err)
	}
	allowed := []string{api.WorkspaceParameter, api.FeatureViewParameter, api.JobParameter, api.LimitParameter}
	if err := checkParameters(query, allowed); err != nil {
		return nil, err
	}
	workspace, view, job := query.Get(api.WorkspaceParameter), query.Get(api.FeatureViewParameter), query.Get(api.JobParameter)
	if workspace == "" || view == "" {
		return nil, fail(api.InvalidArgument, "parameters workspace and feature_view are required")
	}
	limit := defaultReceipts
	if text := query.Get(api.LimitParameter); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxReceipts {
			return nil, fail(api.InvalidArgument, "limit is %q, want 1 to %d", text, maxReceipts)
		}
	}
	var receipts []erase.Receipt
	if job != "" {
		receipt, err := d.Keys.Receipt(ctx, workspace, view, job)
		if err != nil {
			return nil, err
		}
		receipts = append(receipts, receipt)
	} else if receipts, err = d.Keys.Receipts(ctx, workspace, view, limit); err != nil {
		return nil, err
	}
	response := api.DeletionReceiptsResponse{Receipts: make([]api.DeletionReceipt, len(receipts))}
	for i, receipt := range receipts {
		response.Receipts[i] = apiReceipt(receipt)
	}
	return response, nil
}

func apiReceipt(r erase.Receipt) api.DeletionReceipt {
	staged := r.Staged
	out := api.DeletionReceipt{
		JobID: staged.ID, Workspace: staged.Workspace, FeatureView: staged.View, Online: staged.Online, Offline: staged.Offline,
		ForgetUntil: staged.Forget, JoinKeys: staged.JoinKeys, Keys: staged.Keys, Duplicates: staged.Duplicates, Digest: staged.Digest,
		StagedAt: staged.StagedAt, DoneAt: r.DoneAt, Stores: make([]api.DeletedStore, len(r.Stores)),
		OldVersionsUntil: r.OldVersionsUntil, VacuumedAt: r.VacuumedAt,
	}
	for i, store := range r.Stores {
		out.Stores[i] = api.DeletedStore{
			Generation: store.Generation, Fingerprint: store.Fingerprint, Retired: store.Retired, Online: store.Online, Offline: store.Offline,
			Version: store.Version, Files: store.StoreResult.Files, Rows: store.Rows, Cells: store.Cells,
			VerifiedRows: store.Verified.Rows, VerifiedCells: store.Verified.Cells,
		}
	}
	for _, d := range r.Datasets {
		out.Datasets = append(out.Datasets, api.DeletedDataset(d))
	}
	return out
}

// lift lets the keys of a deletion through again. What was held back is
// materialized again, unless that is not wanted.
func (d *deletions) lift(ctx context.Context, body []byte) (any, error) {
	var request api.LiftDeletionRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	if request.Workspace == "" || request.FeatureView == "" || request.JobID == "" {
		return nil, fail(api.InvalidArgument, "workspace, feature_view and job_id are required")
	}
	fence, err := d.Fences.Lift(ctx, request.Workspace, request.FeatureView, request.JobID)
	if err != nil {
		return nil, deletionError(err)
	}
	response := api.LiftDeletionResponse{Until: fence.Until, Keys: fence.Count}
	if request.Restore != nil && !*request.Restore {
		return response, nil
	}
	if response.Job, err = d.restore(ctx, fence); err != nil {
		d.logger.Error("materialize again what was held back", "view", fence.View, "error", err)
		return nil, fail(api.Unavailable, "the rows are let through again, but no job could be started that materializes them: tilery materialize %s --overwrite does", fence.View)
	}
	return response, nil
}

// restore returns the job that materializes again what a fence held back; none if there
// is nothing that a job could have made.
func (d *deletions) restore(ctx context.Context, fence forget.Fence) (string, error) {
	target, err := d.engine.Target(ctx, fence.Workspace, 0, fence.View)
	if errors.Is(err, registry.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	view, complete := target.View, target.View.MaterializationEnd(d.clock.Now())
	if view.Ingested || !view.Offline || min(fence.Until, complete) <= view.MaterializationStart() {
		return "", nil
	}
	if fence.Until >= complete {
		return d.Restore(ctx, fence, nil)
	}
	end := fence.Until.Ceil(view.Schedule())
	return d.Restore(ctx, fence, &end)
}
