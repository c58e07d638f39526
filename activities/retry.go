package activities

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Retry says how long a long activity is tried. What ends with its worker (a kill,
// a stop, a lost connection) is tried again at once; what fails by itself waits,
// twice as long each time. The zero value is the default.
type Retry struct {
	Interruptions int           // attempts that may end with their worker: 100
	Failures      int           // attempts that may fail; the last of them is final: 10
	Backoff       time.Duration // after the first failure: 5 minutes
	MaxBackoff    time.Duration // 1 hour
}

func (r Retry) withDefaults() Retry {
	return Retry{
		Interruptions: cmp.Or(r.Interruptions, 100),
		Failures:      cmp.Or(r.Failures, 10),
		Backoff:       cmp.Or(r.Backoff, 5*time.Minute),
		MaxBackoff:    cmp.Or(r.MaxBackoff, time.Hour),
	}
}

// delay is how long to wait after so many failures.
func (r Retry) delay(failures int) time.Duration {
	delay := r.Backoff
	for range failures - 1 {
		if delay >= r.MaxBackoff {
			break
		}
		delay *= 2
	}
	return min(delay, r.MaxBackoff)
}

// failed returns the error of the n-th attempt that failed by itself.
func (r Retry) failed(err error, kind string, n int) error {
	if n >= r.Failures {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%v (failed %d times)", err, n), ErrorExhausted, nil)
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), kind, temporal.ApplicationErrorOptions{NextRetryDelay: r.delay(n)})
}

// interrupted returns an error if too many attempts before this one ended with
// their worker: work that kills each worker must not do so for ever.
func (r Retry) interrupted(ctx context.Context, failures int) error {
	ended := int(activity.GetInfo(ctx).Attempt) - 1 - failures
	if ended < r.Interruptions {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%d attempts ended with their worker: it was killed or stopped, or could not be reached", ended), ErrorExhausted, nil)
}
