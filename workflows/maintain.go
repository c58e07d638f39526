package workflows

import (
	"cmp"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
)

// Bounds of one run of maintenance; the next one goes on where it ended.
const (
	maxMaintainCalls = 64
	maxCallsOfAStep  = 16 // so that a long step leaves calls to the others
)

// MaintainInput is the JSON that starts Maintain.
type MaintainInput struct {
	Workspace string `json:"workspace"`
	View      string `json:"view"`
	DryRun    bool   `json:"dry_run,omitempty"` // only tell what would be removed

	malformed error // what the JSON was refused for
}

// UnmarshalJSON never fails, as that of MaterializeInput.
func (in *MaintainInput) UnmarshalJSON(data []byte) error {
	type plain MaintainInput
	in.malformed = decodeStrict(data, (*plain)(in))
	return nil
}

func (in *MaintainInput) check() error {
	switch {
	case in.malformed != nil:
		return refuse("input: %v", in.malformed)
	case in.Workspace == "" || in.View == "":
		return refuse(`input needs at least {"workspace": "…", "view": "…"}`)
	case len(in.Workspace) > maxNameBytes || len(in.View) > maxNameBytes:
		return refuse("workspace and view have %d and %d bytes, want at most %d", len(in.Workspace), len(in.View), maxNameBytes)
	}
	return nil
}

// MaintainResult sums up what was done, or by a dry run would be. While the workflow
// runs, it is its progress; when it fails or is cancelled, it is the error's details.
type MaintainResult struct {
	Workspace string `json:"workspace"`
	View      string `json:"view"`
	DryRun    bool   `json:"dry_run,omitempty"`
	Job       string `json:"job,omitempty"` // id in the ledger

	Calls          int      `json:"calls"`                    // of steps
	Compacted      int64    `json:"compacted"`                // small files
	Into           int64    `json:"into"`                     // as many larger ones
	LogObjects     int64    `json:"log_objects"`              // deleted from logs
	Vacuumed       int64    `json:"vacuumed"`                 // data files that were deleted
	Replaced       int64    `json:"replaced"`                 // fillings of the online store that were dropped
	RemovedStores  []string `json:"removed_stores,omitempty"` // of the workspace, view/fingerprint
	RemovedObjects int64    `json:"removed_objects"`          // of these stores
	Staged         int64    `json:"staged"`                   // objects that jobs handed on
	Cleaned        int64    `json:"cleaned,omitempty"`        // deletions whose old versions are gone now
	Bytes          int64    `json:"bytes"`                    // of all that was deleted

	Unfinished []string            `json:"unfinished,omitempty"` // steps that the next run goes on with
	Failures   []FailedMaintenance `json:"failures,omitempty"`
	Skipped    string              `json:"skipped,omitempty"`    // why no table was maintained
	Unrecorded string              `json:"unrecorded,omitempty"` // why something is missing in the ledger
}

// FailedMaintenance is a step that failed; the others are done all the same.
type FailedMaintenance struct {
	Step   string `json:"step"`
	Reason string `json:"reason"`
}

// Maintain keeps the stores of a view small and quick to open: it removes stores of the
// workspace that no definition uses any more and what jobs left, and of each of the
// view's stores it compacts the files, trims the log, deletes files that nothing needs
// and cells that were replaced. Every step may be repeated and stopped at any time. Of
// a view that is deleted it removes the rest once its time is over.
func Maintain(ctx workflow.Context, in MaintainInput) (MaintainResult, error) {
	m := &maintenance{in: in, result: MaintainResult{Workspace: in.Workspace, View: in.View, DryRun: in.DryRun}}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (MaintainResult, error) { return m.result, nil })
	if err != nil {
		return m.result, err
	}
	if err := m.in.check(); err != nil {
		return m.result, err
	}
	err = workflow.UpsertTypedSearchAttributes(ctx, SearchWorkspace.ValueSet(in.Workspace), SearchFeatureView.ValueSet(in.View),
		SearchJobType.ValueSet(JobTypeMaintenance))
	if err != nil {
		return m.result, err
	}
	control := workflow.WithActivityOptions(ctx, controlOptions("Look for the stores"))
	target := activities.Target{Workspace: in.Workspace, View: in.View}
	if err := workflow.ExecuteActivity(control, materialize.PlanMaintenance, target).Get(ctx, &m.plan); err != nil {
		return m.result, refusal(err)
	}
	m.result.Skipped = m.plan.Skipped
	m.open(ctx)
	m.run(ctx)
	return m.end(ctx)
}

// maintenance is a run of Maintain.
type maintenance struct {
	in     MaintainInput
	plan   activities.MaintenancePlan
	ledger ledgerJob // of none, if it is a dry run
	result MaintainResult
}

// run takes the steps in turn. A log is trimmed before the files are looked through
// that only its old versions name.
func (m *maintenance) run(ctx workflow.Context) {
	result := &m.result
	view := activities.Target{Workspace: m.in.Workspace, View: m.in.View, Generation: m.plan.Generation}
	m.step(ctx, "Remove stores that no definition uses", materialize.RemoveStores, view, func(done activities.Maintained) {
		for _, name := range done.Stores { // a later call tells of those again that it went on with
			if !slices.Contains(result.RemovedStores, name) {
				result.RemovedStores = append(result.RemovedStores, name)
			}
		}
		result.RemovedObjects += done.Removed
		result.Bytes += done.Bytes
	})
	m.step(ctx, "Remove what jobs handed on", materialize.RemoveStaged, view, func(done activities.Maintained) {
		result.Staged += done.Removed
		result.Bytes += done.Bytes
	})
	for _, store := range m.plan.Stores {
		of := fmt.Sprintf(" of the store of generation %d", store.Generation)
		m.step(ctx, "Compact the files"+of, materialize.CompactTable, store, func(done activities.Maintained) {
			result.Compacted += done.Removed
			result.Into += done.Added
		})
		m.step(ctx, "Trim the log"+of, materialize.TrimLog, store, func(done activities.Maintained) {
			result.LogObjects += done.Removed
		})
		m.step(ctx, "Vacuum the files"+of, materialize.VacuumTable, store, func(done activities.Maintained) {
			result.Vacuumed += done.Removed
			result.Bytes += done.Bytes
		})
		m.step(ctx, "Drop replaced cells"+of, materialize.DropCells, store, func(done activities.Maintained) {
			result.Replaced += done.Removed
		})
	}
	if workflow.GetVersion(ctx, changeCleanDeletions, workflow.DefaultVersion, 1) == 1 {
		m.step(ctx, "Remove old versions with deleted keys", materialize.CleanDeletions, view, func(done activities.Maintained) {
			result.Cleaned += done.Removed
		})
	}
}

// step calls an activity until it finds no more work. A step that fails keeps no other
// from being taken. A dry run changes nothing, so that a second call would find the same.
func (m *maintenance) step(ctx workflow.Context, name string, activity any, target activities.Target, count func(activities.Maintained)) {
	options := workflow.WithActivityOptions(ctx, batchOptions(name, defaultHeartbeatTimeout))
	request := activities.MaintainRequest{Target: target, Job: m.ledger.job, DryRun: m.in.DryRun}
	for calls := 0; ; calls++ {
		if ctx.Err() != nil {
			return
		}
		if calls == maxCallsOfAStep || m.result.Calls == maxMaintainCalls || calls > 0 && m.in.DryRun {
			m.result.Unfinished = append(m.result.Unfinished, name)
			return
		}
		m.describe(ctx, name)
		m.result.Calls++
		var done activities.Maintained
		err := workflow.ExecuteActivity(options, activity, request).Get(ctx, &done)
		switch {
		case temporal.IsCanceledError(err) && ctx.Err() != nil:
			return
		case err != nil:
			m.result.Failures = append(m.result.Failures, FailedMaintenance{name, reason(err)})
			return
		}
		count(done)
		if !done.More {
			return
		}
	}
}

// open names the job in the ledger; a dry run is none.
func (m *maintenance) open(ctx workflow.Context) {
	if m.in.DryRun {
		return
	}
	target := activities.Target{Workspace: m.in.Workspace, View: m.in.View, Generation: m.plan.Generation}
	m.ledger = newLedgerJob(ctx, target, JobTypeMaintenance, "")
	m.result.Job = m.ledger.job.ID
	m.record(ctx, activities.JobRunning, "", "")
}

// record appends the job's next state to the ledger.
func (m *maintenance) record(ctx workflow.Context, state activities.JobState, message, reasonOfIt string) {
	record := activities.JobRecord{Message: message, Reason: reasonOfIt, Generation: m.plan.Generation, Offline: true}
	m.result.Unrecorded = cmp.Or(m.ledger.record(ctx, state, record), m.result.Unrecorded)
}

func (m *maintenance) end(ctx workflow.Context) (MaintainResult, error) {
	var err error
	switch failures := m.result.Failures; {
	case ctx.Err() != nil:
		m.record(ctx, activities.JobCancelled, m.summary(), "cancelled by hand")
		err = temporal.NewCanceledError(m.result)
	case len(failures) > 0:
		text := fmt.Sprintf("%d steps failed, the first: %s: %s", len(failures), failures[0].Step, failures[0].Reason)
		m.record(ctx, activities.JobError, text, ErrorMaintenanceFailed)
		err = temporal.NewApplicationErrorWithOptions(text, ErrorMaintenanceFailed, temporal.ApplicationErrorOptions{
			NonRetryable: true, Details: []any{m.result},
		})
	default:
		m.record(ctx, activities.JobSuccess, m.summary(), "")
	}
	m.describe(ctx, "")
	return m.result, err
}

// MaintainID is the workflow id of a view's maintenance: one at a time.
func MaintainID(workspace, view string) string { return fmt.Sprintf("maintain/%s/%s", workspace, view) }
