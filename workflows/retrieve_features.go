package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// RetrieveInput is the JSON that starts RetrieveFeatures: a dataset that the server
// staged, whose spine is in the bucket.
type RetrieveInput struct {
	Staged activities.Staged `json:"staged"`

	malformed error // what the JSON was refused for
}

// UnmarshalJSON never fails, as that of MaterializeInput.
func (in *RetrieveInput) UnmarshalJSON(data []byte) error {
	type plain RetrieveInput
	in.malformed = decodeStrict(data, (*plain)(in))
	return nil
}

func (in *RetrieveInput) check() error {
	staged := in.Staged
	of := staged.Request.View + staged.Request.Service
	switch {
	case in.malformed != nil:
		return refuse("input: %v", in.malformed)
	case staged.Workspace == "" || staged.Name == "" || staged.ID == "" || of == "":
		return refuse("input needs what POST /api/v1/datasets staged")
	case len(staged.Workspace) > maxNameBytes || len(of) > maxNameBytes:
		return refuse("workspace and features have names of %d and %d bytes, want at most %d", len(staged.Workspace), len(of), maxNameBytes)
	}
	return nil
}

// RetrieveResult tells what became of a dataset. While the workflow runs, it is its progress.
type RetrieveResult struct {
	Workspace  string `json:"workspace"`
	Dataset    string `json:"dataset"`
	Generation int64  `json:"generation,omitempty"` // of the definitions, once it is fixed
	Shares     int    `json:"shares,omitempty"`     // of the spine, once it is divided
	Joined     int    `json:"joined,omitempty"`     // of them
	JoinedRows int64  `json:"joined_rows,omitempty"`
	activities.Saved
}

// RetrieveFeatures makes a dataset of historical features: it fixes the definitions and
// the versions of tables and divides the spine by ranges of keys, joins the shares, some
// at a time wherever a worker has room, and saves their rows as one table. What fails is
// tried again by the share. Rows never come here. A dataset is there whole or not at
// all; cancelled or failed, the workflow removes what was staged.
func RetrieveFeatures(ctx workflow.Context, in RetrieveInput) (RetrieveResult, error) {
	staged := in.Staged
	result := RetrieveResult{Workspace: staged.Workspace, Dataset: staged.Name}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (RetrieveResult, error) { return result, nil })
	if err != nil {
		return result, err
	}
	if err := in.check(); err != nil {
		return result, err
	}
	err = workflow.UpsertTypedSearchAttributes(ctx, SearchWorkspace.ValueSet(staged.Workspace),
		SearchFeatureView.ValueSet(staged.Request.View+staged.Request.Service), SearchJobType.ValueSet(JobTypeRetrieval))
	if err != nil {
		return result, err
	}
	workflow.SetCurrentDetails(ctx, retrievalDetails(staged, result))
	if err := saveRetrieval(ctx, staged, &result); err != nil {
		discardRetrieval(ctx, staged)
		if ctx.Err() != nil {
			return result, temporal.NewCanceledError(result)
		}
		return result, err
	}
	workflow.SetCurrentDetails(ctx, retrievalDetails(staged, result))
	return result, nil
}

func saveRetrieval(ctx workflow.Context, staged activities.Staged, result *RetrieveResult) error {
	var plan activities.RetrievalPlan
	batch := workflow.WithActivityOptions(ctx, batchOptions("Fix the versions to read and divide the spine", defaultHeartbeatTimeout))
	if err := workflow.ExecuteActivity(batch, retrieve.PlanRetrieval, staged).Get(ctx, &plan); err != nil {
		return err
	}
	result.Generation, result.Shares = plan.Generation, plan.Shares
	shares, err := joinShares(ctx, staged, plan, result)
	if err != nil {
		return err
	}
	control := workflow.WithActivityOptions(ctx, controlOptions("Save "+staged.Name))
	request := activities.SaveRequest{Staged: staged, Plan: plan, Shares: shares}
	return workflow.ExecuteActivity(control, retrieve.SaveRetrieval, request).Get(ctx, &result.Saved)
}

// sharesAtOnce bounds the joins of one dataset that run at a time, so that they leave
// room for other jobs.
const sharesAtOnce = 4

// joinShares joins all shares. The first that cannot be joined cancels the others.
func joinShares(ctx workflow.Context, staged activities.Staged, plan activities.RetrievalPlan, result *RetrieveResult) ([]activities.JoinedShare, error) {
	shares := make([]activities.JoinedShare, plan.Shares)
	err := inParallel(ctx, plan.Shares, sharesAtOnce, func(ctx workflow.Context, i int) error {
		summary := fmt.Sprintf("Join share %d of %d", i+1, plan.Shares)
		batch := workflow.WithActivityOptions(ctx, batchOptions(summary, defaultHeartbeatTimeout))
		request := activities.ShareRequest{Staged: staged, Plan: plan, Share: i}
		if err := workflow.ExecuteActivity(batch, retrieve.JoinShare, request).Get(ctx, &shares[i]); err != nil {
			return err
		}
		result.Joined++
		result.JoinedRows += shares[i].Rows
		workflow.SetCurrentDetails(ctx, retrievalDetails(staged, *result))
		return nil
	})
	return shares, err
}

// discardRetrieval removes what was staged. If that fails, maintenance does it later.
func discardRetrieval(ctx workflow.Context, staged activities.Staged) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	control := workflow.WithActivityOptions(ctx, controlOptions("Remove what was staged"))
	if err := workflow.ExecuteActivity(control, retrieve.DiscardRetrieval, staged).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("maintenance removes what was staged", "dataset", staged.Name, "error", err)
	}
}

// retrievalDetails show where the job stands in Temporal's pages, as Markdown.
func retrievalDetails(staged activities.Staged, r RetrieveResult) string {
	lines := []string{
		fmt.Sprintf("**%s** of workspace %s: features of %s", staged.Name, staged.Workspace, staged.Request.View+staged.Request.Service), "",
		fmt.Sprintf("The spine has %d bytes.", staged.Spine.Bytes),
	}
	if r.Shares > 0 {
		lines = append(lines, "", fmt.Sprintf("%d of %d shares of the spine are joined, %d rows.", r.Joined, r.Shares, r.JoinedRows))
	}
	if r.Table != "" {
		lines = append(lines, "", fmt.Sprintf("Saved: %d rows in %d bytes. `tilery datasets describe %s` tells more.", r.Rows, r.Bytes, staged.Name))
	}
	return strings.Join(lines, "\n") + "\n"
}

// RetrieveID is the workflow id of the job that makes a staged dataset.
func RetrieveID(workspace, name, id string) string {
	return fmt.Sprintf("retrieve/%s/%s/%s", workspace, name, id)
}
