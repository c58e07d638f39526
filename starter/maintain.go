package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/workflows"
)

func (c *cli) maintainCommand() *cobra.Command {
	var dryRun, detach bool
	command := &cobra.Command{
		Use:   "maintain VIEW",
		Short: "Compact a view's files and remove what nobody needs any more",
		Long: "Start the Maintain workflow for VIEW, which a schedule starts every day as well, and wait for it: small files are\n" +
			"compacted, logs trimmed, and files, cells and stores removed that nothing has needed for the configured time.\n" +
			"It runs on when this command is interrupted. No value changes by it.",
		Example: "  tilery maintain airport_delays --dry-run",
		Args:    exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.maintain(cmd.Context(), workflows.MaintainInput{Workspace: c.workspace, View: args[0], DryRun: dryRun}, detach)
		},
	}
	command.Flags().BoolVar(&dryRun, "dry-run", false, "only tell what would be removed")
	command.Flags().BoolVar(&detach, "detach", false, "start the workflow and do not wait for it")
	return command
}

func (c *cli) maintain(ctx context.Context, in workflows.MaintainInput, detach bool) error {
	t, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	run, err := t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.MaintainID(in.Workspace, in.View), TaskQueue: workflows.TaskQueueControl,
		// Two would do the same work twice.
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary: fmt.Sprintf("Maintenance of %s of workspace %s", in.View, in.Workspace),
	}, workflows.Maintain, in)
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &running) {
		return fmt.Errorf("%s is being maintained already: see tilery jobs %s", in.View, in.View)
	}
	if err != nil {
		return fmt.Errorf("start Maintain: %w", err)
	}
	if detach {
		return c.printStarted(run)
	}
	var result workflows.MaintainResult
	err = run.Get(ctx, &result)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; %s runs on, see tilery jobs", run.GetID())
	}
	if err != nil {
		return fmt.Errorf("maintain: %s", reason(err))
	}
	return c.printMaintained(result)
}

func (c *cli) printMaintained(r workflows.MaintainResult) error {
	if c.output == "json" {
		return printJSON(c.out, r)
	}
	done := "Maintained " + r.View
	if r.DryRun {
		done = "Nothing is changed; maintenance of " + r.View + " would remove"
	}
	fmt.Fprintf(c.out, "%s (%d bytes in all):\n", done, r.Bytes)
	if !r.DryRun {
		fmt.Fprintf(c.out, "  %d small files compacted into %d\n  %d objects of logs deleted\n", r.Compacted, r.Into, r.LogObjects)
	}
	fmt.Fprintf(c.out, "  %d data files that nothing needs\n  %d fillings of the online store that were replaced\n  %d objects that jobs left\n",
		r.Vacuumed, r.Replaced, r.Staged)
	fmt.Fprintf(c.out, "  %d stores that no definition uses, with %d objects\n", len(r.RemovedStores), r.RemovedObjects)
	for _, store := range r.RemovedStores {
		fmt.Fprintln(c.out, "    "+store)
	}
	if r.Skipped != "" {
		fmt.Fprintf(c.out, "No table was maintained: %s.\n", r.Skipped)
	}
	if len(r.Unfinished) > 0 {
		fmt.Fprintf(c.out, "The next run goes on with: %s.\n", strings.Join(r.Unfinished, "; "))
	}
	return nil
}
