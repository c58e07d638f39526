package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/workflows"
)

func (c *cli) restoreOnlineCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore-online [VIEW]",
		Short: "Fill the online store from the bucket",
		Long: "Bring the online store of VIEW, or of every view of the workspace, to what the offline store holds:\n" +
			"what was lost is written anew, what is there is brought up to date. Safe beside running jobs.",
		Example: "  tilery restore-online airport_delays",
		Args:    maxArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			input := workflows.RestoreInput{Workspace: c.workspace}
			if len(args) == 1 {
				input.View = args[0]
			}
			t, err := c.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer t.Close()
			run, err := t.ExecuteWorkflow(cmd.Context(), client.StartWorkflowOptions{
				ID: workflows.RestoreID(c.workspace), TaskQueue: workflows.TaskQueueControl,
				// Two would do the same work twice.
				WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
				StaticSummary: "Restore the online store of workspace " + c.workspace,
			}, workflows.RestoreOnline, input)
			if err != nil {
				return fmt.Errorf("start RestoreOnline: %w", err)
			}
			var result workflows.RestoreResult
			if err := run.Get(cmd.Context(), &result); err != nil {
				return fmt.Errorf("restore online: %s", reason(err))
			}
			return c.printRestored(result)
		},
	}
}

func (c *cli) printRestored(result workflows.RestoreResult) error {
	if c.output == "json" {
		return printJSON(c.out, result)
	}
	rows := make([][]string, len(result.Views))
	for i, v := range result.Views {
		edge := "none"
		if v.Watermark != nil {
			edge = v.Watermark.String()
		}
		rows[i] = []string{v.View, strconv.FormatInt(v.Generation, 10), strconv.FormatInt(v.Version, 10), strconv.FormatInt(v.Cells, 10), edge}
	}
	return printTable(c.out, []string{"VIEW", "GENERATION", "VERSION", "CELLS WRITTEN", "LEADING EDGE"}, rows)
}
