package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
	tilery "github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/ledger"
)

func (c *cli) statusCommand() *cobra.Command {
	return c.tableCommand(&cobra.Command{
		Use:   "materialization-status VIEW",
		Short: "Show the materialization jobs of a view with their attempts",
		Long: "Show the materialization jobs of VIEW, the newest first, each with its attempts below it, the last first:\n" +
			"also jobs that Temporal has forgotten. --limit counts jobs before --errors-only chooses.",
		Example: "  tilery materialization-status airport_delays --errors-only --verbose\n" +
			"  tilery materialization-status airport_delays --sort-columns STATUS,WINDOW_START_TIME",
	}, (*tilery.Client).MaterializationStatus)
}

func (c *cli) deletionStatusCommand() *cobra.Command {
	return c.tableCommand(&cobra.Command{
		Use:   "deletion-status VIEW",
		Short: "Show the deletions of keys of a view with their attempts",
		Long: "Show the deletions of keys of VIEW, the newest first, each with its attempts below it, the last first: also jobs\n" +
			"that Temporal has forgotten. --verbose shows the ids of the jobs, for tilery deletion receipt.",
		Example: "  tilery deletion-status spending --verbose",
	}, (*tilery.Client).DeletionStatus)
}

// tableCommand completes a command that shows a status table.
func (c *cli) tableCommand(command *cobra.Command,
	ask func(*tilery.Client, context.Context, api.MaterializationStatusRequest) (api.MaterializationStatusResponse, error)) *cobra.Command {
	request := api.MaterializationStatusRequest{}
	command.Args = exactArgs("VIEW")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if request.Limit < 1 || request.Limit > ledger.MaxJobs {
			return usageError{fmt.Errorf("--limit %d: want 1 to %d", request.Limit, ledger.MaxJobs)}
		}
		request.Workspace, request.FeatureView = c.workspace, args[0]
		response, err := ask(c.client(), cmd.Context(), request)
		if err != nil {
			return err
		}
		if c.output == "json" {
			return printJSON(c.out, response.Table())
		}
		return response.Table().WriteText(c.out)
	}
	flags := command.Flags()
	flags.BoolVar(&request.Verbose, "verbose", false, "show more columns: what jobs and attempts ended with")
	flags.IntVar(&request.Limit, "limit", 100, "how many jobs to show at most")
	flags.StringVar(&request.SortColumns, "sort-columns", "", "names of columns with commas between, to sort the rows by")
	flags.BoolVar(&request.ErrorsOnly, "errors-only", false, "show only what failed")
	return command
}

// recorded lists the jobs of a view as the ledger has them.
func (c *cli) recorded(cmd *cobra.Command, view string, limit int) error {
	response, err := c.client().ListJobs(cmd.Context(), api.ListJobsRequest{Workspace: c.workspace, FeatureView: view, Limit: limit})
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(c.out, response.Jobs)
	}
	rows := make([][]string, len(response.Jobs))
	for i, j := range response.Jobs {
		rows[i] = []string{
			j.JobType, string(j.Status), timeOrNone(j.StartTime), timeOrNone(j.EndTime),
			j.CreatedAt.UTC().Format(time.RFC3339), j.UpdatedAt.UTC().Format(time.RFC3339), strconv.Itoa(len(j.Attempts)), j.ID,
		}
	}
	return printTable(c.out, []string{"TYPE", "STATUS", "START", "END", "CREATED (UTC)", "UPDATED (UTC)", "ATTEMPTS", "JOB"}, rows)
}

func timeOrNone(t *time.Time) string {
	if t == nil {
		return "N/A"
	}
	return t.UTC().Format(time.RFC3339)
}
