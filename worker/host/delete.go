package host

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

// newDeletion returns what deletes keys from the engine's stores. now may be nil.
func newDeletion(engine *materialize.Engine, datasets *dataset.Store, c config.Deletion, now func() time.Time) *erase.Engine {
	return &erase.Engine{
		Bucket: engine.Bucket, Views: engine, Datasets: datasets, Fences: engine.Fences,
		Options: erase.Options{MaxKeys: c.MaxKeys, KeyBytes: c.KeyBytes, BatchBytes: c.BatchBytes, Now: now},
	}
}

func (h *Host) deletionOptions(keys *erase.Engine, c config.Deletion) *serve.DeletionOptions {
	return &serve.DeletionOptions{
		Keys: keys, Fences: keys.Fences, MaxBytes: c.KeyBytes, Restore: h.startRestore,
		Start: func(ctx context.Context, staged erase.Staged) error { return h.startDeletion(ctx, staged, c) },
	}
}

// startDeletion starts the job that deletes staged keys.
func (h *Host) startDeletion(ctx context.Context, staged erase.Staged, c config.Deletion) error {
	id := workflows.DeleteKeysID(staged.Workspace, staged.View, staged.ID)
	grace := feature.Duration(c.Grace)
	_, err := h.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.TaskQueueControl,
		StaticSummary: fmt.Sprintf("Delete %d keys of %s of workspace %s", staged.Keys, staged.View, staged.Workspace),
	}, workflows.DeleteKeys, workflows.DeleteKeysInput{Staged: staged, Grace: &grace})
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	return nil
}

// startRestore starts the job that materializes again what a fence held back, and
// returns its workflow's id.
func (h *Host) startRestore(ctx context.Context, lifted forget.Fence, end *window.Time) (string, error) {
	id := workflows.LiftID(lifted.Workspace, lifted.View, lifted.ID)
	_, err := h.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.TaskQueueControl,
		StaticSummary: fmt.Sprintf("Materialize %s of workspace %s again with %d keys", lifted.View, lifted.Workspace, lifted.Count),
	}, workflows.Materialize, workflows.MaterializeInput{Workspace: lifted.Workspace, View: lifted.View, EndTime: end, Overwrite: true})
	if err != nil {
		return "", fmt.Errorf("start %s: %w", id, err)
	}
	return id, nil
}
