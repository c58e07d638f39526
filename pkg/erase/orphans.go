package erase

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/ledger"
)

// orphans are the fences of a workspace that hold keys back for no deletion: a Plan that
// was given up, and went on all the same, put them after the cancellation had lifted
// them.
type orphans struct {
	engine    *Engine
	workspace string
	view      string          // the last that was asked about
	finished  map[string]bool // its deletions that have a receipt, by id
}

// has reports whether the fence of a deletion is an orphan: the deletion has no receipt,
// the ledger knows it as cancelled, which is to say that nothing was deleted, and without
// its keys no reset of the workflow can finish it. Whatever else became of a job, what it
// deleted before may be held back by nothing but the fence.
func (o *orphans) has(ctx context.Context, view, id string) (bool, error) {
	if !nameForm.MatchString(view) || !idForm.MatchString(id) {
		return false, nil
	}
	if err := o.turnTo(ctx, view); err != nil || o.finished[id] {
		return false, err
	}
	history, err := o.engine.Views.Ledger.Get(ctx, o.workspace, view, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	if err != nil || history.Last().State != ledger.Cancelled {
		return false, err
	}
	staged := Staged{Request: Request{Workspace: o.workspace, View: view}, ID: id}
	_, err = o.engine.Bucket.Stat(ctx, staged.object(keysObject))
	if errors.Is(err, bucket.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// turnTo lists the receipts of a view, once while its fences are swept.
func (o *orphans) turnTo(ctx context.Context, view string) error {
	if o.view == view {
		return nil
	}
	receipts, _, err := o.engine.listReceipts(ctx, o.workspace, view)
	if err != nil {
		return err
	}
	o.view, o.finished = view, map[string]bool{}
	for _, info := range receipts {
		o.finished[receiptID(info)] = true
	}
	return nil
}
