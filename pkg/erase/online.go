package erase

import (
	"context"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// onlineErasure says up to which version of the log the cells of the keys go.
type onlineErasure struct {
	Version int64 `json:"version"`
}

// EraseOnline has no cell of a store say anything of the keys any more: the store
// follows the log, and what it does not follow gets tombstones. It returns how many
// cells said something. Progress counts keys and cells.
func (e *Engine) EraseOnline(ctx context.Context, s Staged, p Plan, number int, now window.Time, onProgress func(done int64)) (cells int64, err error) {
	st, err := e.open(ctx, s, p, number, now)
	if err != nil || st == nil || !st.plan.Online {
		return 0, err
	}
	var erasure onlineErasure
	erased, err := e.get(ctx, s.object(erasedObject(number)), &erasure)
	if err == nil && !erased && st.plan.Offline && st.table != nil {
		err = fmt.Errorf("erase cells of %s: its rows were not erased before", st.target.Store())
	}
	if err != nil {
		return 0, err
	}
	if !erased {
		// The rows stay offline, so tombstones must be as new as what the cells follow.
		if erasure.Version, err = e.follow(ctx, st, onProgress); err != nil {
			return 0, err
		}
	}
	cells, err = e.Views.EraseCells(ctx, st.target, st.keys, erasure.Version, false, onProgress)
	if err == nil && erased {
		_, err = e.follow(ctx, st, onProgress)
	}
	if err != nil {
		return 0, fmt.Errorf("erase cells of %s: %w", st.target.Store(), err)
	}
	return cells, e.put(ctx, s.object(onlineObject(number)), erasure)
}

// follow brings the online store to the head of its log, and returns the version that it
// follows then. A store that the view does not have any more stays where it is.
func (e *Engine) follow(ctx context.Context, st *store, onProgress func(done int64)) (int64, error) {
	if !st.target.View.Online || st.table == nil {
		status, _, _, err := online.ReadStatus(ctx, e.Views.Online, st.target.Store())
		return status.Applied, err
	}
	result, err := e.Views.Apply(ctx, st.target, st.table, func(p materialize.Progress) {
		if onProgress != nil {
			onProgress(p.Rows)
		}
	})
	return result.Version, err
}

// SweepOnline removes the tombstones that EraseOnline has left, once no older writer can
// be there any more. Progress counts keys.
func (e *Engine) SweepOnline(ctx context.Context, s Staged, p Plan, number int, now window.Time, onProgress func(keys int64)) (cells int64, err error) {
	st, err := e.open(ctx, s, p, number, now)
	if err != nil || st == nil || !st.plan.Online {
		return 0, err
	}
	var erasure onlineErasure
	erased, err := e.get(ctx, s.object(onlineObject(number)), &erasure)
	if err == nil && !erased {
		err = errors.New("they were not erased before")
	}
	if err == nil {
		cells, err = e.Views.EraseCells(ctx, st.target, st.keys, erasure.Version, true, onProgress)
	}
	if err != nil {
		return 0, fmt.Errorf("sweep cells of %s: %w", st.target.Store(), err)
	}
	return cells, nil
}
