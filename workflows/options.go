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

// batchOptions are for activities that may take hours and heartbeat.
func batchOptions(summary string, heartbeatTimeout time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           TaskQueueBatch,
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    heartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy:         retries(),
		Summary:             summary,
	}
}

// retries is the policy of every activity; errors that cannot be mended say so
// themselves (activities.Error types).
func retries() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 10,
	}
}
