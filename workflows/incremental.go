package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// maxIncrementalWindows bounds one incremental job on one store; the next one goes on where
// it ended. It stays below callsPerRun, so such a job is one run unless it is retried often.
const maxIncrementalWindows = 64

// IncrementalInput is the JSON that starts an incremental job.
type IncrementalInput struct {
	Workspace string `json:"workspace"`
	View      string `json:"view"`

	malformed error // what the JSON was refused for
}

// UnmarshalJSON never fails, as that of MaterializeInput.
func (in *IncrementalInput) UnmarshalJSON(data []byte) error {
	type plain IncrementalInput
	in.malformed = decodeStrict(data, (*plain)(in))
	return nil
}

// IncrementalResult sums up the job on the store that serves and, if the view has a
// store that is filling, the job on that.
type IncrementalResult struct {
	MaterializeResult
	Filling *MaterializeResult `json:"filling,omitempty"`
}

// MaterializeIncremental fills the newest gaps of a view: windows whose data is
// complete and that are not covered, whether they are new, failed or were never
// tried. It is what a view's schedule starts. When nothing is missing, or the view
// is gone, it completes and says so.
//
// A view with a store that is filling gets two jobs, first that on the store that
// serves. They are apart in the ledger, and the second runs also when the first
// failed: mending that may be what the new definition is for. The error is then
// the first one's. A first job that continues as new leaves the second to the next
// incremental run.
func MaterializeIncremental(ctx workflow.Context, in IncrementalInput) (IncrementalResult, error) {
	var out IncrementalResult
	serving, err := newIncremental(ctx, in)
	if err != nil {
		return out, err
	}
	out.MaterializeResult, err = serving.heal(ctx, false)
	one := err == nil && !serving.state.Plan.Other
	if one || ctx.Err() != nil || workflow.IsContinueAsNewError(err) {
		return out, err
	}
	filling, fillingErr := newIncremental(ctx, in)
	if fillingErr != nil {
		return out, fillingErr
	}
	result, fillingErr := filling.heal(ctx, true)
	out.Filling = &result
	if err == nil || workflow.IsContinueAsNewError(fillingErr) {
		err = fillingErr
	}
	return out, err
}

func newIncremental(ctx workflow.Context, in IncrementalInput) (*materialization, error) {
	return newMaterialization(ctx, MaterializeInput{Workspace: in.Workspace, View: in.View, malformed: in.malformed})
}

// heal fills gaps of the store that serves or of that which is filling.
func (m *materialization) heal(ctx workflow.Context, filling bool) (MaterializeResult, error) {
	return m.begin(ctx, materialize.PlanIncremental, func(turn activities.Turn) any {
		return activities.IncrementalRequest{
			Target: activities.Target{Workspace: m.in.Workspace, View: m.in.View}, MaxWindows: maxIncrementalWindows, Filling: filling, Turn: turn,
		}
	})
}
