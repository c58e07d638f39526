package temporal_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tilery/tilery/deploy/local/temporal"
)

func TestServerServesNamespaceAndUI(t *testing.T) {
	var logged bytes.Buffer
	s, err := temporal.Start(t.Context(), temporal.Options{
		DataDir: t.TempDir(),
		Logger:  slog.New(slog.NewTextHandler(&logged, nil)),
	})
	require.NoError(t, err)
	stop := stopOnce(t, s)

	require.Equal(t, 30*24*time.Hour, describe(t, s, "default").GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	body := getOK(t, s.UIURL()+"/")
	require.Contains(t, body, "<html")
	require.Contains(t, getOK(t, s.UIURL()+"/api/v1/namespaces/default"), "NAMESPACE_STATE_REGISTERED")

	stop()
	_, err = net.Dial("tcp", s.HostPort())
	require.Error(t, err, "the frontend listens after Stop")
	require.Empty(t, logged.String(), "a clean run logs nothing")
}

func TestRestartKeepsStateAndAddsSearchAttributes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b%20?#") // characters that mean something in a URI
	first := map[string]enumspb.IndexedValueType{"View": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	s := start(t, temporal.Options{DataDir: dir, Namespace: "tilery", UIPort: -1, SearchAttributes: first})
	stop := stopOnce(t, s)
	id := describe(t, s, "tilery").GetNamespaceInfo().GetId()
	require.Equal(t, first, searchAttributes(t, s, "tilery"))
	require.Empty(t, s.UIURL())
	stop()

	both := map[string]enumspb.IndexedValueType{
		"View":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Window": enumspb.INDEXED_VALUE_TYPE_DATETIME,
	}
	s = start(t, temporal.Options{DataDir: dir, Namespace: "tilery", UIPort: -1, SearchAttributes: both})
	stop = stopOnce(t, s)
	require.Equal(t, id, describe(t, s, "tilery").GetNamespaceInfo().GetId(), "the namespace was created again")
	require.Equal(t, both, searchAttributes(t, s, "tilery"))
	count, err := workflowservice.NewWorkflowServiceClient(dial(t, s)).CountWorkflowExecutions(t.Context(),
		&workflowservice.CountWorkflowExecutionsRequest{Namespace: "tilery", Query: `Window > "2026-01-01T00:00:00Z"`})
	require.NoError(t, err, "an attribute just added cannot be used")
	require.Zero(t, count.GetCount())
	stop()

	_, err = temporal.Start(t.Context(), temporal.Options{DataDir: dir, Namespace: "tilery", UIPort: -1,
		SearchAttributes: map[string]enumspb.IndexedValueType{"View": enumspb.INDEXED_VALUE_TYPE_INT}})
	require.ErrorContains(t, err, "View is of type Keyword, not Int")
}

func TestDirectoryHasOneServer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, temporal.Options{DataDir: dir, UIPort: -1})
	defer s.Stop()
	_, err := temporal.Start(t.Context(), temporal.Options{DataDir: dir, UIPort: -1})
	require.ErrorIs(t, err, temporal.ErrInUse)
}

func TestCancelledStartFreesTheDirectory(t *testing.T) {
	o := temporal.Options{DataDir: t.TempDir(), UIPort: -1}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := temporal.Start(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	start(t, o).Stop()
}

func TestPortThatIsTakenIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for what, o := range map[string]temporal.Options{
		"frontend": {FrontendPort: port},
		"UI":       {UIPort: port},
	} {
		o.DataDir = t.TempDir()
		_, err := temporal.Start(t.Context(), o)
		require.ErrorContains(t, err, what+" port")
		require.ErrorContains(t, err, strconv.Itoa(port))
	}
}

func TestEmptyDatabaseFileIsCompleted(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "temporal-1.32.db"), nil, 0o644))
	s := start(t, temporal.Options{DataDir: dir, UIPort: -1})
	defer s.Stop()
	describe(t, s, "default")
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	for _, o := range []temporal.Options{
		{},
		{DataDir: t.TempDir(), FrontendPort: -1},
		{DataDir: t.TempDir(), FrontendPort: 1 << 16},
		{DataDir: t.TempDir(), UIPort: 1 << 16},
	} {
		_, err := temporal.Start(t.Context(), o)
		require.Error(t, err, "%+v", o)
	}
}

func start(t *testing.T, o temporal.Options) *temporal.Server {
	t.Helper()
	s, err := temporal.Start(t.Context(), o)
	require.NoError(t, err)
	return s
}

// stopOnce stops s when called, at the latest at the end of the test.
func stopOnce(t *testing.T, s *temporal.Server) func() {
	t.Helper()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			s.Stop()
		}
	}
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, s *temporal.Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.HostPort(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func describe(t *testing.T, s *temporal.Server, namespace string) *workflowservice.DescribeNamespaceResponse {
	t.Helper()
	resp, err := workflowservice.NewWorkflowServiceClient(dial(t, s)).DescribeNamespace(t.Context(),
		&workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	require.NoError(t, err)
	return resp
}

func searchAttributes(t *testing.T, s *temporal.Server, namespace string) map[string]enumspb.IndexedValueType {
	t.Helper()
	resp, err := operatorservice.NewOperatorServiceClient(dial(t, s)).ListSearchAttributes(t.Context(),
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	require.NoError(t, err)
	return resp.GetCustomAttributes()
}

func getOK(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", url, body)
	return string(body)
}
