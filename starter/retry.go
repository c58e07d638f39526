package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

func (c *cli) retryCommand() *cobra.Command {
	at, detach := "", false
	command := &cobra.Command{
		Use:   "retry JOB",
		Short: "Build the windows again that failed or were cancelled",
		Long: "Build the windows of JOB again that failed. A running job does that itself, once more with all its attempts;\n" +
			"for one that has ended, by its id of tilery jobs --view, a new job fills what it left, also what was\n" +
			"cancelled by hand. An ingest is done once more, as long as its frame is kept.",
		Example: "  tilery job retry 0123456789abcdef0123456789abcdef --window 2001-01-07",
		Args:    exactArgs("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var chosen *window.Time
			if at != "" {
				start, err := window.Parse(at)
				if err != nil {
					return usageError{fmt.Errorf("--window: %w", err)}
				}
				chosen = &start
			}
			return c.retry(cmd.Context(), args[0], chosen, detach)
		},
	}
	command.Flags().StringVar(&at, "window", "", "retry only the window that starts at this time, UTC")
	command.Flags().BoolVar(&detach, "detach", false, "do not wait for the new job of one that has ended")
	return command
}

func (c *cli) retry(ctx context.Context, id string, at *window.Time, detach bool) error {
	if !recordedID.MatchString(id) { // a workflow, so it must be running
		return c.update(ctx, id, workflows.UpdateRetry, workflows.RetryInput{Window: at})
	}
	response, err := c.client().Job(ctx, api.GetJobRequest{Workspace: c.workspace, JobID: id})
	if err != nil {
		return err
	}
	job := response.Job
	if !job.Status.Final() {
		return c.update(ctx, job.WorkflowID, workflows.UpdateRetry, workflows.RetryInput{Window: at})
	}
	if job.IngestPath != "" {
		return c.ingestAgain(ctx, job, detach)
	}
	in := workflows.MaterializeInput{Workspace: job.Workspace, View: job.FeatureView, Retry: id, StartTime: at}
	return c.materialize(ctx, workflows.RetryID(in.Workspace, in.View, id), in, detach)
}
