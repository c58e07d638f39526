package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"go.temporal.io/sdk/client"

	tilery "github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
)

// recordRetrieval records a job that makes a dataset, which the server starts.
func recordRetrieval(ctx context.Context, address string, temporal client.Client, out, name string, stdout io.Writer) error {
	started, err := tilery.New(address).StartDataset(ctx, tilery.HistoricalRequest{
		Workspace: workspace, View: "daily", SaveAs: "replay", SpineFormat: frame.CSV, Spine: strings.NewReader("origin,at\nATL,2001-01-15\n"),
	})
	if err != nil {
		return fmt.Errorf("start the retrieval: %w", err)
	}
	if err := temporal.GetWorkflow(ctx, started.Job, "").Get(ctx, nil); err != nil {
		return fmt.Errorf("retrieval: %w", err)
	}
	ended, err := temporal.DescribeWorkflowExecution(ctx, started.Job, "")
	if err != nil {
		return fmt.Errorf("describe %s: %w", started.Job, err)
	}
	return store(ctx, temporal, started.Job, ended.GetWorkflowExecutionInfo().GetExecution().GetRunId(), out, name, stdout)
}
