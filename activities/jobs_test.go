package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/window"
)

// visibility is what Temporal knows of jobs.
type visibility struct {
	listed    []*workflowpb.WorkflowExecutionInfo
	queries   []string
	described map[string]*workflowpb.WorkflowExecutionInfo // by workflow id: the newest run
	err       error
}

func (v *visibility) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	v.queries = append(v.queries, r.GetQuery())
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: v.listed}, v.err
}

func (v *visibility) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	info, ok := v.described[id]
	if !ok && v.err == nil {
		return nil, serviceerror.NewNotFound("no execution " + id)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, v.err
}

// running is a job that started so long after noon.
func running(run string, after time.Duration, hadItsTurn bool) *workflowpb.WorkflowExecutionInfo {
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{RunId: run},
		StartTime: timestamppb.New(instant("2001-02-01T12:00").Time().Add(after)),
	}
	if hadItsTurn {
		info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{activities.SearchWindowStart: {}}}
	}
	return info
}

func TestAJobWaitsForThoseThatCameFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := &visibility{}
	w.materialize.Jobs, w.materialize.MaxJobsPerView = v, 2
	turn := activities.Turn{StartedAt: instant("2001-02-01T12:00").Add(time.Minute)}
	for _, c := range []struct {
		why    string
		listed []*workflowpb.WorkflowExecutionInfo
		queued bool
	}{
		{"nobody is there", nil, false},
		{"one place is free", []*workflowpb.WorkflowExecutionInfo{running("a", 0, true), running("z", time.Hour, false)}, false},
		{"two came first", []*workflowpb.WorkflowExecutionInfo{running("a", 0, false), running("b", time.Second, false)}, true},
		{"two have had their turn", []*workflowpb.WorkflowExecutionInfo{running("a", time.Hour, true), running("b", 2*time.Hour, true)}, true},
		{"two started later", []*workflowpb.WorkflowExecutionInfo{running("a", time.Hour, false), running("b", 2*time.Hour, false)}, false},
		{"it is one of them itself", []*workflowpb.WorkflowExecutionInfo{running("a", 0, true), running("default-test-run-id", time.Minute, false)}, false},
		{"equal times, the lesser runs first", []*workflowpb.WorkflowExecutionInfo{running("a", time.Minute, false), running("b", time.Minute, false)}, true},
		{"equal times, greater runs wait", []*workflowpb.WorkflowExecutionInfo{running("y", time.Minute, false), running("z", time.Minute, false)}, false},
	} {
		v.listed = c.listed
		plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target, Turn: turn})
		require.Equal(t, c.queued, plan.Queued, c.why)
		incremental := execute[activities.Plan](t, w.environment(), "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 3, Turn: turn})
		require.Equal(t, c.queued, incremental.Queued, c.why)

		waiting := turn
		waiting.Wait = true
		_, err := w.environment().ExecuteActivity("PlanMaterialize", activities.PlanRequest{Target: target, Turn: waiting})
		if !c.queued {
			require.NoError(t, err)
			continue
		}
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.Equal(t, activities.ErrorWaiting, application.Type())
		require.False(t, application.NonRetryable())
		require.Equal(t, 3*time.Second, application.NextRetryDelay())
	}
	require.Equal(t, "TileryWorkspace = 'prod' AND TileryFeatureView = 'delays' AND TileryJobType = 'BATCH' AND ExecutionStatus = 'Running'", v.queries[0])
}

var job = activities.Job{ID: "0123456789abcdef0123456789abcdef", CreatedAt: instant("2001-02-01T12:00"), RunID: "run-1", Number: 1}

// record appends states to the ledger as a workflow does.
func (w *world) record(t *testing.T, job activities.Job, records ...activities.JobRecord) {
	t.Helper()
	_, err := w.environment().ExecuteActivity("RecordJob", activities.RecordRequest{Target: target, Job: job, Records: records})
	require.NoError(t, err)
}

func state(number int, state activities.JobState) activities.JobRecord {
	r := activities.JobRecord{At: instant("2001-02-01T12:00").Add(time.Duration(number) * time.Minute), Online: true, Offline: true}
	r.Number, r.State = number, state
	r.Window = window.Interval{Start: instant("2001-01-01"), End: instant("2001-02-01")}
	return r
}

func (w *world) history(t *testing.T, id string) ledger.History {
	t.Helper()
	history, err := w.materialize.Engine.Ledger.Get(t.Context(), target.Workspace, target.View, id)
	require.NoError(t, err)
	return history
}

func TestStatesAndAttemptsAreRecordedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		w.record(t, job, state(1, activities.JobRunning), state(2, activities.JobCancelRequested))
	}
	other := state(2, activities.JobCancelRequested)
	other.Message = "as another version would say it"
	w.record(t, job, other, state(3, activities.JobCancelled))
	_, err := w.environment().ExecuteActivity("RecordJob", activities.RecordRequest{Target: target, Job: job, Records: []activities.JobRecord{state(3, activities.JobSuccess)}})
	require.ErrorContains(t, err, "another record has this number")

	request := activities.BuildRequest{Target: target, Job: job, Range: day("2001-01-05")}
	require.Empty(t, execute[activities.Built](t, w.environment(), "BuildWindows", request).Unrecorded)
	w.materialize.Engine.Sources = sourceFunc(func(context.Context) (source.Files, error) {
		return source.Files{}, errors.New("input/output error")
	})
	request.Range = day("2001-01-06")
	_, err = w.environment().ExecuteActivity("BuildWindows", request)
	require.Error(t, err)

	history := w.history(t, job.ID)
	require.Len(t, history.States, 3)
	require.Equal(t, activities.JobCancelled, history.States[2].State)
	require.Len(t, history.Attempts, 2)
	failed := history.Attempts[0]
	require.Equal(t, ledger.Entry{Number: 1, State: ledger.Error, Window: day("2001-01-06"), Attempt: 1}, failed.Entry)
	require.Equal(t, []string{"input/output error", activities.ErrorFailed}, []string{failed.Message, failed.Reason})
	require.Equal(t, ledger.Entry{Number: 1, State: ledger.Success, Window: day("2001-01-05"), Attempt: 1}, history.Attempts[1].Entry)
}

func TestAnAttemptThatTheLedgerDoesNotTakeIsBuiltAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	built := execute[activities.Built](t, w.environment(), "BuildWindows", activities.BuildRequest{Target: target, Job: job, Range: day("2001-01-05")})
	require.NotEmpty(t, built.Manifest)
	require.Contains(t, built.Unrecorded, "which is not recorded")
}

// build makes windows visible, as a job does.
func build(t *testing.T, env *testsuite.TestActivityEnvironment, plan activities.Plan, r window.Interval) {
	t.Helper()
	built := execute[activities.Built](t, env, "BuildWindows", activities.BuildRequest{Target: plan.Target, Range: r})
	execute[activities.Commit](t, env, "CommitWindows", activities.CommitRequest{
		Target: plan.Target, Manifests: []string{built.Manifest}, Overwrite: plan.Overwrite,
	})
}

// What a person cancelled stays undone, however many incremental jobs come, until a
// person asks for it.
func TestHeldWindowsAreFilledByHandOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	build(t, w.environment(), plan, day("2001-01-31"))
	january := window.Interval{Start: instant("2001-01-20"), End: instant("2001-02-01")}
	for range 2 {
		_, err := w.environment().ExecuteActivity("HoldWindows", activities.HoldRequest{Target: plan.Target, Job: job, Windows: window.NewSet(january)})
		require.NoError(t, err)
	}
	for range 5 {
		incremental := execute[activities.Plan](t, w.environment(), "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 3})
		require.Equal(t, window.NewSet(window.Interval{Start: instant("2001-01-17"), End: instant("2001-01-20")}), incremental.Gaps)
	}
	from, to := instant("2001-01-25"), instant("2001-01-27")
	execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target, StartTime: &from, EndTime: &to})
	incremental := execute[activities.Plan](t, w.environment(), "PlanIncremental", activities.IncrementalRequest{Target: target, MaxWindows: 3})
	require.Equal(t, window.NewSet(day("2001-01-19"), window.Interval{Start: from, End: to}), incremental.Gaps, "asked for, and not done")
}

func TestARetryPlansWhatAnEndedJobLeftUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	retry := func(change func(*activities.PlanRequest)) (activities.Plan, error) {
		request := activities.PlanRequest{Target: target, Retry: job.ID}
		if change != nil {
			change(&request)
		}
		value, err := w.environment().ExecuteActivity("PlanMaterialize", request)
		if err != nil {
			return activities.Plan{}, err
		}
		var plan activities.Plan
		require.NoError(t, value.Get(&plan))
		return plan, nil
	}
	_, err := retry(nil)
	require.ErrorContains(t, err, "not found in the ledger")
	w.record(t, job, state(1, activities.JobRunning))
	_, err = retry(nil)
	require.ErrorContains(t, err, `is RUNNING: update it with "retry"`)
	w.record(t, job, state(2, activities.JobError))

	plan, err := retry(nil)
	require.NoError(t, err)
	require.Equal(t, 31, plan.Windows())
	require.True(t, plan.Online)
	env := w.environment()
	build(t, env, plan, window.Interval{Start: instant("2001-01-01"), End: instant("2001-01-30")})
	_, err = w.environment().ExecuteActivity("HoldWindows", activities.HoldRequest{Target: plan.Target, Job: job, Windows: plan.Wanted()})
	require.NoError(t, err)
	plan, err = retry(nil)
	require.NoError(t, err)
	require.Equal(t, window.NewSet(window.Interval{Start: instant("2001-01-30"), End: instant("2001-02-01")}), plan.Gaps)
	held, err := w.materialize.Engine.Ledger.Holds(t.Context(), target.Workspace, target.View)
	require.NoError(t, err)
	require.Empty(t, held, "a retry by hand lifts what is held")

	last, outside := instant("2001-01-31"), instant("2001-02-05")
	plan, err = retry(func(r *activities.PlanRequest) { r.StartTime = &last })
	require.NoError(t, err)
	require.Equal(t, window.NewSet(day("2001-01-31")), plan.Gaps, "one window")
	_, err = retry(func(r *activities.PlanRequest) { r.StartTime = &outside })
	require.ErrorContains(t, err, "are no windows of job")
	build(t, env, plan, day("2001-01-31"))
	plan, err = retry(func(r *activities.PlanRequest) { r.StartTime = &last })
	require.NoError(t, err)
	require.Contains(t, plan.Skipped, "is left to do")
}

// Jobs stay open whose run goes on.
func TestNoJobStaysOpenWhoseRunIsGone_B7(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := &visibility{described: map[string]*workflowpb.WorkflowExecutionInfo{}}
	w.materialize.Jobs = v
	plan := execute[activities.Plan](t, w.environment(), "PlanMaterialize", activities.PlanRequest{Target: target})
	build(t, w.environment(), plan, day("2001-01-05"))
	const id = "default-test-workflow-id" // of the environment that records
	names := []string{"1", "2", "3", "4"}
	for n, digit := range names {
		opened := job
		opened.ID = digit + job.ID[1:]
		opened.RunID = "run-" + digit
		record := state(1, activities.JobRunning)
		record.Fingerprint = plan.Fingerprint
		record.Window = day("2001-01-05")
		if n == 1 {
			record.Window = window.Interval{Start: instant("2001-01-05"), End: instant("2001-01-07")}
		}
		w.record(t, opened, record)
		if n == 3 {
			w.record(t, opened, state(2, activities.JobCancelled))
		}
	}
	v.described[id] = &workflowpb.WorkflowExecutionInfo{
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, FirstRunId: "run-3", Execution: &commonpb.WorkflowExecution{RunId: "run-9"},
	}
	reconcile := func() activities.LostJobs {
		return execute[activities.LostJobs](t, w.environment(), "ReconcileJobs", activities.ReconcileRequest{Workspace: target.Workspace})
	}
	require.Equal(t, activities.LostJobs{Succeeded: 1, Lost: 1}, reconcile())
	require.Equal(t, activities.LostJobs{}, reconcile(), "they are closed")
	var states []activities.JobState
	for _, digit := range names {
		history := w.history(t, digit+job.ID[1:])
		states = append(states, history.Last().State)
	}
	require.Equal(t, []activities.JobState{activities.JobSuccess, activities.JobError, activities.JobRunning, activities.JobCancelled}, states)
	lost := w.history(t, "2"+job.ID[1:])
	require.Equal(t, "workflow lost", lost.States[1].Message)

	v.err = errors.New("temporal is away")
	_, err := w.environment().ExecuteActivity("ReconcileJobs", activities.ReconcileRequest{Workspace: target.Workspace})
	require.ErrorContains(t, err, "temporal is away", "nothing is closed because Temporal does not answer")
	v.err = nil
	v.described[id].Status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	require.Equal(t, activities.LostJobs{Succeeded: 1}, reconcile())
}
