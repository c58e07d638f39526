package host_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/worker/host"
	"github.com/tilery/tilery/workflows"
)

// The tests of this package run one after the other: what a host leaves behind
// is looked for in the whole process.

var discard = slog.New(slog.DiscardHandler)

// configuration of a host below a temporary directory.
func configuration(t *testing.T, temporal string) config.Config {
	t.Helper()
	dir := t.TempDir()
	c, err := config.Load("", func(name string) string {
		return map[string]string{
			"TILERY_DATA_DIR": dir, "TILERY_SOURCE_ROOT": dir,
			"TILERY_HTTP_LISTEN": "127.0.0.1:0", "TILERY_TEMPORAL_ADDRESS": temporal,
		}[name]
	})
	require.NoError(t, err)
	return c
}

// freeAddress is one that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// requireNothingLeft checks that the stores are free and that nothing runs on.
func requireNothingLeft(t *testing.T, c config.Config) {
	t.Helper()
	store, err := pebble.Open(c.Online, pebble.Options{Logger: discard})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	listener, err := net.Listen("tcp", c.HTTP.Listen)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	var left string
	require.Eventually(t, func() bool { left = running(); return left == "" }, 10*time.Second, 10*time.Millisecond, "%s", &left)
}

// running are the stacks of goroutines that belong to a host.
func running() string {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for _, stack := range strings.Split(string(stacks), "\n\n")[1:] { // the first is our own
		for _, part := range []string{"tilery/worker/host.", "go.temporal.io/sdk/", "google.golang.org/grpc", "net/http.(*Server)", "pebble/v2.(*"} {
			if strings.Contains(stack, part) && !strings.Contains(stack, "testing.tRunner") {
				left = append(left, stack)
				break
			}
		}
	}
	return strings.Join(left, "\n\n")
}

func TestStartThatFailsLeavesNothingRunning(t *testing.T) {
	nothing := func() {}
	for _, c := range []struct {
		name string
		// change returns what undoes it.
		change func(t *testing.T, c *config.Config) func()
		want   string
	}{
		{"Temporal is not there", func(*testing.T, *config.Config) func() { return nothing }, "connect to Temporal at 127.0.0.1:"},
		{"the port is taken", func(t *testing.T, c *config.Config) func() {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			c.HTTP.Listen = listener.Addr().String()
			return func() { require.NoError(t, listener.Close()) }
		}, "address already in use"},
		{"there is no source root", func(t *testing.T, c *config.Config) func() {
			c.SourceRoot = filepath.Join(t.TempDir(), "nowhere")
			return nothing
		}, "source root"},
		{"the clock is unknown", func(_ *testing.T, c *config.Config) func() { c.Clock = "sundial"; return nothing }, "sundial"},
		{"the namespace is unknown", func(t *testing.T, c *config.Config) func() {
			fake := &frontend{unknownNamespace: true}
			c.Temporal.Address = startFrontend(t, fake)
			return fake.server.Stop
		}, "search attributes of namespace default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := configuration(t, freeAddress(t))
			settings.HTTP.Listen = freeAddress(t)
			undo := c.change(t, &settings)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			h, err := host.Start(ctx, settings, discard)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, h)
			undo()
			requireNothingLeft(t, settings)
		})
	}
}

func TestAStoreThatIsInUseIsTold(t *testing.T) {
	settings := configuration(t, freeAddress(t))
	store, err := pebble.Open(settings.Online, pebble.Options{Logger: discard})
	require.NoError(t, err)
	_, err = host.Start(t.Context(), settings, discard)
	require.ErrorIs(t, err, pebble.ErrInUse)
	require.NoError(t, store.Close())
	requireNothingLeft(t, settings)
}

func TestAHostServesUntilItIsStopped(t *testing.T) {
	fake := &frontend{}
	settings := configuration(t, startFrontend(t, fake))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	h, err := host.Start(ctx, settings, discard)
	require.NoError(t, err)
	cancel() // Start's context is of no effect after it

	require.Eventually(t, func() bool { return fake.polled(workflows.TaskQueueControl) && fake.polled(workflows.TaskQueueBatch) },
		10*time.Second, 10*time.Millisecond, "both queues are polled")
	require.ElementsMatch(t, []string{
		"TileryFeatureView Keyword", "TileryJobType Keyword", "TileryWorkspace Keyword", "TileryWindowStart Datetime", "TileryWindowEnd Datetime",
	}, fake.added())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.Address()+"/healthz", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	require.NotEmpty(t, running())

	require.NoError(t, h.Stop())
	fake.server.Stop()
	requireNothingLeft(t, settings)
	select {
	case err := <-h.Failed():
		require.NoError(t, err, "to be stopped is no failure")
	default:
	}
}
