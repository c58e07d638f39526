package serve

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

const defaultJobs = 100 // of one list

func (s *Server) materializationStatus(ctx context.Context, body []byte) (any, error) {
	return s.status(ctx, body, "")
}

// status returns the table of the jobs of a type, or of all.
func (s *Server) status(ctx context.Context, body []byte, only ledger.Type) (any, error) {
	var request api.MaterializationStatusRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	table, err := s.ledger.Status(ctx, request.Workspace, request.FeatureView, ledger.StatusOptions{
		Verbose: request.Verbose, Limit: request.Limit, SortColumns: request.SortColumns, ErrorsOnly: request.ErrorsOnly, Type: only,
		UI: s.temporal.UI, Namespace: s.temporal.Namespace,
	})
	if err != nil {
		return nil, ledgerError(err)
	}
	if len(table.Rows) == 0 {
		if err := s.requireView(ctx, request.Workspace, request.FeatureView); err != nil {
			return nil, err
		}
	}
	return api.NewMaterializationStatusResponse(table), nil
}

func (s *Server) listJobs(ctx context.Context, body []byte) (any, error) {
	var request api.ListJobsRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	list, err := s.ledger.Histories(ctx, request.Workspace, request.FeatureView, cmp.Or(request.Limit, defaultJobs))
	if err != nil {
		return nil, ledgerError(err)
	}
	if len(list) == 0 {
		if err := s.requireView(ctx, request.Workspace, request.FeatureView); err != nil {
			return nil, err
		}
	}
	response := api.ListJobsResponse{Jobs: make([]api.Job, len(list))}
	for i, h := range list {
		response.Jobs[i] = s.job(h)
	}
	return response, nil
}

func (s *Server) getJob(ctx context.Context, body []byte) (any, error) {
	var request api.GetJobRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	views := []string{request.FeatureView}
	if request.FeatureView == "" {
		g, err := s.registry.Latest(ctx, request.Workspace)
		if err != nil {
			return nil, registryError(err)
		}
		views = g.ViewNames()
	}
	for _, view := range views {
		h, err := s.ledger.Get(ctx, request.Workspace, view, request.JobID)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, ledgerError(err)
		}
		return api.GetJobResponse{Job: s.job(h)}, nil
	}
	of := "any view"
	if request.FeatureView != "" {
		of = "view " + request.FeatureView
	}
	return nil, fail(api.NotFound, "no job %s of %s in workspace %s", request.JobID, of, request.Workspace)
}

// requireView tells a view that had no job yet from one that there is not.
func (s *Server) requireView(ctx context.Context, workspace, view string) error {
	g, err := s.registry.Latest(ctx, workspace)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return registryError(err)
	}
	if !g.HasView(view) {
		return fail(api.NotFound, "no feature view %q in workspace %s, and no job of one", view, workspace)
	}
	return nil
}

// ledgerError gives the errors that a person can act on their code.
func ledgerError(err error) error {
	var key *ledger.SortKeyError
	switch {
	case errors.As(err, &key):
		return fail(api.InvalidArgument, "%v", key)
	case errors.Is(err, ledger.ErrInvalid):
		return fail(api.InvalidArgument, "%v", err)
	}
	return err
}

// jobStates are Tecton's names.
var jobStates = map[ledger.State]api.JobState{
	ledger.Scheduled: api.JobRunning, ledger.Pending: api.JobRunning, ledger.Running: api.JobRunning,
	ledger.Success: api.JobSuccess, ledger.Error: api.JobFailed, ledger.Drained: api.JobDrained,
	ledger.CancelRequested: api.JobCancelRequested, ledger.Cancelled: api.JobCancelled,
}

var attemptStates = map[ledger.State]api.JobState{
	ledger.Success: api.AttemptSuccess, ledger.Error: api.AttemptFailed, ledger.Cancelled: api.AttemptCancelled,
}

// job puts what the ledger knows into Tecton's form.
func (s *Server) job(h ledger.History) api.Job {
	last := h.Last()
	job := api.Job{
		ID: h.ID, Workspace: h.Workspace, FeatureView: h.View, CreatedAt: h.CreatedAt.Time(), UpdatedAt: last.At.Time(),
		State: jobStates[last.State], Attempts: make([]api.Attempt, len(h.Attempts)),
		Online: last.Online, Offline: last.Offline, JobType: string(h.Type),
		Status: last.State, Message: last.Message, WorkflowID: h.WorkflowID, RunID: h.RunID,
	}
	if h.Type == ledger.Ingest && strings.HasPrefix(h.WorkflowID, "ingest/") {
		job.IngestPath = h.WorkflowID // one started by hand may have another
	}
	if !last.Window.Empty() {
		job.StartTime, job.EndTime = instant(last.Window.Start), instant(last.Window.End)
	}
	for i, a := range h.Attempts {
		if a.At > last.At && !last.State.Final() {
			job.UpdatedAt = a.At.Time()
		}
		job.Attempts[i] = api.Attempt{
			ID: attemptID(h.ID, a.Entry), UpdatedAt: a.At.Time(), State: attemptStates[a.State],
			RunURL: s.temporal.runURL(h.WorkflowID, h.RunID), Message: a.Message,
		}
	}
	return job
}

func instant(t window.Time) *time.Time {
	at := t.Time()
	return &at
}

// attemptID is stable: attempts have no id of their own in the ledger.
func attemptID(job string, e ledger.Entry) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s %v", job, e.Number, e.Attempt, e.State, e.Window))
	return hex.EncodeToString(sum[:16])
}
