// Command record runs one job of each kind on a running stack and stores their
// histories for the replay tests; testdata/replay/record.sh starts it.
//
// It knows the stack by its names on the wire only, as people's scripts do, so
// that it records any release.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/tilery/tilery/pkg/api"
	tilery "github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/workflows"
)

const (
	workspace    = "prod" // where jobs run
	pollInterval = 20 * time.Millisecond
)

// scenario is one job and what is done to it.
type scenario struct {
	name     string
	workflow string // empty: Materialize
	input    string // JSON, as a person writes it
	// cancelAfter so many built windows; 0: never.
	cancelAfter int
	// updates are made once a window has failed.
	updates []change
	// retryOf is the name of an earlier scenario, whose job is retried.
	retryOf string
	// edit is applied to the repository before: a text and what replaces it.
	edit [2]string
}

// change is an update of a running job.
type change struct {
	name string
	args []any
}

// scenarios in this order: an overwrite needs something to overwrite, gaps need
// something beside them.
var scenarios = []scenario{
	{name: "backfill", input: `{"view": "daily", "end_time": "2001-01-20", "commit_windows": 5}`},
	{name: "gaps", workflow: "MaterializeIncremental", input: `{"view": "daily"}`},
	{name: "nothing-missing", workflow: "MaterializeIncremental", input: `{"view": "daily"}`},
	{name: "restore", workflow: "RestoreOnline", input: `{"view": "daily"}`},
	{name: "maintenance", workflow: "Maintain", input: `{"view": "daily"}`},
	{name: "overwrite-offline-only", input: `{"view": "daily", "start_time": "2001-01-03", "end_time": "2001-01-17", "overwrite": true, "online": false}`},
	{name: "overlap", input: `{"view": "daily"}`},
	{name: "misaligned-range", input: `{"view": "daily", "start_time": "2001-01-03T05:00:00Z"}`},
	{name: "unknown-view", input: `{"view": "nowhere"}`},
	{name: "refused-input", input: `{"view": "daily", "begin_time": "2001-01-03"}`},
	{name: "cancelled", input: `{"view": "endless_from_the_fourth", "parallelism": 2}`, cancelAfter: 4},
	{name: "windows-failed", input: `{"view": "broken_on_some_days"}`},
	{name: "retry-of-an-ended-job", input: `{"view": "broken_on_some_days"}`, retryOf: "windows-failed"},
	{name: "updated", input: `{"view": "broken_on_some_days", "overwrite": true, "parallelism": 1, "rate": 300}`, updates: []change{
		{workflows.UpdatePause, nil}, {workflows.UpdateRetry, []any{workflows.RetryInput{}}}, {workflows.UpdateParallelism, []any{2}},
		{workflows.UpdateRate, []any{0}}, {workflows.UpdateResume, nil},
	}},
	{name: "held", workflow: "MaterializeIncremental", input: `{"view": "endless_from_the_fourth"}`},
	{name: "filling-store", workflow: "MaterializeIncremental", input: `{"view": "daily"}`, edit: [2]string{"function: count, time_window: 1d", "function: max, time_window: 1d"}},
	{name: "continued-as-new", input: `{"view": "hourly", "parallelism": 8, "commit_windows": 100}`},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("record", flag.ContinueOnError)
	flags.SetOutput(stderr)
	release := flags.String("release", "", "what the stack was built from, the first part of each file's name")
	endpoints := flags.String("endpoints", "", "endpoints.json of the stack")
	definitions := flags.String("repository", "", "feature repository to materialize")
	out := flags.String("out", "", "directory to write to, in it a folder for each workflow")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := readEndpoints(*endpoints)
	if err != nil {
		return err
	}
	if err := apply(ctx, at.HTTP, *definitions, [2]string{}); err != nil {
		return err
	}
	temporal, err := client.DialContext(ctx, client.Options{HostPort: at.Temporal, Logger: nothing{}})
	if err != nil {
		return err
	}
	defer temporal.Close()
	runs := map[string]string{}
	for _, s := range scenarios {
		if s.edit[0] != "" {
			if err := apply(ctx, at.HTTP, *definitions, s.edit); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		runID, err := s.run(ctx, temporal, runs[s.retryOf])
		runs[s.name] = runID
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := store(ctx, temporal, s.id(), runID, *out, *release+"-"+s.name, stdout); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, j := range serverJobs {
		if err := j.record(ctx, at.HTTP, temporal, *out, *release, stdout); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
	}
	// Applying started the reconciliation. It runs on: its history ends where it waits.
	id := workflows.ReconcileID(workspace)
	running, err := temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fmt.Errorf("describe %s: %w", id, err)
	}
	return store(ctx, temporal, id, running.GetWorkflowExecutionInfo().GetExecution().GetRunId(), *out, *release+"-reconcile", stdout)
}

type stackEndpoints struct {
	HTTP     string `json:"http"`
	Temporal string `json:"temporal"`
}

func readEndpoints(path string) (stackEndpoints, error) {
	var at stackEndpoints
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &at)
	}
	if err != nil {
		return at, fmt.Errorf("endpoints of the stack: %w", err)
	}
	return at, nil
}

func apply(ctx context.Context, address, directory string, edit [2]string) error {
	files, err := repository.Read(directory)
	if err != nil {
		return err
	}
	for i := range files {
		if edit[0] != "" {
			files[i].Content = strings.ReplaceAll(files[i].Content, edit[0], edit[1])
		}
	}
	server, request := tilery.New(address), api.PlanRequest{Workspace: workspace, Files: files}
	plan, err := server.Plan(ctx, request)
	if err != nil {
		return err
	}
	_, err = server.Apply(ctx, api.ApplyRequest{PlanRequest: request, BaseGeneration: plan.Base})
	return err
}

func (s scenario) id() string { return "replay/" + s.name }

// run runs the job to its end, whatever that is, and returns the id of its first
// run. Retried is that of the job to retry, empty if there is none.
func (s scenario) run(ctx context.Context, c client.Client, retried string) (string, error) {
	input := map[string]any{"workspace": workspace}
	if retried != "" {
		input["retry"] = strings.ReplaceAll(retried, "-", "")
	}
	if err := json.Unmarshal([]byte(s.input), &input); err != nil {
		return "", err
	}
	job, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: s.id(), TaskQueue: workflows.TaskQueueControl,
	}, cmp.Or(s.workflow, "Materialize"), input)
	if err != nil {
		return "", err
	}
	first := job.GetRunID() // Get makes it the last one
	if err := s.disturb(ctx, c, job); err != nil {
		return "", err
	}
	if err := job.Get(ctx, nil); err != nil && ctx.Err() != nil {
		return "", err
	}
	return first, nil
}

// disturb does to the running job what the scenario says.
func (s scenario) disturb(ctx context.Context, c client.Client, job client.WorkflowRun) error {
	if s.cancelAfter > 0 {
		built := func(p workflows.MaterializeResult) bool { return p.Built >= s.cancelAfter }
		if err := await(ctx, c, job, built); err != nil {
			return err
		}
		return c.CancelWorkflow(ctx, job.GetID(), "")
	}
	if len(s.updates) == 0 {
		return nil
	}
	if err := await(ctx, c, job, func(p workflows.MaterializeResult) bool { return p.Failed > 0 }); err != nil {
		return err
	}
	for _, u := range s.updates {
		handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: job.GetID(), UpdateName: u.name, Args: u.args, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		if err != nil {
			return fmt.Errorf("update %s: %w", u.name, err)
		}
	}
	return nil
}

// await waits until the job's progress is as wanted.
func await(ctx context.Context, c client.Client, job client.WorkflowRun, wanted func(workflows.MaterializeResult) bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		answer, err := c.QueryWorkflow(ctx, job.GetID(), "", workflows.QueryProgress)
		if err != nil {
			return err
		}
		var progress workflows.MaterializeResult
		if err := answer.Get(&progress); err != nil {
			return err
		}
		if progress.Windows > 0 && progress.Built == progress.Windows {
			return errors.New("the job was too fast to be disturbed")
		}
		if wanted(progress) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// nothing drops the SDK's log.
type nothing struct{}

func (nothing) Debug(string, ...any) {}
func (nothing) Info(string, ...any)  {}
func (nothing) Warn(string, ...any)  {}
func (nothing) Error(string, ...any) {}
