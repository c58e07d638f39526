package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// maxIncrementalWindows bounds one incremental job; the next one goes on where
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

// MaterializeIncremental fills the newest gaps of a view: windows whose data is
// complete and that are not covered, whether they are new, failed or were never
// tried. It is what a view's schedule starts. When nothing is missing, or the view
// is gone, it completes and says so.
func MaterializeIncremental(ctx workflow.Context, in IncrementalInput) (MaterializeResult, error) {
	m, err := newMaterialization(ctx, MaterializeInput{Workspace: in.Workspace, View: in.View, malformed: in.malformed})
	if err != nil {
		return MaterializeResult{}, err
	}
	return m.begin(ctx, materialize.PlanIncremental, func(turn activities.Turn) any {
		return activities.IncrementalRequest{
			Target: activities.Target{Workspace: in.Workspace, View: in.View}, MaxWindows: maxIncrementalWindows, Turn: turn,
		}
	})
}
