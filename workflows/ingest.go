package workflows

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// maxPathBytes bounds a path in the bucket, which allows no longer one.
const maxPathBytes = 1024

// IngestInput is the JSON that starts Ingest: a data frame that is staged.
type IngestInput struct {
	Workspace    string `json:"workspace"`
	FeatureTable string `json:"feature_table"`
	Path         string `json:"df_path"`
	// ManagedRetries set to false ends the job with the first attempt that fails by
	// itself; null is true. What ends with its worker is tried again all the same.
	ManagedRetries *bool `json:"use_tecton_managed_retries,omitempty"`

	malformed error // what the JSON was refused for
}

// UnmarshalJSON never fails, as that of MaterializeInput.
func (in *IngestInput) UnmarshalJSON(data []byte) error {
	type plain IngestInput
	in.malformed = decodeStrict(data, (*plain)(in))
	return nil
}

func (in *IngestInput) check() error {
	switch {
	case in.malformed != nil:
		return refuse("input: %v", in.malformed)
	case in.Workspace == "" || in.FeatureTable == "" || in.Path == "":
		return refuse(`input needs at least {"workspace": "…", "feature_table": "…", "df_path": "…"}`)
	case len(in.Workspace) > maxNameBytes || len(in.FeatureTable) > maxNameBytes:
		return refuse("workspace and feature table have %d and %d bytes, want at most %d", len(in.Workspace), len(in.FeatureTable), maxNameBytes)
	case len(in.Path) > maxPathBytes:
		return refuse("df_path has %d bytes, want at most %d", len(in.Path), maxPathBytes)
	}
	return nil
}

// once reports whether the first failure ends the job.
func (in *IngestInput) once() bool { return in.ManagedRetries != nil && !*in.ManagedRetries }

// IngestResult tells what became of a frame. While the workflow runs, it is its progress;
// when it fails or is cancelled, it is the error's details.
type IngestResult struct {
	Workspace    string `json:"workspace"`
	FeatureTable string `json:"feature_table"`
	Path         string `json:"df_path"`
	Job          string `json:"job,omitempty"`        // id in the ledger
	Sequence     int64  `json:"sequence,omitempty"`   // the frame's place in the order of ingests
	Generation   int64  `json:"generation,omitempty"` // of the definition that it is read by

	activities.BuiltFrame        // what was made of it, once it is built
	Version               int64  `json:"version,omitempty"`    // of the offline table, once the rows are visible
	Cells                 int64  `json:"cells,omitempty"`      // written online
	Behind                string `json:"behind,omitempty"`     // why the online store does not hold all that is committed
	Unrecorded            string `json:"unrecorded,omitempty"` // why something is missing in the ledger
}

// Ingest writes a staged data frame into a feature table: it gives the frame its place
// in the order of ingests, makes its files, commits them at once, and has the online
// store follow. Rows never come here.
//
// A frame is in the table whole or not at all. Cancelled or failed before its commit,
// the job has changed nothing, and the same frame may be ingested again for as long as
// it is staged: it keeps its place. From the commit on the job is finished, whatever is
// asked of it.
func Ingest(ctx workflow.Context, in IngestInput) (IngestResult, error) {
	i := &ingestion{in: in, result: IngestResult{Workspace: in.Workspace, FeatureTable: in.FeatureTable, Path: in.Path}}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (IngestResult, error) { return i.result, nil })
	if err != nil {
		return i.result, err
	}
	if err := i.in.check(); err != nil {
		return i.result, err
	}
	err = workflow.UpsertTypedSearchAttributes(ctx, SearchWorkspace.ValueSet(in.Workspace), SearchFeatureView.ValueSet(in.FeatureTable),
		SearchJobType.ValueSet(JobTypeIngest))
	if err != nil {
		return i.result, err
	}
	i.open(ctx)
	return i.end(ctx, i.run(ctx))
}

// ingestion is a run of Ingest.
type ingestion struct {
	in       IngestInput
	ledger   ledgerJob
	accepted activities.Accepted
	visible  bool // the rows are committed
	result   IngestResult
}

func (i *ingestion) run(ctx workflow.Context) error {
	if err := i.accept(ctx); err != nil {
		return err
	}
	if err := i.build(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// What is durable is finished, also when the job is cancelled meanwhile.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := i.commit(ctx); err != nil {
		return err
	}
	return i.apply(ctx)
}

func (i *ingestion) accept(ctx workflow.Context) error {
	i.describe(ctx, "Give the frame its place in the order of ingests")
	control := workflow.WithActivityOptions(ctx, controlOptions("Give the frame its place in the order of ingests"))
	request := activities.FrameRequest{Workspace: i.in.Workspace, Table: i.in.FeatureTable, Path: i.in.Path}
	if err := workflow.ExecuteActivity(control, ingest.AcceptFrame, request).Get(ctx, &i.accepted); err != nil {
		return err
	}
	i.result.Sequence, i.result.Generation = i.accepted.Ticket.Sequence, i.accepted.Ticket.Generation
	i.ledger.target.Generation = i.accepted.Ticket.Generation
	i.record(ctx, activities.JobRunning, "", "")
	return nil
}

func (i *ingestion) build(ctx workflow.Context) error {
	i.describe(ctx, "Read the frame and make its files")
	batch := workflow.WithActivityOptions(ctx, batchOptions("Read the frame and make its files", defaultHeartbeatTimeout))
	request := activities.BuildFrameRequest{Ticket: i.accepted.Ticket, Job: i.ledger.job, Once: i.in.once()}
	return workflow.ExecuteActivity(batch, ingest.BuildFrame, request).Get(ctx, &i.result.BuiltFrame)
}

func (i *ingestion) commit(ctx workflow.Context) error {
	summary := fmt.Sprintf("Commit %d rows", i.result.Rows)
	i.describe(ctx, summary)
	batch := workflow.WithActivityOptions(ctx, batchOptions(summary, defaultHeartbeatTimeout))
	request := activities.CommitFrameRequest{Ticket: i.accepted.Ticket, Job: i.ledger.job, Manifest: i.result.Manifest, Once: i.in.once()}
	var commit activities.Commit
	if err := workflow.ExecuteActivity(batch, ingest.CommitFrame, request).Get(ctx, &commit); err != nil {
		return err
	}
	i.visible, i.result.Version = true, commit.Version
	return nil
}

// apply has the online store follow. If that fails, the next ingest's turn, or the same
// one's again, makes up for it.
func (i *ingestion) apply(ctx workflow.Context) error {
	if !i.accepted.Online {
		return nil
	}
	summary := fmt.Sprintf("Apply version %d online", i.result.Version)
	i.describe(ctx, summary)
	batch := workflow.WithActivityOptions(ctx, batchOptions(summary, defaultHeartbeatTimeout))
	request := activities.ApplyRequest{Target: i.ledger.target, Job: i.ledger.job}
	var applied activities.Applied
	if err := workflow.ExecuteActivity(batch, materialize.ApplyOnline, request).Get(ctx, &applied); err != nil {
		i.result.Behind = reason(err)
		text := "all rows are committed, but the online store does not follow: " + i.result.Behind
		return temporal.NewNonRetryableApplicationError(text, ErrorOnlineBehind, nil)
	}
	i.result.Cells = applied.Cells
	return nil
}

// open names the job in the ledger.
func (i *ingestion) open(ctx workflow.Context) {
	target := activities.Target{Workspace: i.in.Workspace, View: i.in.FeatureTable}
	i.ledger = newLedgerJob(ctx, target, JobTypeIngest, "")
	i.result.Job = i.ledger.job.ID
	i.record(ctx, activities.JobPending, "", "")
}

func (i *ingestion) record(ctx workflow.Context, state activities.JobState, message, reasonOfIt string) {
	record := activities.JobRecord{
		Message: message, Reason: reasonOfIt, Generation: i.result.Generation, Fingerprint: i.accepted.Ticket.Fingerprint,
		Online: i.accepted.Online, Offline: true,
	}
	i.result.Unrecorded = cmp.Or(i.ledger.record(ctx, state, record), i.result.Unrecorded)
}

// end is the only place where a job that the ledger knows ends. A frame whose rows are
// in all stores needs no more staging; any other is left to be ingested again.
func (i *ingestion) end(ctx workflow.Context, err error) (IngestResult, error) {
	switch {
	case err == nil:
		i.record(ctx, activities.JobSuccess, i.summary(), "")
		i.discard(ctx)
	case ctx.Err() != nil && !i.visible && temporal.IsCanceledError(err):
		i.record(ctx, activities.JobCancelled, "nothing was written", "cancelled by hand")
		err = temporal.NewCanceledError(i.result)
	default:
		i.record(ctx, activities.JobError, reason(err), kind(err))
		err = temporal.NewApplicationErrorWithOptions(reason(err), kind(err), temporal.ApplicationErrorOptions{
			NonRetryable: true, Details: []any{i.result},
		})
	}
	i.describe(ctx, "")
	return i.result, err
}

// discard removes what was staged. If that fails, maintenance does it later.
func (i *ingestion) discard(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	control := workflow.WithActivityOptions(ctx, controlOptions("Remove what was staged"))
	if err := workflow.ExecuteActivity(control, ingest.DiscardFrame, i.accepted.Ticket).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("maintenance removes what was staged", "df_path", i.in.Path, "error", err)
	}
}

// IngestID is the workflow id of the ingest of a frame: its path, which begins with
// ingest/<workspace>/<table>/. There is one at a time.
func IngestID(path string) string { return path }

// JobID is the ledger's id of a job whose first run is this one.
func JobID(runID string) string { return jobID(runID, false) }
