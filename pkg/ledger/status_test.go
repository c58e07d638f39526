package ledger_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/window"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files again")

// scene returns a ledger with a job of each kind of ending.
func scene(t *testing.T) *ledger.Ledger {
	l := ledger.New(open(t))
	maintenance := jobNumber(0)
	maintenance.Type = ledger.Maintenance
	for n, state := range []ledger.State{ledger.Running, ledger.Success} {
		record := change(n+1, state)
		record.Window = window.Interval{}
		require.NoError(t, l.Append(t.Context(), maintenance, record))
	}
	appendAll(t, l, jobNumber(1), ledger.Scheduled, ledger.Running, ledger.Success)
	appendAll(t, l, jobNumber(2), ledger.Running, ledger.CancelRequested, ledger.Cancelled)

	appendAll(t, l, jobNumber(3), ledger.Pending, ledger.Running)
	for n, window := range day.Split(12 * time.Hour) {
		failed := attempt(2, 9+n, ledger.Error)
		failed.Window, failed.EnvVersion = window, "v1.2.0"
		failed.Message = "read the source:\n\tno column \"delay\""
		require.NoError(t, l.AppendAttempt(t.Context(), jobNumber(3), failed))
	}
	failed := attempt(3, 1, ledger.Error)
	failed.Reason, failed.Message, failed.EnvVersion = "WindowsFailed", "2 of 2 windows failed", "v1.2.0"
	require.NoError(t, l.Append(t.Context(), jobNumber(3), failed))

	appendAll(t, l, jobNumber(4), ledger.Pending, ledger.Running)
	stream := jobNumber(5)
	stream.Type, stream.RunID = ledger.Stream, ""
	streaming := change(1, ledger.Scheduled)
	streaming.Window = window.Interval{}
	require.NoError(t, l.Append(t.Context(), stream, streaming))
	return l
}

func TestStatusTables(t *testing.T) {
	t.Parallel()
	l := scene(t)
	ui := ledger.StatusOptions{UI: "http://127.0.0.1:8233/", Namespace: "default"}
	with := func(alter func(*ledger.StatusOptions)) ledger.StatusOptions {
		options := ui
		alter(&options)
		return options
	}
	for name, options := range map[string]ledger.StatusOptions{
		"default":      ui,
		"no_links":     {},
		"verbose":      with(func(o *ledger.StatusOptions) { o.Verbose = true }),
		"errors_only":  with(func(o *ledger.StatusOptions) { o.ErrorsOnly = true; o.Verbose = true }),
		"by_status":    with(func(o *ledger.StatusOptions) { o.SortColumns = "STATUS, JOB_CREATED_AT" }),
		"by_attempt":   with(func(o *ledger.StatusOptions) { o.SortColumns = "ATTEMPT" }),
		"limit_2":      with(func(o *ledger.StatusOptions) { o.Limit = 2 }),
		"no_such_view": {},
	} {
		shown := view
		if name == "no_such_view" {
			shown = "other"
		}
		table, err := l.Status(t.Context(), workspace, shown, options)
		require.NoError(t, err)
		var text strings.Builder
		require.NoError(t, table.WriteText(&text))
		data, err := json.MarshalIndent(table, "", " ")
		require.NoError(t, err)
		requireGolden(t, "testdata/"+name+".txt", text.String())
		requireGolden(t, "testdata/"+name+".json", string(data)+"\n")
	}
}

func requireGolden(t *testing.T, path, got string) {
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, path)
}

func TestTheLimitIsAppliedBeforeErrorsOnly(t *testing.T) {
	t.Parallel()
	l := scene(t)
	for limit, rows := range map[int]int{2: 0, 3: 3, 0: 3} {
		table, err := l.Status(t.Context(), workspace, view, ledger.StatusOptions{Limit: limit, ErrorsOnly: true})
		require.NoError(t, err)
		require.Len(t, table.Rows, rows)
	}
}

func TestAnUnknownSortKeyIsNamedWithThoseThatAre(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	const plain = "TYPE, WINDOW_START_TIME, WINDOW_END_TIME, STATUS, ATTEMPT, JOB_CREATED_AT, JOB_LOGS"
	for list, key := range map[string]string{
		"STATE": "STATE", "STATUS,status": "status", "STATUS,": "", "ENV_VERSION": "ENV_VERSION",
	} {
		_, err := l.Status(t.Context(), workspace, view, ledger.StatusOptions{SortColumns: list})
		require.EqualError(t, err, "Unknown sort key "+key+", should be one of: "+plain)
		var wrong *ledger.SortKeyError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, key, wrong.Key)
	}
	_, err := l.Status(t.Context(), workspace, view, ledger.StatusOptions{SortColumns: "ENV_VERSION", Verbose: true})
	require.NoError(t, err)
}

func TestLinksAreEscaped(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	job := jobNumber(1)
	job.WorkflowID = "a/b c?=%é"
	appendAll(t, l, job, ledger.Running)
	table, err := l.Status(t.Context(), workspace, view, ledger.StatusOptions{UI: "https://temporal.example", Namespace: "default"})
	require.NoError(t, err)
	require.Equal(t, "https://temporal.example/namespaces/default/workflows/a%2Fb%20c%3F=%25%C3%A9/"+job.RunID+"/history", table.Rows[0][6])
}

func TestStatusOf10000JobsListsAndNeverGets(t *testing.T) {
	t.Parallel()
	const jobs = 10_000
	var mu sync.Mutex
	calls := map[string]int{}
	l := ledger.New(buckettest.Faulty{Bucket: open(t), Hook: func(op, _ string) buckettest.Fault {
		mu.Lock()
		defer mu.Unlock()
		calls[op]++
		return buckettest.None
	}})
	var group errgroup.Group
	group.SetLimit(8)
	for n := range jobs {
		group.Go(func() error {
			return l.Append(t.Context(), jobNumber(n), change(1, ledger.Running))
		})
	}
	require.NoError(t, group.Wait())
	clear(calls)

	table, err := l.Status(t.Context(), workspace, view, ledger.StatusOptions{Limit: jobs, UI: "http://ui", Namespace: "default"})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"List": 1}, calls)
	require.Len(t, table.Rows, jobs)
	for n, row := range table.Rows {
		job := jobNumber(jobs - 1 - n)
		require.Equal(t, "RUNNING", row[3])
		require.Contains(t, row[6], job.RunID)
	}

	table, err = l.Status(t.Context(), workspace, view, ledger.StatusOptions{})
	require.NoError(t, err)
	require.Len(t, table.Rows, 1000, "the default limit")
	_, err = l.Get(t.Context(), workspace, view, fmt.Sprintf("%032x", jobs-2))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"List": 3, "Get": 1}, calls)
}

func TestAStatusTableOfOneTypeCountsOnlyItsJobs(t *testing.T) {
	t.Parallel()
	l := scene(t)
	table, err := l.Status(t.Context(), workspace, view, ledger.StatusOptions{Type: ledger.Maintenance, Limit: 1})
	require.NoError(t, err)
	require.Len(t, table.Rows, 1, "newer jobs are of other types")
	require.Equal(t, "MAINTENANCE", table.Rows[0][0])
	table, err = l.Status(t.Context(), workspace, view, ledger.StatusOptions{Type: ledger.Deletion})
	require.NoError(t, err)
	require.Empty(t, table.Rows)
}
