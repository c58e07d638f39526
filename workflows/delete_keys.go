package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/feature"
)

// Bounds of a deletion. One run has them all in its history.
const (
	defaultGrace      = 30 * time.Second
	maxGrace          = 10 * time.Minute
	maxDeletionSteps  = 2000 // activities
	stepsOfAStore     = 4    // beside its batches: erase offline and online, sweep, verify
	maxDeletionStores = 64
	rewritesAtOnce    = 4
)

// DeleteKeysInput is the JSON that starts DeleteKeys: keys that the server staged.
type DeleteKeysInput struct {
	Staged activities.StagedKeys `json:"staged"`
	// Grace is how long a write to the online store may be under way: 30s, at most 10m.
	// What such a write may have put there is removed after it.
	Grace *feature.Duration `json:"grace,omitempty"`

	malformed error // what the JSON was refused for
}

// UnmarshalJSON never fails, as that of MaterializeInput.
func (in *DeleteKeysInput) UnmarshalJSON(data []byte) error {
	type plain DeleteKeysInput
	in.malformed = decodeStrict(data, (*plain)(in))
	return nil
}

func (in *DeleteKeysInput) check() error {
	staged := in.Staged
	switch {
	case in.malformed != nil:
		return refuse("input: %v", in.malformed)
	case staged.Workspace == "" || staged.View == "" || staged.ID == "" || staged.Object == "":
		return refuse("input needs what POST /api/v1/jobs/delete-keys staged")
	case len(staged.Workspace) > maxNameBytes || len(staged.View) > maxNameBytes:
		return refuse("workspace and view have names of %d and %d bytes, want at most %d", len(staged.Workspace), len(staged.View), maxNameBytes)
	case in.Grace != nil && (*in.Grace < 0 || time.Duration(*in.Grace) > maxGrace):
		return refuse("grace is %s, want 0s to %s", *in.Grace, feature.Duration(maxGrace))
	}
	if in.Grace == nil {
		grace := feature.Duration(defaultGrace)
		in.Grace = &grace
	}
	return nil
}

// DeleteKeysResult tells what became of a deletion. While the workflow runs, it is its
// progress; when it fails or is cancelled, it is the error's details.
type DeleteKeysResult struct {
	Workspace string `json:"workspace"`
	View      string `json:"view"`
	Job       string `json:"job"` // id in the ledger, and of the receipt
	Keys      int    `json:"keys"`

	Step           string              `json:"step,omitempty"`  // that is under way, or failed
	Begun          bool                `json:"begun,omitempty"` // the first store is being changed: it goes on to the end
	Stores         int                 `json:"stores"`
	VerifiedStores int                 `json:"verified_stores"`
	Batches        int                 `json:"batches"` // of files that may hold the keys
	Rewritten      int                 `json:"rewritten"`
	Files          int                 `json:"files"` // that held the keys
	Rows           int64               `json:"rows"`  // erased offline
	Cells          int64               `json:"cells"` // erased online
	Verified       activities.Verified `json:"verified"`
	activities.Deleted
	// TooLate says that the job was asked to end after it had begun to change the stores.
	TooLate    bool   `json:"too_late,omitempty"`
	Unrecorded string `json:"unrecorded,omitempty"` // why something is missing in the ledger
}

// DeleteKeys deletes the rows of keys from the stores of a view, and proves it: it writes
// the files again that may hold a key, commits that to each store, has the online store
// follow, removes what writers that were under way may have left there, looks through all
// that there is, and writes a receipt.
//
// Until the first store is changed the job can be cancelled, and then nothing has
// happened. After that a deletion is not left half done: it goes on to its end, and says
// that it was asked too late. One that fails there says at which step, and is started
// anew with the same keys.
func DeleteKeys(ctx workflow.Context, in DeleteKeysInput) (DeleteKeysResult, error) {
	staged := in.Staged
	d := &deletion{in: in, result: DeleteKeysResult{Workspace: staged.Workspace, View: staged.View, Job: staged.ID, Keys: staged.Keys}}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (DeleteKeysResult, error) { return d.result, nil })
	if err != nil {
		return d.result, err
	}
	if err := d.in.check(); err != nil {
		return d.result, err
	}
	err = workflow.UpsertTypedSearchAttributes(ctx, SearchWorkspace.ValueSet(staged.Workspace),
		SearchFeatureView.ValueSet(staged.View), SearchJobType.ValueSet(JobTypeDeletion))
	if err != nil {
		return d.result, err
	}
	d.ledger = newLedgerJob(ctx, activities.Target{Workspace: staged.Workspace, View: staged.View}, JobTypeDeletion, staged.ID)
	d.record(ctx, activities.JobRunning, "", "")
	if err = d.prepare(ctx); err == nil {
		err = d.carryOut(ctx)
	}
	return d.end(ctx, err)
}

// deletion is a run of DeleteKeys.
type deletion struct {
	in      DeleteKeysInput
	plan    activities.DeletionPlan
	ledger  ledgerJob
	results []activities.StoreResult // of the plan's stores
	result  DeleteKeysResult
}

// prepare does all that changes nothing which can be seen: most of the work.
func (d *deletion) prepare(ctx workflow.Context) error {
	if err := d.step(ctx, "Look for the stores and their files", remove.PlanDeletion, d.request(0), &d.plan); err != nil {
		return err
	}
	d.results = make([]activities.StoreResult, len(d.plan.Stores))
	var batches []activities.RewriteRequest
	for i, store := range d.plan.Stores {
		for batch := range store.Batches {
			batches = append(batches, activities.RewriteRequest{DeletionRequest: d.request(i), Batch: batch})
		}
	}
	d.result.Stores, d.result.Batches = len(d.plan.Stores), len(batches)
	if steps := len(batches) + stepsOfAStore*len(d.plan.Stores); steps > maxDeletionSteps || len(d.plan.Stores) > maxDeletionStores {
		return refuse("the deletion has %d steps in %d stores, want at most %d in %d: make deletion.batch_bytes larger",
			steps, len(d.plan.Stores), maxDeletionSteps, maxDeletionStores)
	}
	return inParallel(ctx, len(batches), rewritesAtOnce, func(ctx workflow.Context, i int) error {
		name := fmt.Sprintf("Rewrite batch %d of %d", i+1, len(batches))
		var done activities.Rewritten
		if err := d.step(ctx, name, remove.RewriteFiles, batches[i], &done); err != nil {
			return err
		}
		d.result.Rewritten++
		return nil
	})
}

// carryOut changes the stores, all of them, whether or not the job is cancelled meanwhile.
func (d *deletion) carryOut(asked workflow.Context) error {
	if err := asked.Err(); err != nil {
		return err
	}
	ctx, _ := workflow.NewDisconnectedContext(asked)
	d.result.Begun = true
	online := false
	for i, store := range d.plan.Stores {
		if err := d.erase(ctx, i); err != nil {
			return err
		}
		online = online || store.Online
		d.noteCancellation(asked)
	}
	if online {
		d.describe(ctx, "Wait for writes that are under way")
		if err := workflow.Sleep(ctx, time.Duration(*d.in.Grace)); err != nil {
			return err
		}
	}
	for i := range d.plan.Stores {
		d.noteCancellation(asked)
		if err := d.verify(ctx, i); err != nil {
			return err
		}
	}
	request := activities.FinishRequest{DeletionRequest: d.request(0), Results: d.results}
	err := d.step(ctx, "Write the receipt", remove.FinishDeletion, request, &d.result.Deleted)
	d.noteCancellation(asked)
	return err
}

func (d *deletion) erase(ctx workflow.Context, store int) error {
	plan, result := d.plan.Stores[store], &d.results[store]
	of := fmt.Sprintf(" of the store of generation %d", plan.Generation)
	if plan.Offline {
		if err := d.step(ctx, "Erase the rows"+of, remove.EraseOffline, d.request(store), &result.Erased); err != nil {
			return err
		}
		d.result.Files += result.Files
		d.result.Rows += result.Rows
	}
	if plan.Online {
		if err := d.step(ctx, "Erase the cells"+of, remove.EraseOnline, d.request(store), &result.Cells); err != nil {
			return err
		}
		d.result.Cells += result.Cells
	}
	return nil
}

func (d *deletion) verify(ctx workflow.Context, store int) error {
	plan, result := d.plan.Stores[store], &d.results[store]
	if !plan.Online && !plan.Offline {
		return nil // it cannot be searched, and the receipt says so
	}
	of := fmt.Sprintf(" of the store of generation %d", plan.Generation)
	if plan.Online {
		var swept int64
		if err := d.step(ctx, "Remove what is left online"+of, remove.SweepOnline, d.request(store), &swept); err != nil {
			return err
		}
	}
	request := activities.VerifyRequest{DeletionRequest: d.request(store), Version: result.Version}
	if err := d.step(ctx, "Verify that nothing is left"+of, remove.VerifyDeletion, request, &result.Verified); err != nil {
		return err
	}
	d.result.VerifiedStores++
	d.result.Verified.Rows += result.Verified.Rows
	d.result.Verified.Cells += result.Verified.Cells
	return nil
}

func (d *deletion) request(store int) activities.DeletionRequest {
	return activities.DeletionRequest{Staged: d.in.Staged, Job: d.ledger.job, Plan: d.plan, Store: store}
}

// step carries out one activity.
func (d *deletion) step(ctx workflow.Context, name string, activity, request, into any) error {
	d.describe(ctx, name)
	options := batchOptions(name, defaultHeartbeatTimeout)
	options.Priority.PriorityKey = deletionPriority
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activity, request).Get(ctx, into)
}

// DeleteKeysID is the workflow id of the deletion of staged keys.
func DeleteKeysID(workspace, view, id string) string {
	return fmt.Sprintf("delete-keys/%s/%s/%s", workspace, view, id)
}

// LiftID is the workflow id of the job that materializes again what a deletion held back.
func LiftID(workspace, view, id string) string {
	return fmt.Sprintf("lift/%s/%s/%s", workspace, view, id)
}
