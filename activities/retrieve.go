package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/retrieve"
)

// Retrieve makes datasets of historical features.
type Retrieve struct {
	Engine   *materialize.Engine
	Datasets *dataset.Store
	Clock    clock.Clock
	Join     retrieve.Options // bounds one share
	Retry    Retry
}

// Staged is a dataset whose spine is in the bucket and whose rows are to be made.
type Staged = dataset.Staged

// RetrievalPlan says which definitions and versions of tables a dataset is made of, so
// that every attempt makes the same.
type RetrievalPlan = dataset.Plan

// ShareRequest asks for one share of a staged dataset.
type ShareRequest struct {
	Staged Staged        `json:"staged"`
	Plan   RetrievalPlan `json:"plan"`
	Share  int           `json:"share"` // from 0
}

// JoinedShare tells where the rows of a share are.
type JoinedShare = dataset.Share

// SaveRequest asks to make a staged dataset of its shares.
type SaveRequest struct {
	Staged Staged        `json:"staged"`
	Plan   RetrievalPlan `json:"plan"`
	Shares []JoinedShare `json:"shares"` // all, in their order
}

// Saved tells what was saved.
type Saved struct {
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	Digest    string `json:"digest"`
	Table     string `json:"table"`               // key prefix in the bucket
	Uncovered bool   `json:"uncovered,omitempty"` // some time was not materialized; the dataset says which
}

// PlanRetrieval pins the newest state of the stores and divides the spine.
func (r *Retrieve) PlanRetrieval(ctx context.Context, staged Staged) (RetrievalPlan, error) {
	return alive(ctx, r.Retry, nil, func(ctx context.Context, report func(materialize.Progress)) (RetrievalPlan, error) {
		return r.Datasets.Plan(ctx, r.Engine, staged, attempt(ctx), r.Clock.Now(), func(rows int64) { report(materialize.Progress{Rows: rows}) })
	})
}

// JoinShare joins a share of the staged spine.
func (r *Retrieve) JoinShare(ctx context.Context, request ShareRequest) (JoinedShare, error) {
	return alive(ctx, r.Retry, nil, func(ctx context.Context, report func(materialize.Progress)) (JoinedShare, error) {
		asked := r.request(ctx, request.Staged, request.Plan)
		asked.Join.OnProgress = func(p retrieve.Progress) { report(materialize.Progress{Rows: p.Rows, SpilledBytes: p.Spilled}) }
		return r.Datasets.JoinShare(ctx, r.Engine, asked, request.Share)
	})
}

// SaveRetrieval makes the dataset of its shares.
func (r *Retrieve) SaveRetrieval(ctx context.Context, request SaveRequest) (Saved, error) {
	made, err := r.Datasets.Save(ctx, r.Engine, r.request(ctx, request.Staged, request.Plan), request.Shares)
	if err != nil {
		return Saved{}, translate(err)
	}
	return Saved{made.Rows, made.Bytes, made.Digest, made.Table, len(made.Uncovered) > 0}, nil
}

func (r *Retrieve) request(ctx context.Context, staged Staged, plan RetrievalPlan) dataset.ShareRequest {
	return dataset.ShareRequest{
		Staged: staged, Plan: plan, Job: activity.GetInfo(ctx).WorkflowExecution.ID, Attempt: attempt(ctx), Join: r.Join, Now: r.Clock.Now(),
	}
}

// attempt tells the files of two tries of an activity apart.
func attempt(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return fmt.Sprintf("%s-%d", info.WorkflowExecution.RunID, info.Attempt)
}

// DiscardRetrieval removes what was staged for a dataset that will not be made.
func (r *Retrieve) DiscardRetrieval(ctx context.Context, staged Staged) error {
	return r.Datasets.Discard(ctx, staged)
}
