package workflows

import (
	"cmp"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// noteCancellation tells once that the job was cancelled when it was too late.
func (d *deletion) noteCancellation(asked workflow.Context) {
	if asked.Err() == nil || d.result.TooLate {
		return
	}
	d.result.TooLate = true
	d.record(asked, activities.JobCancelRequested, "too late: the stores are being changed", "")
}

// end tells how the deletion ended, and removes the keys if no receipt did.
func (d *deletion) end(ctx workflow.Context, err error) (DeleteKeysResult, error) {
	if err == nil {
		d.record(ctx, activities.JobSuccess, d.summary(), "")
		d.describe(ctx, "")
		return d.result, nil
	}
	d.discard(ctx)
	if ctx.Err() != nil && !d.result.Begun {
		d.record(ctx, activities.JobCancelled, "nothing was deleted", "cancelled by hand")
		d.describe(ctx, "")
		return d.result, temporal.NewCanceledError(d.result)
	}
	text := reason(err)
	if d.result.Begun {
		text = fmt.Sprintf("%s: %s; start the deletion again", d.result.Step, text)
	}
	d.record(ctx, activities.JobError, text, kind(err))
	d.describe(ctx, d.result.Step)
	return d.result, temporal.NewApplicationErrorWithOptions(text, kind(err), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{d.result},
	})
}

// discard removes the keys. If that fails, maintenance does it later.
func (d *deletion) discard(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	control := workflow.WithActivityOptions(ctx, controlOptions("Remove what was staged"))
	request := activities.DiscardRequest{DeletionRequest: d.request(0), Undone: !d.result.Begun}
	if err := workflow.ExecuteActivity(control, remove.DiscardDeletion, request).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("maintenance removes what was staged", "view", d.in.Staged.View, "error", err)
	}
}

// record appends the job's next state to the ledger.
func (d *deletion) record(ctx workflow.Context, state activities.JobState, message, reasonOfIt string) {
	record := activities.JobRecord{
		Message: message, Reason: reasonOfIt, Online: d.in.Staged.Online, Offline: d.in.Staged.Offline,
	}
	if len(d.plan.Stores) > 0 {
		record.Generation, record.Fingerprint = d.plan.Stores[0].Generation, d.plan.Stores[0].Fingerprint
	}
	d.result.Unrecorded = cmp.Or(d.ledger.record(ctx, state, record), d.result.Unrecorded)
}

// summary is the result in a line.
func (d *deletion) summary() string {
	r := d.result
	return fmt.Sprintf("%d keys: %d rows of %d files and %d cells of %d stores erased; none left of %d rows and %d cells that were looked at",
		r.Keys, r.Rows, r.Files, r.Cells, r.Stores, r.Verified.Rows, r.Verified.Cells)
}

// describe shows what was done and which step is under way in Temporal's pages, as Markdown.
func (d *deletion) describe(ctx workflow.Context, step string) {
	d.result.Step = step
	r := d.result
	lines := []string{
		fmt.Sprintf("**%s** of workspace %s: delete %d keys", r.View, r.Workspace, r.Keys), "",
		"| stores | verified | batches | rewritten | files | rows | cells |",
		"|--:|--:|--:|--:|--:|--:|--:|",
		fmt.Sprintf("| %d | %d | %d | %d | %d | %d | %d |", r.Stores, r.VerifiedStores, r.Batches, r.Rewritten, r.Files, r.Rows, r.Cells),
	}
	note := func(applies bool, text string) {
		if applies {
			lines = append(lines, "", text)
		}
	}
	note(step != "", "Now: "+step)
	note(r.TooLate, "It was cancelled too late: the stores are being changed.")
	if until := r.OldVersionsUntil; until != nil {
		note(true, fmt.Sprintf("Maintenance removes the old files after %v.", *until))
	}
	note(r.Datasets > r.RemovedDatasets, fmt.Sprintf("%d saved datasets may hold the keys; the receipt names them.", r.Datasets-r.RemovedDatasets))
	note(r.Unrecorded != "", "The ledger is not complete: "+r.Unrecorded)
	workflow.SetCurrentDetails(ctx, strings.Join(lines, "\n")+"\n")
}
