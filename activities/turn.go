package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/pkg/window"
)

// Names of the search attributes of jobs.
const (
	SearchWorkspace   = "TileryWorkspace"
	SearchFeatureView = "TileryFeatureView"
	SearchJobType     = "TileryJobType"
	SearchWindowStart = "TileryWindowStart" // set once a job has its turn
	SearchWindowEnd   = "TileryWindowEnd"
)

// turnInterval is how often a job asks whether its turn has come.
const turnInterval = 3 * time.Second

// Jobs is what is asked of Temporal about workflows. client.Client is one.
type Jobs interface {
	ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// Turn says where a job stands among those of its view.
type Turn struct {
	StartedAt window.Time `json:"started_at,omitzero"` // of its run
	// Wait has the plan be made only when the job's turn has come; until then the
	// activity fails with ErrorWaiting and is tried again.
	Wait bool `json:"wait,omitempty"`
}

// queued reports whether a job has to wait. Those come first that have had their
// turn and those that started earlier, by start and run id, so two never wait for
// each other. Visibility lags: for moments a few more may run than allowed.
func (m *Materialize) queued(ctx context.Context, t Target, turn Turn) (bool, error) {
	if m.Jobs == nil || m.MaxJobsPerView == 0 {
		return false, nil
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 200,
		Query:    fmt.Sprintf("%s AND %s = '%s' AND ExecutionStatus = 'Running'", JobsQuery(t.Workspace, t.View), SearchJobType, JobTypeBatch),
	}
	own := activity.GetInfo(ctx).WorkflowExecution.RunID
	for ahead := 0; ; {
		page, err := m.Jobs.ListWorkflow(ctx, request)
		if err != nil {
			return false, fmt.Errorf("list running jobs of %s: %w", t.View, err)
		}
		for _, job := range page.GetExecutions() {
			if before(job, turn.StartedAt, own) {
				ahead++
			}
		}
		if ahead >= m.MaxJobsPerView {
			if turn.Wait {
				return true, waiting(t, ahead)
			}
			return true, nil
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return false, nil
		}
	}
}

func before(job *workflow.WorkflowExecutionInfo, started window.Time, own string) bool {
	run := job.GetExecution().GetRunId()
	if run == own {
		return false
	}
	if _, running := job.GetSearchAttributes().GetIndexedFields()[SearchWindowStart]; running {
		return true
	}
	// Servers keep start times in milliseconds at least.
	theirs, ours := job.GetStartTime().AsTime().UnixMilli(), started.Time().UnixMilli()
	return theirs < ours || theirs == ours && run < own
}

func waiting(t Target, ahead int) error {
	return temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("jobs of %s that come first: %d", t.View, ahead), ErrorWaiting,
		temporal.ApplicationErrorOptions{NextRetryDelay: turnInterval})
}

// JobsQuery finds the jobs of a view, or of the whole workspace if it is empty, by
// their search attributes.
func JobsQuery(workspace, view string) string {
	query := fmt.Sprintf("%s = '%s'", SearchWorkspace, quote(workspace))
	if view != "" {
		query += fmt.Sprintf(" AND %s = '%s'", SearchFeatureView, quote(view))
	}
	return query
}

func quote(text string) string { return strings.ReplaceAll(text, "'", "''") }
