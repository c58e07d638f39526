package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

// progressInterval is how often the progress bar asks Temporal.
const progressInterval = 300 * time.Millisecond

type materializeFlags struct {
	start, end       string
	online           bool
	overwrite        bool
	detach           bool
	parallelism      int
	rate             int
	commitWindows    int
	heartbeatTimeout time.Duration
}

func (c *cli) materializeCommand() *cobra.Command {
	var f materializeFlags
	command := &cobra.Command{
		Use:   "materialize VIEW",
		Short: "Backfill a feature view",
		Long: "Start the Materialize workflow for VIEW and follow it. Without a range, everything that the view wants\n" +
			"and whose data is complete is materialized. The workflow runs on when this command is interrupted.",
		Example: "  tilery materialize airport_delays\n  tilery materialize airport_delays --start 2001-01-01 --end 2001-01-08 --overwrite",
		Args:    exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			input, err := f.input(cmd, c.workspace, args[0])
			if err != nil {
				return usageError{err}
			}
			id := workflows.MaterializeID(input.Workspace, input.View, input.StartTime, input.EndTime)
			return c.materialize(cmd.Context(), id, input, f.detach)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.start, "start", "", "start of the range, UTC, a multiple of batch_schedule")
	flags.StringVar(&f.end, "end", "", "end of the range, UTC, exclusive")
	flags.BoolVar(&f.online, "online", true, "let the online store follow; default: as the view says")
	flags.BoolVar(&f.overwrite, "overwrite", false, "build windows again that are materialized already")
	flags.BoolVar(&f.detach, "detach", false, "start the workflow and do not wait for it")
	flags.IntVar(&f.parallelism, "parallelism", 0, "windows at a time (default 4)")
	flags.IntVar(&f.rate, "rate", 0, "windows a minute at most (default no limit)")
	flags.IntVar(&f.commitWindows, "commit-windows", 0, "windows a commit (default 16)")
	flags.DurationVar(&f.heartbeatTimeout, "heartbeat-timeout", 0, "how soon a window of a dead worker starts again (default 30s)")
	return command
}

func (f materializeFlags) input(cmd *cobra.Command, workspace, view string) (workflows.MaterializeInput, error) {
	in := workflows.MaterializeInput{
		Workspace: workspace, View: view, Overwrite: f.overwrite, Parallelism: f.parallelism, CommitWindows: f.commitWindows, Rate: f.rate,
	}
	if f.heartbeatTimeout < 0 || f.heartbeatTimeout%time.Second != 0 {
		return in, fmt.Errorf("--heartbeat-timeout %v: want whole seconds from 0s up", f.heartbeatTimeout)
	}
	in.HeartbeatTimeout = feature.Duration(f.heartbeatTimeout)
	for _, bound := range []struct {
		name, text string
		target     **window.Time
	}{{"start", f.start, &in.StartTime}, {"end", f.end, &in.EndTime}} {
		if bound.text == "" {
			continue
		}
		at, err := window.Parse(bound.text)
		if err != nil {
			return in, fmt.Errorf("--%s: %w", bound.name, err)
		}
		*bound.target = &at
	}
	if cmd.Flags().Changed("online") {
		in.Online = &f.online
	}
	return in, nil
}

func (c *cli) materialize(ctx context.Context, id string, in workflows.MaterializeInput, detach bool) error {
	t, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	run, err := t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:        id,
		TaskQueue: workflows.TaskQueueControl,
		// The same range twice at a time is a mistake; again after it ended is not.
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("Backfill %s of workspace %s", in.View, in.Workspace),
	}, workflows.Materialize, in)
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &running) {
		return fmt.Errorf("this range of %s is being materialized already: see tilery jobs %s", in.View, in.View)
	}
	if err != nil {
		return fmt.Errorf("start Materialize: %w", err)
	}
	if detach {
		return c.printStarted(run)
	}
	result, err := c.follow(ctx, t, run)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.out, result)
	}
	if result.Skipped != "" {
		fmt.Fprintf(c.out, "Nothing to do for %s: %s.\n", in.View, result.Skipped)
	} else {
		fmt.Fprintf(c.out, "Materialized %s %v: %d windows committed, %d tiles, %d online cells.\n",
			in.View, *result.Range, result.Committed, result.Rows, result.Cells)
	}
	switch {
	case result.Serves != 0:
		fmt.Fprintf(c.out, "The new store serves as of generation %d.\n", result.Serves)
	case result.Lacks != "":
		fmt.Fprintf(c.out, "The old store serves on. The new one lacks %s.\n", result.Lacks)
	}
	return nil
}

func (c *cli) printStarted(run client.WorkflowRun) error {
	if c.output == "json" {
		return printJSON(c.out, map[string]string{"workflow_id": run.GetID(), "run_id": run.GetRunID()})
	}
	_, err := fmt.Fprintf(c.out, "Started %s (run %s)\n", run.GetID(), run.GetRunID())
	return err
}

// follow shows progress until the workflow ends.
func (c *cli) follow(ctx context.Context, t client.Client, run client.WorkflowRun) (workflows.MaterializeResult, error) {
	bar := newProgressBar(c.errOut)
	defer bar.done()
	type ending struct {
		result workflows.MaterializeResult
		err    error
	}
	ended := make(chan ending, 1)
	go func() {
		var e ending
		e.err = run.Get(ctx, &e.result)
		ended <- e
	}()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case e := <-ended:
			if ctx.Err() != nil {
				return e.result, fmt.Errorf("interrupted; %s runs on, see tilery jobs", run.GetID())
			}
			if e.err != nil {
				return e.result, fmt.Errorf("materialize: %s", reason(e.err))
			}
			bar.show(e.result)
			return e.result, nil
		case <-ticker.C:
			var progress workflows.MaterializeResult
			answer, err := t.QueryWorkflow(ctx, run.GetID(), "", workflows.QueryProgress)
			if err == nil && answer.Get(&progress) == nil {
				bar.show(progress)
			}
		}
	}
}

// reason finds the message that the worker gave.
func reason(err error) string {
	var application *temporal.ApplicationError
	for errors.As(err, &application) {
		if application.Unwrap() == nil {
			break
		}
		inner := application.Unwrap()
		var deeper *temporal.ApplicationError
		if !errors.As(inner, &deeper) {
			break
		}
		err = inner
	}
	if application != nil {
		return application.Message()
	}
	return err.Error()
}
