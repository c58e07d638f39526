package e2e_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tilery/tilery/deploy/local/temporal"
	"github.com/tilery/tilery/worker/host"
)

// lanesAtOnce is more than there are cores: a run mostly waits, for a timeout or a retry.
const lanesAtOnce = 10

// TestEveryCallOfABackfillFails records the calls of a backfill to the bucket, the
// online store and Temporal, and then has each of them fail once in each way, in
// a run of its own. Every run must succeed and leave what the undisturbed one left.
func TestEveryCallOfABackfillFails(t *testing.T) {
	lanes := startLanes(t)
	calls, want := record(t, lanes[0])
	for _, kind := range []string{"bucket", "delta", "online", "temporal"} {
		require.True(t, slices.ContainsFunc(calls, func(c call) bool { return c.kind() == kind }), "no call of %s", kind)
	}

	var cases []*injector
	for _, c := range calls {
		for _, w := range ways {
			if strings.HasPrefix(c.name, "temporal Poll") && w == before {
				continue // a poll is a call of the job once it has brought work
			}
			cases = append(cases, &injector{target: c, way: w})
		}
	}
	// First those that may wait for a minute, for a timeout of Temporal's.
	slices.SortStableFunc(cases, func(a, b *injector) int { return cmp.Compare(b.target.kind(), a.target.kind()) })
	began := time.Now()
	outcomes := runAll(t, lanes, cases, want)
	t.Logf("%d runs in %v", len(outcomes), time.Since(began).Round(time.Second))
	report(t, outcomes)
}

// recordings is how many undisturbed runs there are: what else goes on in the
// worker, and how Temporal divides its tasks, differs from run to run.
const recordings = 3

// record returns the calls that every undisturbed run makes, and what each leaves.
func record(t *testing.T, l *lane) (calls []call, want []string) {
	t.Helper()
	for n := range recordings {
		recorded := &injector{}
		got, err := l.backfill(t.Context(), recorded)
		require.NoError(t, err)
		made, _ := recorded.stop()
		if n == 0 {
			calls, want = made, got
			continue
		}
		require.Equal(t, want, got)
		calls = slices.DeleteFunc(calls, func(c call) bool { return !slices.Contains(made, c) })
	}
	return calls, want
}

// outcome is what became of one case.
type outcome struct {
	*injector
	took time.Duration
	err  error
}

// runAll divides the cases among the lanes.
func runAll(t *testing.T, lanes []*lane, cases []*injector, want []string) []outcome {
	t.Helper()
	outcomes := make([]outcome, len(cases))
	todo := make(chan int)
	var running sync.WaitGroup
	for _, l := range lanes {
		running.Go(func() {
			for n := range todo {
				began := time.Now()
				err := l.judge(t.Context(), cases[n], want)
				outcomes[n] = outcome{cases[n], time.Since(began), err}
			}
		})
	}
	for n := range cases {
		todo <- n
	}
	close(todo)
	running.Wait()
	return outcomes
}

// judge runs one case and compares what it leaves.
func (l *lane) judge(ctx context.Context, i *injector, want []string) error {
	got, err := l.backfill(ctx, i)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("the stores hold %d rows and cells, want %d", len(got), len(want))
	}
	for n := range want {
		if got[n] != want[n] {
			return fmt.Errorf("the stores hold %s, want %s", got[n], want[n])
		}
	}
	return nil
}

// report prints how many faults of each kind there were. A call that was not
// there in the disturbed run proves nothing, so there must be few of those.
func report(t *testing.T, outcomes []outcome) {
	t.Helper()
	reached, missed := map[string]int{}, 0
	var failures []string
	for _, o := range outcomes {
		if o.err != nil {
			failures = append(failures, fmt.Sprintf("%s %s %d: %v", o.way, o.target.name, o.target.n, o.err))
		}
		if _, ok := o.stop(); ok {
			reached[o.target.kind()]++
		} else {
			missed++
			t.Logf("not reached: %s %s %d", o.way, o.target.name, o.target.n)
		}
	}
	slowest := slices.MaxFunc(outcomes, func(a, b outcome) int { return cmp.Compare(a.took, b.took) })
	t.Logf("slowest: %s %s %d took %v", slowest.way, slowest.target.name, slowest.target.n, slowest.took.Round(time.Millisecond))
	for _, kind := range slices.Sorted(maps.Keys(reached)) {
		t.Logf("faults injected: %4d into %s", reached[kind], kind)
	}
	t.Logf("faults injected: %4d in all, %d not reached", len(outcomes)-missed, missed)
	require.Empty(t, failures)
	require.LessOrEqual(t, missed*20, len(outcomes), "one in twenty may be missed")
}

// startLanes starts a Temporal server with a namespace for each lane, and makes
// what all lanes begin with.
func startLanes(t *testing.T) []*lane {
	t.Helper()
	root := memoryFolder(t)
	server, err := temporal.Start(t.Context(), temporal.Options{
		DataDir: filepath.Join(root, "temporal"), UIPort: -1, SearchAttributes: host.SearchAttributes(), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	sources := filepath.Join(root, "sources")
	require.NoError(t, os.Mkdir(sources, 0o700))
	query(t, "clicks/write.sql", "out="+filepath.Join(sources, "clicks.parquet"))

	lanes := make([]*lane, lanesAtOnce)
	for n := range lanes {
		namespace := fmt.Sprintf("lane-%d", n)
		dialed, err := client.DialContext(t.Context(), client.Options{
			HostPort: server.HostPort(), Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		})
		require.NoError(t, err)
		t.Cleanup(dialed.Close)
		_, err = dialed.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		require.NoError(t, err)
		lanes[n] = &lane{
			address: server.HostPort(), namespace: namespace,
			client: dialed, root: root, sources: sources, registry: filepath.Join(root, "registry"),
		}
	}
	waitFor(t, time.Minute, "the namespaces are known", func() bool {
		return !slices.ContainsFunc(lanes, func(l *lane) bool {
			_, err := l.client.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: l.namespace})
			return err != nil
		})
	})
	applyClicks(t, lanes[0])
	return lanes
}

// applyClicks keeps the registry of a host to which the definitions were applied.
func applyClicks(t *testing.T, l *lane) {
	t.Helper()
	c, err := l.configuration(t.TempDir(), answered)
	require.NoError(t, err)
	h, err := host.Start(t.Context(), c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s := &stack{}
	s.Endpoints.HTTP = h.Address()
	s.tilery(t, "apply", "testdata/clicks/repository", "--yes")
	require.NoError(t, h.Stop())
	require.NoError(t, os.CopyFS(l.registry, os.DirFS(filepath.Join(c.Bucket, "registry"))))
}

// memoryFolder is on a file system in memory where the machine has one: hundreds
// of small databases are made, and none of them outlives the test.
func memoryFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "tilery-faults-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return folder
}
