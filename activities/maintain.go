package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// MaintenancePlan says what there is to maintain.
type MaintenancePlan struct {
	Generation int64    `json:"generation"`       // the newest
	Stores     []Target `json:"stores,omitempty"` // that have tables, the one that serves first
	// Skipped says why the view has no stores; what earlier ones left is removed all the same.
	Skipped string `json:"skipped,omitempty"`
}

// PlanMaintenance finds the stores of a view as of the newest generation.
func (m *Materialize) PlanMaintenance(ctx context.Context, t Target) (MaintenancePlan, error) {
	plan, err := m.planMaintenance(ctx, t)
	if errors.Is(err, registry.ErrNotFound) {
		skipped, goneErr := m.gone(ctx, t)
		if goneErr == nil && skipped != "" {
			return MaintenancePlan{Skipped: skipped}, nil
		}
		err = errors.Join(err, goneErr)
	}
	return plan, translate(err)
}

func (m *Materialize) planMaintenance(ctx context.Context, t Target) (MaintenancePlan, error) {
	stores, err := m.live(ctx, t)
	if err != nil {
		return MaintenancePlan{}, err
	}
	plan := MaintenancePlan{Generation: stores.Generation}
	for _, store := range stores.All() {
		if store.View.Offline {
			plan.Stores = append(plan.Stores, Target{t.Workspace, t.View, store.Generation})
		}
	}
	if len(plan.Stores) == 0 {
		plan.Skipped = "view " + t.View + " has offline: false"
	}
	return plan, nil
}

// MaintainRequest asks for one step of maintenance, of the store that the target's
// generation names or of the whole view or workspace.
type MaintainRequest struct {
	Target
	Job    Job  `json:"job,omitzero"`
	DryRun bool `json:"dry_run,omitempty"` // only count what would be removed
}

// Maintained tells what one call did, or by a dry run would have done. Its bounds are
// the engine's; with More, another call goes on.
type Maintained = materialize.Maintained

// CompactTable makes larger files of small ones.
func (m *Materialize) CompactTable(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintainTable(ctx, r, m.Engine.Compact)
}

// TrimLog writes a checkpoint if one is due, and deletes versions that one replaces.
func (m *Materialize) TrimLog(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintainTable(ctx, r, m.Engine.TrimLog)
}

// VacuumTable deletes data files that the table does not need any more.
func (m *Materialize) VacuumTable(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintainTable(ctx, r, m.Engine.Vacuum)
}

// DropCells removes the cells of fillings of the online store that were replaced.
func (m *Materialize) DropCells(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintainTable(ctx, r, func(ctx context.Context, t *materialize.Target, _ window.Time, step materialize.MaintainRequest) (Maintained, error) {
		return m.Engine.DropCells(ctx, t, step)
	})
}

// RemoveStores removes the stores of the workspace that no definition uses any more.
func (m *Materialize) RemoveStores(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintain(ctx, r, func(ctx context.Context, step materialize.MaintainRequest) (Maintained, error) {
		return m.Engine.RemoveStores(ctx, r.Workspace, m.Clock.Now(), step)
	})
}

// RemoveStaged deletes what the view's jobs handed on and nobody needs any more, and of
// the workspace what saves of datasets left that failed, data frames that nobody
// ingested, and keys of deletions that have ended.
func (m *Materialize) RemoveStaged(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintain(ctx, r, func(ctx context.Context, step materialize.MaintainRequest) (Maintained, error) {
		removed, err := m.Engine.RemoveStaged(ctx, r.Workspace, r.View, step)
		if err != nil {
			return removed, err
		}
		if m.Datasets != nil {
			swept, err := m.Datasets.Sweep(ctx, r.Workspace, r.DryRun)
			if err != nil {
				return removed, err
			}
			removed.Removed += swept.Objects
			removed.Bytes += swept.Bytes
			removed.More = removed.More || swept.More
		}
		if r.DryRun { // what follows does not tell what it would remove
			return removed, nil
		}
		before := time.Now().Add(-m.Engine.Maintenance.WithDefaults().Retention)
		if m.Frames != nil {
			frames, err := m.Frames.Sweep(ctx, r.Workspace, before)
			if removed.Removed += frames; err != nil {
				return removed, err
			}
		}
		if m.Deletions != nil {
			keys, err := m.Deletions.Sweep(ctx, r.Workspace, before)
			if removed.Removed += keys; err != nil {
				return removed, err
			}
		}
		return removed, nil
	})
}

// CleanDeletions removes old versions of the view's tables that hold keys which were
// deleted, once that is due, and says so in the receipts.
func (m *Materialize) CleanDeletions(ctx context.Context, r MaintainRequest) (Maintained, error) {
	return m.maintain(ctx, r, func(ctx context.Context, step materialize.MaintainRequest) (Maintained, error) {
		if m.Deletions == nil || r.DryRun {
			return Maintained{}, nil
		}
		cleaned, err := m.Deletions.Clean(ctx, r.Workspace, r.View, m.Clock.Now(), func(steps int64) {
			step.OnProgress(materialize.Progress{Rows: steps})
		})
		return Maintained{Removed: int64(cleaned)}, err
	})
}

type tableStep func(context.Context, *materialize.Target, window.Time, materialize.MaintainRequest) (Maintained, error)

func (m *Materialize) maintainTable(ctx context.Context, r MaintainRequest, work tableStep) (Maintained, error) {
	return m.maintain(ctx, r, func(ctx context.Context, step materialize.MaintainRequest) (Maintained, error) {
		t, err := m.target(ctx, r.Target)
		if err != nil {
			return Maintained{}, err
		}
		return work(ctx, t, m.Clock.Now(), step)
	})
}

func (m *Materialize) maintain(ctx context.Context, r MaintainRequest, work func(context.Context, materialize.MaintainRequest) (Maintained, error)) (Maintained, error) {
	info := activity.GetInfo(ctx)
	step := materialize.MaintainRequest{
		// Each attempt has the same id: what the one before it committed is found again.
		ID: info.WorkflowExecution.RunID + "/" + info.ActivityID, Job: info.WorkflowExecution.ID, DryRun: r.DryRun,
	}
	ended := func(err error) { m.recordFailure(ctx, r.Target, r.Job, window.Interval{}, err) }
	return alive(ctx, m.Retry, ended, func(ctx context.Context, report func(materialize.Progress)) (Maintained, error) {
		step.OnProgress = report
		return work(ctx, step)
	})
}
