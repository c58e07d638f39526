package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/workflows"
)

func (c *cli) jobCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "job",
		Short: "Pause, resume, cancel or speed up a running job",
		Long:  "Change a running job. JOB is the last column of tilery jobs.",
		Args:  exactArgs(),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		c.updateCommand("pause", "Start no further window and commit what is built", workflows.UpdatePause),
		c.updateCommand("resume", "Go on with a paused job", workflows.UpdateResume),
		&cobra.Command{
			Use:     "set-parallelism JOB NUMBER",
			Short:   "Build that many windows at a time from now on",
			Example: "  tilery job set-parallelism materialize/prod/airport_delays/all-all 8",
			Args:    exactArgs("JOB", "NUMBER"),
			RunE: func(cmd *cobra.Command, args []string) error {
				n, err := strconv.Atoi(args[1])
				if err != nil {
					return usageError{fmt.Errorf("NUMBER %q is no number", args[1])}
				}
				return c.update(cmd.Context(), args[0], workflows.UpdateParallelism, n)
			},
		},
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

// update changes a running job and prints its progress.
func (c *cli) update(ctx context.Context, id, name string, args ...any) error {
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
	if progress.Paused {
		state = "paused"
	}
	_, err = fmt.Fprintf(c.out, "%s: %s, %d of %d windows committed\n", id, state, progress.Committed, progress.Windows)
	return err
}

// cancel asks the job to end and waits until it has.
func (c *cli) cancel(ctx context.Context, id string) error {
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
