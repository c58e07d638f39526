package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/workflows"
)

func (c *cli) jobCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "job",
		Short: "Pause, resume, retry, cancel, speed up or slow down a job",
		Long:  "Change a job. JOB is the last column of tilery jobs, with or without --view.",
		Args:  exactArgs(),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		c.updateCommand("pause", "Start no further window and commit what is built", workflows.UpdatePause),
		c.updateCommand("resume", "Go on with a paused job", workflows.UpdateResume),
		c.numberCommand("set-parallelism", "Build that many windows at a time from now on", workflows.UpdateParallelism),
		c.numberCommand("set-rate", "Start at most that many windows a minute from now on; 0 is no limit", workflows.UpdateRate),
		c.retryCommand(),
		&cobra.Command{
			Use:   "cancel JOB",
			Short: "Commit what is built and end the job",
			Args:  exactArgs("JOB"),
			RunE:  func(cmd *cobra.Command, args []string) error { return c.cancel(cmd.Context(), args[0]) },
		},
	)
	return command
}

func (c *cli) updateCommand(use, short, update string) *cobra.Command {
	return &cobra.Command{
		Use:     use + " JOB",
		Short:   short,
		Example: "  tilery job " + use + " materialize/prod/airport_delays/all-all",
		Args:    exactArgs("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.update(cmd.Context(), args[0], update)
		},
	}
}

func (c *cli) numberCommand(use, short, update string) *cobra.Command {
	return &cobra.Command{
		Use:     use + " JOB NUMBER",
		Short:   short,
		Example: "  tilery job " + use + " materialize/prod/airport_delays/all-all 8",
		Args:    exactArgs("JOB", "NUMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return usageError{fmt.Errorf("NUMBER %q is no number", args[1])}
			}
			return c.update(cmd.Context(), args[0], update, n)
		},
	}
}

var recordedID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// workflowOf returns the workflow of a job that is named by its record or by the
// workflow itself.
func (c *cli) workflowOf(ctx context.Context, id string) (string, error) {
	if !recordedID.MatchString(id) {
		return id, nil
	}
	response, err := c.client().Job(ctx, api.GetJobRequest{Workspace: c.workspace, JobID: id})
	if err != nil {
		return "", err
	}
	return response.Job.WorkflowID, nil
}

// update changes a running job and prints its progress.
func (c *cli) update(ctx context.Context, id, name string, args ...any) error {
	id, err := c.workflowOf(ctx, id)
	if err != nil {
		return err
	}
	t, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	handle, err := t.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var progress workflows.MaterializeResult
	if err == nil {
		err = handle.Get(ctx, &progress)
	}
	if err != nil {
		return notRunning(id, err)
	}
	if c.output == "json" {
		return printJSON(c.out, progress)
	}
	state := "running"
	switch {
	case progress.Waiting:
		state = "waiting for its turn"
	case progress.Paused:
		state = "paused"
	}
	_, err = fmt.Fprintf(c.out, "%s: %s, %d of %d windows committed\n", id, state, progress.Committed, progress.Windows)
	return err
}

// cancel asks the job to end and waits until it has.
func (c *cli) cancel(ctx context.Context, id string) error {
	id, err := c.workflowOf(ctx, id)
	if err != nil {
		return err
	}
	t, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.CancelWorkflow(ctx, id, ""); err != nil {
		return notRunning(id, err)
	}
	// The job's own error says how it ended, which need not be a cancellation.
	err = t.GetWorkflow(ctx, id, "").Get(ctx, nil)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; %s ends all the same", id)
	}
	ended := "had completed"
	if err != nil {
		ended = reason(err)
	}
	_, err = fmt.Fprintf(c.out, "%s: %s\n", id, ended)
	return err
}

func notRunning(id string, err error) error {
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return fmt.Errorf("no job %s is running: see tilery jobs", id)
	}
	return fmt.Errorf("%s: %s", id, reason(err))
}
