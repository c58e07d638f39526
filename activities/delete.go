package activities

import (
	"context"
	"errors"
	"time"

	"github.com/tilery/tilery/pkg/clock"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// Delete deletes the rows of keys from the stores of a view. What an activity has done
// stays done, and to repeat it goes on from there.
type Delete struct {
	Engine *erase.Engine
	Clock  clock.Clock
	Retry  Retry
}

// StagedKeys is a request to delete keys that are in the bucket.
type StagedKeys = erase.Staged

// DeletionPlan says which stores a deletion is of.
type DeletionPlan = erase.Plan

// DeletionRequest asks for a step of a deletion.
type DeletionRequest struct {
	Staged StagedKeys   `json:"staged"`
	Job    Job          `json:"job,omitzero"`
	Plan   DeletionPlan `json:"plan,omitzero"` // none while it is made
	Store  int          `json:"store"`         // of the plan, from 0
}

// RewriteRequest asks to rewrite a batch of a store's files.
type RewriteRequest struct {
	DeletionRequest
	Batch int `json:"batch"` // from 0
}

// VerifyRequest asks to look for the keys in a store.
type VerifyRequest struct {
	DeletionRequest
	Version int64 `json:"version,omitempty"` // of the erasure; 0: the offline store stays as it is
}

// FinishRequest asks for the receipt of a deletion.
type FinishRequest struct {
	DeletionRequest
	Results []StoreResult `json:"results"` // of all stores, in the plan's order
}

// DiscardRequest asks to remove what was staged for a deletion that has ended without a receipt.
type DiscardRequest struct {
	DeletionRequest
	// Undone lifts the fence, too: nothing was deleted.
	Undone bool `json:"undone,omitempty"`
}

// What the steps tell.
type (
	// Rewritten counts what one batch did.
	Rewritten = erase.Rewritten
	// Erased tells what was erased offline.
	Erased = offline.Erased
	// Verified counts what a verification has looked at.
	Verified = erase.Verified
	// StoreResult is what was done to one store.
	StoreResult = erase.StoreResult
)

// Deleted tells what is left after a deletion.
type Deleted struct {
	// OldVersionsUntil is when maintenance may remove the files that held the keys, in
	// real time; nil: no file held one.
	OldVersionsUntil *window.Time `json:"old_versions_until,omitempty"`
	Datasets         int          `json:"datasets,omitempty"`         // that may hold the keys
	RemovedDatasets  int          `json:"removed_datasets,omitempty"` // of them
}

// PlanDeletion finds the stores and their files, and puts the fence that is asked for.
func (d *Delete) PlanDeletion(ctx context.Context, r DeletionRequest) (DeletionPlan, error) {
	return deletionStep(ctx, d, r, func(ctx context.Context, now window.Time, report func(int64)) (DeletionPlan, error) {
		return d.Engine.Plan(ctx, r.Staged, now, report)
	})
}

// RewriteFiles writes the files of a batch again without the keys. Nothing sees them yet.
func (d *Delete) RewriteFiles(ctx context.Context, r RewriteRequest) (Rewritten, error) {
	return deletionStep(ctx, d, r.DeletionRequest, func(ctx context.Context, now window.Time, report func(int64)) (Rewritten, error) {
		return d.Engine.Rewrite(ctx, r.Staged, r.Plan, r.Store, r.Batch, now, report)
	})
}

// EraseOffline commits the erasure of an offline store.
func (d *Delete) EraseOffline(ctx context.Context, r DeletionRequest) (Erased, error) {
	return deletionStep(ctx, d, r, func(ctx context.Context, now window.Time, report func(int64)) (Erased, error) {
		return d.Engine.EraseOffline(ctx, r.Staged, r.Plan, r.Store, r.Job.ID, now, report)
	})
}

// EraseOnline has no cell of an online store say anything of the keys, and returns how
// many did.
func (d *Delete) EraseOnline(ctx context.Context, r DeletionRequest) (int64, error) {
	return deletionStep(ctx, d, r, func(ctx context.Context, now window.Time, report func(int64)) (int64, error) {
		return d.Engine.EraseOnline(ctx, r.Staged, r.Plan, r.Store, now, report)
	})
}

// SweepOnline removes what EraseOnline has left of the keys, and returns how many cells
// that were.
func (d *Delete) SweepOnline(ctx context.Context, r DeletionRequest) (int64, error) {
	return deletionStep(ctx, d, r, func(ctx context.Context, now window.Time, report func(int64)) (int64, error) {
		return d.Engine.SweepOnline(ctx, r.Staged, r.Plan, r.Store, now, report)
	})
}

// VerifyDeletion looks for the keys in all that a store has.
func (d *Delete) VerifyDeletion(ctx context.Context, r VerifyRequest) (Verified, error) {
	return deletionStep(ctx, d, r.DeletionRequest, func(ctx context.Context, now window.Time, report func(int64)) (Verified, error) {
		return d.Engine.Verify(ctx, r.Staged, r.Plan, r.Store, r.Version, now, report)
	})
}

// FinishDeletion writes the receipt and removes what was staged.
func (d *Delete) FinishDeletion(ctx context.Context, r FinishRequest) (Deleted, error) {
	return deletionStep(ctx, d, r.DeletionRequest, func(ctx context.Context, _ window.Time, report func(int64)) (Deleted, error) {
		receipt, err := d.Engine.Finish(ctx, r.Staged, r.Plan, r.Job.ID, r.Results, report)
		out := Deleted{OldVersionsUntil: instantOf(receipt.OldVersionsUntil), Datasets: len(receipt.Datasets)}
		for _, dataset := range receipt.Datasets {
			if dataset.Removed {
				out.RemovedDatasets++
			}
		}
		return out, err
	})
}

// DiscardDeletion removes what was staged.
func (d *Delete) DiscardDeletion(ctx context.Context, r DiscardRequest) error {
	if r.Undone {
		_, err := d.Engine.Fences.Lift(ctx, r.Staged.Workspace, r.Staged.View, r.Staged.ID)
		if err != nil && !errors.Is(err, forget.ErrNotFound) {
			return translate(err)
		}
	}
	return translate(d.Engine.Discard(ctx, r.Staged))
}

// deletionStep runs a step of a deletion. Attempts that fail are recorded.
func deletionStep[T any](ctx context.Context, d *Delete, r DeletionRequest, work func(ctx context.Context, now window.Time, report func(int64)) (T, error)) (T, error) {
	ended := func(err error) {
		if err != nil {
			target := Target{Workspace: r.Staged.Workspace, View: r.Staged.View}
			recordAttempt(ctx, d.Engine.Views.Ledger, target, r.Job, window.Interval{}, err)
		}
	}
	return alive(ctx, d.Retry, ended, func(ctx context.Context, report func(materialize.Progress)) (T, error) {
		return work(ctx, d.Clock.Now(), func(rows int64) { report(materialize.Progress{Rows: rows}) })
	})
}

func instantOf(t *time.Time) *window.Time {
	if t == nil {
		return nil
	}
	at := window.FromTime(*t)
	return &at
}
