package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

const day = 24 * time.Hour

// start of every range in these tests.
var start = window.FromTime(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))

func at(d time.Duration) window.Time { return start.Add(d) }

// fake stands for the activities, under their names. Windows are known by their
// number from 0 on, manifests are those with a + before each.
type fake struct {
	windows  int
	schedule time.Duration // a day if zero
	online   bool
	gaps     window.Set // of an incremental job
	lags     bool       // an incremental job finds its online store behind
	filling  window.Set // the same, of a store that is filling, if there is one

	perBuild   int // windows a call; one run of the SQL
	onlineFrom int // number of the first window that the online store follows
	queued     bool
	skipped    string // the second plan's, or CheckStore's

	// Each may be nil; it decides what becomes of a call.
	onBuild  func(ctx context.Context, number int) error
	onCommit func(ctx context.Context, numbers []int) error
	onApply  func(call int) error
	onRange  func(r window.Interval) error
	onWait   func() error
	onRecord func(call int) error
	onHold   func() error
	onSwitch func() error
	// onServing fails the plan for the store that serves.
	onServing func() error

	mu                     sync.Mutex
	plans                  []activities.PlanRequest
	incrementals           []activities.IncrementalRequest
	begun                  []int
	building, mostBuilding int
	built                  []int
	commits                []activities.CommitRequest
	applies                int
	calls                  []window.Interval // of BuildWindows that succeeded
	records                []string          // "number STATE message" of the ledger
	recordCalls            int
	job                    activities.Job
	holds                  []activities.HoldRequest
	stores                 []activities.StoreRequest
	switches               []activities.Target
	switched               activities.Switched // what SwitchStores answers
	jobs                   []activities.Job    // of the records, each once

	// cancelled gets the name of each activity whose cancellation was asked for.
	cancelled chan string
}

// untilCancelled stands still until the workflow asks for the cancellation of an
// activity. It does not heartbeat: the test environment holds heartbeats back, and
// with them the news, for tens of seconds.
func (f *fake) untilCancelled() error {
	<-f.cancelled
	return context.Canceled
}

func (f *fake) step() time.Duration {
	if f.schedule == 0 {
		return day
	}
	return f.schedule
}

func (f *fake) number(w window.Interval) int { return int(w.Start.Sub(start) / f.step()) }

func (f *fake) PlanMaterialize(_ context.Context, r activities.PlanRequest) (activities.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.StartedAt = 0
	f.plans = append(f.plans, r)
	if r.Wait && f.onWait != nil {
		return activities.Plan{}, f.onWait()
	}
	plan := f.plan(r.Workspace, r.View, r.Wait)
	plan.Overwrite, plan.Filling = r.Overwrite, f.filling != nil
	if plan.Skipped == "" {
		plan.Range = window.Interval{Start: start, End: at(time.Duration(f.windows) * f.step())}
	}
	return plan, nil
}

func (f *fake) plan(workspace, view string, waited bool) activities.Plan {
	plan := activities.Plan{
		Target:      activities.Target{Workspace: workspace, View: view, Generation: 7},
		Fingerprint: "0123456789abcdef", Online: f.online, Schedule: feature.Duration(f.step()),
		OnlineFrom: at(time.Duration(f.onlineFrom) * f.step()), PerBuild: max(f.perBuild, 1), OneRun: f.perBuild > 1,
		Queued: f.queued && !waited,
	}
	if waited {
		plan.Skipped = f.skipped
	}
	return plan
}

func (f *fake) PlanIncremental(_ context.Context, r activities.IncrementalRequest) (activities.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.incrementals = append(f.incrementals, r)
	f.incrementals[len(f.incrementals)-1].StartedAt = 0
	plan := f.plan(r.Workspace, r.View, r.Wait)
	plan.Gaps, plan.Other = f.gaps, f.filling != nil
	if r.Filling {
		plan.Gaps, plan.Filling, plan.Other, plan.Fingerprint = f.filling, true, false, "fedcba9876543210"
	} else if f.onServing != nil {
		return activities.Plan{}, f.onServing()
	}
	if len(plan.Gaps) == 0 {
		plan.Skipped, plan.Lags = "nothing is missing", f.lags
		return plan, nil
	}
	plan.Range = window.Interval{Start: plan.Gaps[0].Start, End: plan.Gaps[len(plan.Gaps)-1].End}
	return plan, nil
}

func (f *fake) BuildWindows(ctx context.Context, r activities.BuildRequest) (activities.Built, error) {
	number := f.number(r.Range)
	f.mu.Lock()
	f.begun = append(f.begun, number)
	f.building++
	f.mostBuilding = max(f.mostBuilding, f.building)
	f.mu.Unlock()
	var err error
	if f.onBuild != nil {
		err = f.onBuild(ctx, number)
	}
	if f.onRange != nil {
		err = f.onRange(r.Range)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.building--
	if err != nil {
		return activities.Built{}, err
	}
	windows := r.Range.Count(f.step())
	built := activities.Built{Range: r.Range, Windows: windows, Rows: int64(10 * windows), Bytes: int64(100 * windows)}
	f.calls = append(f.calls, r.Range)
	for i := range windows {
		f.built = append(f.built, number+i)
		built.Manifest += fmt.Sprintf("+%d", number+i)
	}
	return built, nil
}

func (f *fake) CommitWindows(ctx context.Context, r activities.CommitRequest) (activities.Commit, error) {
	if f.onCommit != nil {
		if err := f.onCommit(ctx, numbers(r)); err != nil {
			return activities.Commit{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits = append(f.commits, r)
	return activities.Commit{Version: int64(len(f.commits)), Committed: len(numbers(r))}, nil
}

func (f *fake) OnlineViews(_ context.Context, t activities.Target) ([]activities.Target, error) {
	if t.View != "" {
		return []activities.Target{{Workspace: t.Workspace, View: t.View, Generation: 7}}, nil
	}
	return []activities.Target{{Workspace: t.Workspace, View: "a", Generation: 7}, {Workspace: t.Workspace, View: "b", Generation: 7}}, nil
}

func (f *fake) ApplyOnline(context.Context, activities.ApplyRequest) (activities.Applied, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applies++
	if f.onApply != nil {
		if err := f.onApply(f.applies); err != nil {
			return activities.Applied{}, err
		}
	}
	edge := at(time.Duration(f.applies) * f.step())
	return activities.Applied{Version: int64(len(f.commits)), Cells: 1000, Watermark: &edge}, nil
}

func (f *fake) RecordJob(_ context.Context, r activities.RecordRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recordCalls++
	if f.onRecord != nil {
		if err := f.onRecord(f.recordCalls); err != nil {
			return err
		}
	}
	f.job = r.Job
	if !slices.ContainsFunc(f.jobs, func(j activities.Job) bool { return j.ID == r.Job.ID }) {
		f.jobs = append(f.jobs, r.Job)
	}
	for _, record := range r.Records {
		f.records = append(f.records, strings.TrimSpace(fmt.Sprintf("%d %s %s", record.Number, record.State, record.Message)))
	}
	return nil
}

func (f *fake) HoldWindows(_ context.Context, r activities.HoldRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holds = append(f.holds, r)
	if f.onHold != nil {
		return f.onHold()
	}
	return nil
}

func (f *fake) CheckStore(_ context.Context, r activities.StoreRequest) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stores = append(f.stores, r)
	return f.skipped, nil
}

func (f *fake) SwitchStores(_ context.Context, t activities.Target) (activities.Switched, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.switches = append(f.switches, t)
	if f.onSwitch != nil {
		return activities.Switched{}, f.onSwitch()
	}
	return f.switched, nil
}

// numbers are the windows that a commit names, in its order.
func numbers(r activities.CommitRequest) []int {
	var out []int
	for _, manifest := range r.Manifests {
		for _, number := range strings.Split(manifest, "+")[1:] {
			n, err := strconv.Atoi(number)
			if err != nil {
				panic(err) //nolint:forbidigo // the fake made the name itself
			}
			out = append(out, n)
		}
	}
	return out
}

// committed are the windows of all commits, in ascending order.
func (f *fake) committed() []int {
	var out []int
	for _, c := range f.commits {
		out = append(out, numbers(c)...)
	}
	slices.Sort(out)
	return out
}

// upTo is 0, 1, … n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func input() workflows.MaterializeInput {
	return workflows.MaterializeInput{Workspace: "dev", View: "airport_delays"}
}

func newEnvironment(f *fake) *testsuite.TestWorkflowEnvironment {
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	f.cancelled = make(chan string, 100)
	env.SetOnActivityCanceledListener(func(info *activity.Info) { f.cancelled <- info.ActivityType.Name })
	workflows.Register(env)
	env.RegisterActivity(f)
	return env
}

// run runs one workflow run. When it fails or is cancelled, the result is what
// the error carries.
func run(t *testing.T, f *fake, in ...any) (workflows.MaterializeResult, error) {
	t.Helper()
	env := newEnvironment(f)
	env.ExecuteWorkflow("Materialize", in...)
	return ending(t, env)
}

func ending(t *testing.T, env *testsuite.TestWorkflowEnvironment) (workflows.MaterializeResult, error) {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	var result workflows.MaterializeResult
	err := env.GetWorkflowError()
	var application *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		require.NoError(t, env.GetWorkflowResult(&result))
	case errors.As(err, &application) && application.HasDetails():
		require.NoError(t, application.Details(&result))
	case errors.As(err, &cancelled) && cancelled.HasDetails():
		require.NoError(t, cancelled.Details(&result))
	}
	return result, err
}

// continued returns the input of the next run.
func continued(t *testing.T, err error) workflows.MaterializeInput {
	t.Helper()
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, err, &next)
	require.Equal(t, "Materialize", next.WorkflowType.Name)
	var in workflows.MaterializeInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	require.NotNil(t, in.Continued)
	return in
}

// refusal returns the type and the text of the error that ended a workflow.
func refusal(t *testing.T, err error) (kind, text string) {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.True(t, application.NonRetryable())
	return application.Type(), application.Message()
}

// broken is an error that a retry cannot mend.
func broken(text string) error {
	return temporal.NewNonRetryableApplicationError(text, activities.ErrorSQL, nil)
}

// quiet drops the SDK's log.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
