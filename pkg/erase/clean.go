package erase

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// maxCalls bounds the calls of a step that leaves off after a number of objects.
const maxCalls = 100

// Clean has maintenance remove the old versions of a view's stores that are due: data
// files, the versions and checkpoints of the log whose statistics may name keys, and the
// manifests of builds, which have them, too. It notes in the receipts when none is left,
// and returns of how many. It is maintenance of the whole table: readers of versions that
// are as old get offline.ErrHistoryGone. onProgress counts steps and may be nil.
func (e *Engine) Clean(ctx context.Context, workspace, view string, now window.Time, onProgress func(steps int64)) (cleaned int, err error) {
	due, err := e.due(ctx, workspace, view)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	c := &cleaning{engine: e, workspace: workspace, view: view, now: now, report: onProgress, oldest: map[string]int64{}}
	if err := c.manifests(ctx); err != nil {
		return 0, err
	}
	for _, r := range due {
		clean, err := c.receipt(ctx, r)
		if err != nil {
			return cleaned, fmt.Errorf("clean after deletion %s: %w", r.Staged.ID, err)
		}
		if !clean {
			continue
		}
		at := vacuumed{e.Options.withDefaults().Now().UTC()}
		if err := e.put(ctx, receiptsOf(workspace, view)+r.Staged.ID+vacuumedSuffix, at); err != nil {
			return cleaned, err
		}
		cleaned++
	}
	return cleaned, nil
}

// due returns the receipts whose old versions are to go.
func (e *Engine) due(ctx context.Context, workspace, view string) ([]Receipt, error) {
	infos, gone, err := e.listReceipts(ctx, workspace, view)
	if err != nil {
		return nil, err
	}
	var out []Receipt
	now := e.Options.withDefaults().Now()
	for _, info := range infos {
		id := receiptID(info)
		if gone[id] {
			continue
		}
		r, err := e.Receipt(ctx, workspace, view, id)
		if err != nil {
			return nil, err
		}
		if r.OldVersionsUntil != nil && r.OldVersionsUntil.Before(now) {
			out = append(out, r)
		}
	}
	return out, nil
}

// cleaning is one call of Clean, which cleans each store once.
type cleaning struct {
	engine          *Engine
	workspace, view string
	now             window.Time
	report          func(steps int64)
	steps           int64
	oldest          map[string]int64 // by fingerprint: the oldest version that is left
}

func (c *cleaning) progress() {
	if c.steps++; c.report != nil {
		c.report(c.steps)
	}
}

func (c *cleaning) manifests(ctx context.Context) error {
	request := materialize.MaintainRequest{OnProgress: func(materialize.Progress) { c.progress() }}
	for range maxCalls {
		done, err := c.engine.Views.RemoveStaged(ctx, c.workspace, c.view, request)
		if err != nil || !done.More {
			return err
		}
	}
	return nil
}

// receipt reports whether nothing is left of what a deletion has replaced.
func (c *cleaning) receipt(ctx context.Context, r Receipt) (bool, error) {
	for _, store := range r.Stores {
		if !store.Offline {
			continue
		}
		oldest, known := c.oldest[store.Fingerprint]
		if !known {
			var err error
			if oldest, err = c.store(ctx, store.StorePlan); err != nil {
				return false, err
			}
			c.oldest[store.Fingerprint] = oldest
		}
		if oldest < store.Version {
			return false, nil
		}
	}
	return true, nil
}

// store cleans a store and returns the oldest version that is left of it: -1 if that is
// not known, or old files are left.
func (c *cleaning) store(ctx context.Context, p StorePlan) (oldest int64, err error) {
	t, table, err := c.engine.stored(ctx, c.workspace, c.view, p, c.now)
	if err != nil {
		return -1, err
	}
	if t == nil || table == nil {
		return math.MaxInt64, nil // all of it is gone
	}
	if _, err := table.Checkpoint(ctx, 1); err != nil {
		return -1, err
	}
	c.progress()
	log, err := table.CleanLog(ctx, c.engine.Views.Maintenance.WithDefaults().LogRetention)
	if err != nil || log.Checkpoint < 0 {
		return -1, err
	}
	c.progress()
	for range maxCalls {
		done, err := table.Vacuum(ctx, offline.VacuumRequest{
			ID: "clean-" + rand.Text(), Job: "delete-keys", OnProgress: func(int64) { c.progress() },
		})
		if err != nil {
			return -1, err
		}
		if !done.More {
			return log.Oldest, nil
		}
	}
	return -1, nil
}
