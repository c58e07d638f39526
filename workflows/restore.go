package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// RestoreInput is the JSON that starts RestoreOnline. Without a view it is every
// view of the workspace that is online.
type RestoreInput struct {
	Workspace string `json:"workspace"`
	View      string `json:"view,omitempty"`

	malformed error // what the JSON was refused for
}

// UnmarshalJSON never fails, as that of MaterializeInput.
func (in *RestoreInput) UnmarshalJSON(data []byte) error {
	type plain RestoreInput
	in.malformed = decodeStrict(data, (*plain)(in))
	return nil
}

// RestoreResult tells what each view's online store holds afterwards.
type RestoreResult struct {
	Views   []RestoredView `json:"views"`
	Skipped string         `json:"skipped,omitempty"` // why there was nothing to do
}

// RestoredView is one view of a RestoreResult, or one of its two stores, with the
// generation of the store's definition.
type RestoredView struct {
	View       string `json:"view"`
	Generation int64  `json:"generation"`
	activities.Applied
}

// RestoreOnline fills online stores from the bucket alone: what was lost is
// written anew, what is there is brought to the head of the offline log, also in
// stores that are filling. It is safe beside running jobs, since both only follow the log.
func RestoreOnline(ctx workflow.Context, in RestoreInput) (RestoreResult, error) {
	result := RestoreResult{Views: []RestoredView{}}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (RestoreResult, error) { return result, nil })
	if err != nil {
		return result, err
	}
	switch {
	case in.malformed != nil:
		return result, refuse("input: %v", in.malformed)
	case in.Workspace == "":
		return result, refuse(`input needs at least {"workspace": "…"}`)
	}
	var views []activities.Target
	request := activities.Target{Workspace: in.Workspace, View: in.View}
	control := workflow.WithActivityOptions(ctx, controlOptions("List online views"))
	if err := workflow.ExecuteActivity(control, materialize.OnlineViews, request).Get(ctx, &views); err != nil {
		return result, err
	}
	if in.View != "" && len(views) == 0 {
		result.Skipped = "view " + in.View + " is deleted"
	}
	for _, view := range views {
		var applied activities.Applied
		options := workflow.WithActivityOptions(ctx, batchOptions("Restore "+view.View, defaultHeartbeatTimeout))
		if err := workflow.ExecuteActivity(options, materialize.ApplyOnline, activities.ApplyRequest{Target: view}).Get(ctx, &applied); err != nil {
			return result, err
		}
		result.Views = append(result.Views, RestoredView{view.View, view.Generation, applied})
	}
	return result, nil
}

// RestoreID is the workflow id of a restore of a workspace: one at a time.
func RestoreID(workspace string) string { return "restore-online/" + workspace }
