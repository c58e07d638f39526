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
	Join     retrieve.Options // bounds one dataset
	Retry    Retry
}

// Staged is a dataset whose spine is in the bucket and whose rows are to be made.
type Staged = dataset.Staged

// RetrievalPlan says which definitions and versions of tables a dataset is made of, so
// that every attempt makes the same.
type RetrievalPlan = dataset.Plan

// SaveRequest asks for the rows of a staged dataset.
type SaveRequest struct {
	Staged Staged        `json:"staged"`
	Plan   RetrievalPlan `json:"plan"`
}

// Saved tells what was saved.
type Saved struct {
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	Digest    string `json:"digest"`
	Table     string `json:"table"`               // key prefix in the bucket
	Uncovered bool   `json:"uncovered,omitempty"` // some time was not materialized; the dataset says which
}

// PlanRetrieval pins the newest state of the stores.
func (r *Retrieve) PlanRetrieval(ctx context.Context, staged Staged) (RetrievalPlan, error) {
	plan, err := r.Datasets.Plan(ctx, r.Engine, staged, r.Clock.Now())
	return plan, translate(err)
}

// SaveRetrieval joins the staged spine and saves the result.
func (r *Retrieve) SaveRetrieval(ctx context.Context, request SaveRequest) (Saved, error) {
	info := activity.GetInfo(ctx)
	return alive(ctx, r.Retry, nil, func(ctx context.Context, report func(materialize.Progress)) (Saved, error) {
		join := r.Join
		join.OnProgress = func(p retrieve.Progress) { report(materialize.Progress{Rows: p.Rows, SpilledBytes: p.Spilled}) }
		made, err := r.Datasets.Make(ctx, r.Engine, dataset.MakeRequest{
			Staged: request.Staged, Plan: request.Plan, Job: info.WorkflowExecution.ID,
			Attempt: fmt.Sprintf("%s-%d", info.WorkflowExecution.RunID, info.Attempt), Join: join, Now: r.Clock.Now(),
		})
		if err != nil {
			return Saved{}, err
		}
		return Saved{made.Rows, made.Bytes, made.Digest, made.Table, len(made.Uncovered) > 0}, nil
	})
}

// DiscardRetrieval removes what was staged for a dataset that will not be made.
func (r *Retrieve) DiscardRetrieval(ctx context.Context, staged Staged) error {
	return r.Datasets.Discard(ctx, staged)
}
