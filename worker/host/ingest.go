package host

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/serve"
	"github.com/tilery/tilery/workflows"
)

// newIngest returns what writes data frames into the engine's feature tables.
func newIngest(engine *materialize.Engine, c config.Config) *ingest.Engine {
	return &ingest.Engine{
		Bucket: engine.Bucket, Tables: engine, Fences: engine.Fences,
		Options: ingest.Options{
			FrameBytes: c.Ingest.FrameBytes, MemoryBytes: c.Ingest.MemoryBytes, ScratchBytes: c.Ingest.ScratchBytes,
			ScratchDir: c.Scratch, MaxFuture: c.Ingest.MaxFuture,
		},
	}
}

func (h *Host) ingestOptions(frames *ingest.Engine, c config.Ingest) *serve.IngestOptions {
	return &serve.IngestOptions{Frames: frames, Start: h.startIngest, Started: h.startedIngest, MaxUploads: c.Uploads}
}

// startIngest starts the job of a staged frame, unless it runs or has succeeded.
func (h *Host) startIngest(ctx context.Context, f ingest.Frame, managedRetries bool) (serve.StartedIngest, error) {
	in := workflows.IngestInput{Workspace: f.Workspace, FeatureTable: f.Table, Path: f.Path}
	if !managedRetries {
		in.ManagedRetries = &managedRetries
	}
	id := workflows.IngestID(f.Path)
	// Of a job that runs or has succeeded the client returns the run, without an error.
	_, err := h.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.TaskQueueControl,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		StaticSummary:            fmt.Sprintf("Ingest into %s of workspace %s", f.Table, f.Workspace),
	}, workflows.Ingest, in)
	if err != nil {
		return serve.StartedIngest{}, fmt.Errorf("start %s: %w", id, err)
	}
	return h.startedIngest(ctx, f.Workspace, f.Table, f.Path)
}

// startedIngest returns the newest job of a frame of the table; ingest.ErrNotFound if
// Temporal knows of none.
func (h *Host) startedIngest(ctx context.Context, workspace, table, path string) (serve.StartedIngest, error) {
	id := workflows.IngestID(path)
	if !strings.HasPrefix(id, fmt.Sprintf("ingest/%s/%s/", workspace, table)) {
		return serve.StartedIngest{}, fmt.Errorf("%w of %s: %s", ingest.ErrNotFound, table, path)
	}
	described, err := h.temporal.DescribeWorkflowExecution(ctx, id, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return serve.StartedIngest{}, fmt.Errorf("%w: %s", ingest.ErrNotFound, path)
	}
	if err != nil {
		return serve.StartedIngest{}, fmt.Errorf("describe %s: %w", id, err)
	}
	info := described.GetWorkflowExecutionInfo()
	run := info.GetExecution().GetRunId()
	return serve.StartedIngest{Job: workflows.JobID(run), WorkflowID: id, RunID: run, At: info.GetStartTime().AsTime()}, nil
}
