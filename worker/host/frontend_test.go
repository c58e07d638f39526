package host_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// frontend is as much of a Temporal server as a host needs to start. It has no
// work to give.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	operatorservice.UnimplementedOperatorServiceServer

	unknownNamespace bool

	server *grpc.Server
	mu     sync.Mutex
	queues []string
	names  []string // search attributes that were added, with their types
}

// startFrontend serves f until the test ends and returns its address.
func startFrontend(t *testing.T, f *frontend) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f.server = grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(f.server, f)
	operatorservice.RegisterOperatorServiceServer(f.server, f)
	var serving sync.WaitGroup
	serving.Go(func() { _ = f.server.Serve(listener) }) // ends when it is stopped
	t.Cleanup(func() { f.server.Stop(); serving.Wait() })
	return listener.Addr().String()
}

func (f *frontend) polled(queue string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.queues, queue)
}

func (f *frontend) added() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{ServerVersion: "1.32.1"}, nil
}

func (f *frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (f *frontend) PollWorkflowTaskQueue(ctx context.Context, r *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	f.wait(ctx, r.GetTaskQueue().GetName())
	return &workflowservice.PollWorkflowTaskQueueResponse{}, nil
}

func (f *frontend) PollActivityTaskQueue(ctx context.Context, r *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	f.wait(ctx, r.GetTaskQueue().GetName())
	return &workflowservice.PollActivityTaskQueueResponse{}, nil
}

func (f *frontend) wait(ctx context.Context, queue string) {
	f.mu.Lock()
	f.queues = append(f.queues, queue)
	f.mu.Unlock()
	<-ctx.Done()
}

func (f *frontend) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	if f.unknownNamespace {
		return nil, status.Error(codes.NotFound, "namespace default is not found")
	}
	return &operatorservice.ListSearchAttributesResponse{}, nil
}

func (f *frontend) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, kind := range r.GetSearchAttributes() {
		f.names = append(f.names, name+" "+kind.String())
	}
	return &operatorservice.AddSearchAttributesResponse{}, nil
}
