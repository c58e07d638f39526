package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// Materialize fills a range of a view's stores window by window. It fails when
// a window cannot be built, after all that could be built is committed; on
// cancellation it commits what is built, drops the rest and holds it back from
// incremental jobs.
func Materialize(ctx workflow.Context, in MaterializeInput) (MaterializeResult, error) {
	m, err := newMaterialization(ctx, in)
	if err != nil {
		return MaterializeResult{}, err
	}
	if in.Continued != nil {
		return m.goOn(ctx)
	}
	return m.begin(ctx, materialize.PlanMaterialize, func(turn activities.Turn) any {
		return activities.PlanRequest{
			Target:    activities.Target{Workspace: in.Workspace, View: in.View},
			StartTime: in.StartTime, EndTime: in.EndTime,
			Online: in.Online, Offline: in.Offline, Overwrite: in.Overwrite, Retry: in.Retry, Turn: turn,
		}
	})
}

func newMaterialization(ctx workflow.Context, in MaterializeInput) (*materialization, error) {
	m := &materialization{in: in, selector: workflow.NewSelector(ctx), wake: workflow.NewBufferedChannel(ctx, 1)}
	m.state.Result = MaterializeResult{Workspace: in.Workspace, View: in.View}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (MaterializeResult, error) { return m.state.Result, nil })
	if err != nil {
		return nil, err
	}
	if err := m.setControls(ctx); err != nil {
		return nil, err
	}
	if err := m.in.check(); err != nil {
		return nil, err
	}
	m.listen(ctx)
	err = workflow.UpsertTypedSearchAttributes(ctx,
		SearchWorkspace.ValueSet(in.Workspace), SearchFeatureView.ValueSet(in.View), SearchJobType.ValueSet(JobTypeBatch))
	if err != nil {
		return nil, err
	}
	if in.Continued != nil {
		m.state = *in.Continued
	}
	return m, nil
}

// begin plans a job, waits for its turn and runs it. The ledger knows of the job
// from when it has something to do.
func (m *materialization) begin(ctx workflow.Context, activity any, request func(activities.Turn) any) (MaterializeResult, error) {
	turn := activities.Turn{StartedAt: window.FromTime(workflow.GetInfo(ctx).WorkflowStartTime)}
	if err := m.plan(ctx, activity, request(turn), controlOptions("Plan")); err != nil {
		return MaterializeResult{}, err
	}
	if m.state.Result.Windows == 0 {
		return m.idle(ctx)
	}
	m.open(ctx)
	if m.state.Plan.Queued {
		m.state.Result.Waiting = true
		m.describe(ctx)
		m.record(ctx, activities.JobScheduled, "waits until fewer jobs of the view run", "")
		turn.Wait = true
		if err := m.plan(ctx, activity, request(turn), waitOptions("Wait for its turn and plan")); err != nil {
			return m.end(ctx, err)
		}
		m.state.Result.Waiting = false
	}
	if m.state.Result.Windows == 0 {
		return m.end(ctx, nil)
	}
	err := workflow.UpsertTypedSearchAttributes(ctx,
		SearchWindowStart.ValueSet(m.state.Plan.Range.Start.Time()), SearchWindowEnd.ValueSet(m.state.Plan.Range.End.Time()))
	if err != nil {
		return m.end(ctx, err)
	}
	m.record(ctx, activities.JobRunning, "", "")
	return m.run(ctx)
}

// idle ends a job without windows. Its plan may have found that an earlier one left
// the online store behind, or ended just before it switched stores.
func (m *materialization) idle(ctx workflow.Context) (MaterializeResult, error) {
	m.state.Unapplied = m.state.Plan.Lags
	m.apply(ctx)
	m.switchStores(ctx)
	if m.state.Result.Behind != "" {
		return m.state.Result, withDetails(m.failure(ErrorOnlineBehind, "the online store does not follow: "+m.state.Result.Behind), m.state.Result)
	}
	return m.state.Result, nil
}

// goOn continues the job that an earlier run began, unless its store is gone.
func (m *materialization) goOn(ctx workflow.Context) (MaterializeResult, error) {
	request := activities.StoreRequest{Target: m.state.Plan.Target, Fingerprint: m.state.Plan.Fingerprint}
	control := workflow.WithActivityOptions(ctx, waitOptions("Read the newest generation"))
	err := workflow.ExecuteActivity(control, materialize.CheckStore, request).Get(ctx, &m.state.Result.Skipped)
	if err != nil || m.state.Result.Skipped != "" {
		m.state.Plan.Filling = false
		return m.end(ctx, refusal(err))
	}
	return m.run(ctx)
}

// plan has an activity say what the job does.
func (m *materialization) plan(ctx workflow.Context, activity, request any, options workflow.ActivityOptions) error {
	var plan activities.Plan
	ctx = workflow.WithActivityOptions(ctx, options)
	if err := workflow.ExecuteActivity(ctx, activity, request).Get(ctx, &plan); err != nil {
		return refusal(err)
	}
	m.state.Plan, m.state.PerBuild = plan, plan.PerBuild
	m.state.Result.Windows = plan.Windows()
	m.state.Result.Skipped = plan.Skipped
	m.state.Result.Range = nil
	if m.state.Result.Windows > 0 {
		m.state.Result.Range = &plan.Range
	}
	return nil
}

// refusal is the error that an activity gave, so that the job's error has its type.
func refusal(err error) error {
	var given *temporal.ApplicationError
	if errors.As(err, &given) {
		return given
	}
	return err
}
