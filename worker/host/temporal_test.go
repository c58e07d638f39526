package host

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	respond = "/temporal.api.workflowservice.v1.WorkflowService/RespondActivityTaskCompleted"
	poll    = "/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue"
)

// silence never answers.
func silence(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

// TestReportsThatHangAreTriedAgain asks for the error that the SDK retries, once
// the attempt's time is up and not when the call's is.
func TestReportsThatHangAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		method string
		call   time.Duration
		want   codes.Code
		takes  time.Duration
	}{
		{respond, 10 * time.Second, codes.Unavailable, 4 * time.Second},
		{respond, 3 * time.Second, codes.DeadlineExceeded, 3 * time.Second},
		{poll, time.Minute, codes.DeadlineExceeded, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.call)
			defer cancel()
			began := time.Now()
			err := limitReports(4*time.Second)(ctx, c.method, nil, nil, nil, silence)
			require.Equal(t, c.want, status.Code(err))
			require.Equal(t, c.takes, time.Since(began))
		})
	}
}
