package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// Names on the wire. Changing one breaks running workflows and people's habits.
const (
	// TaskQueueControl takes workflows and short activities, TaskQueueBatch the
	// long ones, so that a backfill never starves control.
	TaskQueueControl = "tilery-control"
	TaskQueueBatch   = "tilery-batch"

	// QueryProgress returns a job's progress, a MaterializeResult.
	QueryProgress = "progress"

	// SignalReconcile asks for a pass of Reconcile.
	SignalReconcile = "reconcile"

	// The updates change a running job and return its progress: UpdateParallelism
	// and UpdateRate take a number, UpdateRetry a RetryInput.
	UpdatePause       = "pause"
	UpdateResume      = "resume"
	UpdateParallelism = "set-parallelism"
	UpdateRate        = "set-rate"
	UpdateRetry       = "retry"

	// ErrorWindowsFailed is the type of a job's error when windows could not be
	// built or committed; all others are committed.
	ErrorWindowsFailed = "WindowsFailed"
	// ErrorOnlineBehind is the type of a job's error when everything is committed
	// and the online store does not hold all of it yet.
	ErrorOnlineBehind = "OnlineBehind"
	// ErrorMaintenanceFailed is the type of Maintain's error when steps failed; all
	// others are taken.
	ErrorMaintenanceFailed = "MaintenanceFailed"
)

// Search attributes of every job; those of its windows once its turn has come.
var (
	SearchWorkspace   = temporal.NewSearchAttributeKeyKeyword(activities.SearchWorkspace)
	SearchFeatureView = temporal.NewSearchAttributeKeyKeyword(activities.SearchFeatureView)
	SearchJobType     = temporal.NewSearchAttributeKeyKeyword(activities.SearchJobType)
	SearchWindowStart = temporal.NewSearchAttributeKeyTime(activities.SearchWindowStart)
	SearchWindowEnd   = temporal.NewSearchAttributeKeyTime(activities.SearchWindowEnd)
)

// Types of jobs: materialization, ingests and deletion of keys, by Tecton's names,
// maintenance, and datasets that are made, which only Temporal lists.
const (
	JobTypeBatch       = activities.JobTypeBatch
	JobTypeIngest      = activities.JobTypeIngest
	JobTypeDeletion    = activities.JobTypeDeletion
	JobTypeMaintenance = activities.JobTypeMaintenance
	JobTypeRetrieval   = "RETRIEVAL"
)

// MaterializeID is the workflow id of a backfill. A range that is being
// materialized cannot be started a second time.
func MaterializeID(workspace, view string, start, end *window.Time) string {
	return fmt.Sprintf("materialize/%s/%s/%s-%s", workspace, view, orAll(start), orAll(end))
}

func orAll(t *window.Time) string {
	if t == nil {
		return "all"
	}
	return t.String()
}

// RetryID is the workflow id of a job that does what an ended one left undone.
func RetryID(workspace, view, job string) string {
	return fmt.Sprintf("retry/%s/%s/%s", workspace, view, job)
}

// IncrementalID is the workflow id of a view's incremental jobs: one at a time.
func IncrementalID(workspace, view string) string {
	return fmt.Sprintf("incremental/%s/%s", workspace, view)
}
