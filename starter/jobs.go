package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/tilery/tilery/activities"
)

const maxJobs = 1000

// job is one workflow of a view.
type job struct {
	Type        string     `json:"type"`
	View        string     `json:"view"`
	Status      string     `json:"status"`
	CreatedAt   time.Time  `json:"created_at"`
	ClosedAt    *time.Time `json:"closed_at,omitempty"`
	WorkflowID  string     `json:"workflow_id"`
	RunID       string     `json:"run_id"`
	HistorySize int64      `json:"history_events"`
}

func (c *cli) jobsCommand() *cobra.Command {
	limit, view := 0, ""
	command := &cobra.Command{
		Use:   "jobs [VIEW]",
		Short: "List the jobs of a view, or of the workspace, newest first",
		Long: "List what Temporal knows of the jobs of VIEW, or of the whole workspace. With --view, list the recorded jobs\n" +
			"of a view instead: Temporal forgets jobs some time after they ended, the records stay.",
		Example: "  tilery jobs airport_delays --limit 10\n  tilery jobs --view airport_delays",
		Args:    maxArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > maxJobs {
				return usageError{fmt.Errorf("--limit %d: want 1 to %d", limit, maxJobs)}
			}
			if view != "" {
				if len(args) > 0 {
					return usageError{errors.New("want VIEW or --view, not both")}
				}
				return c.recorded(cmd, view, limit)
			}
			jobs, err := c.listJobs(cmd.Context(), args, limit)
			if err != nil {
				return err
			}
			return c.printJobs(jobs)
		},
	}
	command.Flags().IntVar(&limit, "limit", 100, "how many jobs to list at most")
	command.Flags().StringVar(&view, "view", "", "list the recorded jobs of this view")
	return command
}

func (c *cli) listJobs(ctx context.Context, view []string, limit int) ([]job, error) {
	t, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	query := activities.JobsQuery(c.workspace, "")
	if len(view) == 1 {
		query = activities.JobsQuery(c.workspace, view[0])
	}
	var jobs []job
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: int32(min(limit, 200))}
	for {
		page, err := t.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}
		for _, e := range page.GetExecutions() {
			if len(jobs) == limit {
				return jobs, nil
			}
			jobs = append(jobs, newJob(e))
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return jobs, nil
		}
	}
}

func newJob(e *workflow.WorkflowExecutionInfo) job {
	j := job{
		Type:   e.GetType().GetName(),
		Status: strings.ToUpper(e.GetStatus().String()), CreatedAt: e.GetStartTime().AsTime(),
		WorkflowID: e.GetExecution().GetWorkflowId(), RunID: e.GetExecution().GetRunId(), HistorySize: e.GetHistoryLength(),
	}
	if parts := strings.SplitN(j.WorkflowID, "/", 4); len(parts) == 4 {
		j.View = parts[2]
	}
	if e.GetCloseTime() != nil {
		closed := e.GetCloseTime().AsTime()
		j.ClosedAt = &closed
	}
	return j
}

func (c *cli) printJobs(jobs []job) error {
	if c.output == "json" {
		return printJSON(c.out, jobs)
	}
	rows := make([][]string, len(jobs))
	for i, j := range jobs {
		took := "running"
		if j.ClosedAt != nil {
			took = j.ClosedAt.Sub(j.CreatedAt).Round(time.Millisecond).String()
		}
		rows[i] = []string{j.Type, j.Status, j.CreatedAt.UTC().Format(time.RFC3339), took, j.WorkflowID}
	}
	return printTable(c.out, []string{"TYPE", "STATUS", "CREATED (UTC)", "TOOK", "JOB"}, rows)
}
