package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// Activity references; only their names are used.
var (
	materialize *activities.Materialize
	schedules   *activities.Schedules
	retrieve    *activities.Retrieve
	remove      *activities.Delete
	ingest      *activities.Ingest
)

// controlOptions are for activities that take seconds.
func controlOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           TaskQueueControl,
		StartToCloseTimeout: time.Minute,
		WaitForCancellation: true,
		RetryPolicy:         retries(),
		Summary:             summary,
	}
}

// waitOptions are for an activity that is tried again until the job's turn comes,
// however long that takes.
func waitOptions(summary string) workflow.ActivityOptions {
	options := controlOptions(summary)
	options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}
	return options
}

// batchOptions are for activities that may take hours and heartbeat. They count
// their own failures and say how long to wait after one; what is left to Temporal
// is a worker that does not answer, and there the next attempt starts at once.
func batchOptions(summary string, heartbeatTimeout time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           TaskQueueBatch,
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1, MaximumAttempts: maxAttempts},
		Summary:             summary,
	}
}

// deletionPriority has the steps of a deletion come before windows that wait for a
// worker, whose priority is 3.
const deletionPriority = 1

// maxAttempts is above what the configuration of a worker can ask for.
const maxAttempts = 9999

// retries is the policy of activities that take seconds; errors that cannot be
// mended say so themselves (activities.Error types).
func retries() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 10,
	}
}
