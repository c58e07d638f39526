package api

import (
	"time"

	"github.com/tilery/tilery/pkg/ledger"
)

// MaterializationStatusRequest asks for the status table of a view; the zero value
// of each option is Tecton's default.
type MaterializationStatusRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view"`
	Verbose     bool   `json:"verbose,omitempty"`
	Limit       int    `json:"limit,omitempty"`        // jobs, the newest: 1000, counted before errors_only
	SortColumns string `json:"sort_columns,omitempty"` // names with commas between
	ErrorsOnly  bool   `json:"errors_only,omitempty"`  // rows with status ERROR
}

// MaterializationStatusResponse is the table; each row has a cell for each column.
type MaterializationStatusResponse struct {
	Columns []string            `json:"columns"` // in their order
	Rows    []map[string]string `json:"rows"`
}

// NewMaterializationStatusResponse puts a table into its form on the wire.
func NewMaterializationStatusResponse(t ledger.Table) MaterializationStatusResponse {
	r := MaterializationStatusResponse{Columns: t.Columns, Rows: make([]map[string]string, len(t.Rows))}
	for i, row := range t.Rows {
		r.Rows[i] = make(map[string]string, len(row))
		for c, cell := range row {
			r.Rows[i][t.Columns[c]] = cell
		}
	}
	return r
}

// Table is the inverse of NewMaterializationStatusResponse.
func (r MaterializationStatusResponse) Table() ledger.Table {
	t := ledger.Table{Columns: r.Columns, Rows: make([][]string, len(r.Rows))}
	for i, row := range r.Rows {
		t.Rows[i] = make([]string, len(r.Columns))
		for c, column := range r.Columns {
			t.Rows[i][c] = row[column]
		}
	}
	return t
}

// ListJobsRequest asks for the jobs of a view.
type ListJobsRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view"`
	Limit       int    `json:"limit,omitempty"` // the newest: 100, at most 1000; not Tecton's
}

// ListJobsResponse has the jobs, the newest first.
type ListJobsResponse struct {
	Jobs []Job `json:"jobs"`
}

// GetJobRequest names a job.
type GetJobRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view,omitempty"` // Tecton requires it; without it every view that is defined is searched
	JobID       string `json:"job_id"`                 // 32 hexadecimal digits
}

// GetJobResponse has the job.
type GetJobResponse struct {
	Job Job `json:"job"`
}

// JobState is where a job or an attempt stands, by Tecton's name.
type JobState string

// The states. A job that waits is running too, as for Tecton's clients, which take
// any other state for an end.
const (
	JobRunning         JobState = "RUNNING"
	JobSuccess         JobState = "SUCCESS"
	JobFailed          JobState = "PERMANENT_FAILURE"
	JobDrained         JobState = "DRAINED"
	JobCancelRequested JobState = "MANUAL_CANCELLATION_REQUESTED"
	JobCancelled       JobState = "MANUALLY_CANCELLED"

	AttemptSuccess   JobState = "SUCCESS"
	AttemptFailed    JobState = "ERROR"
	AttemptCancelled JobState = "CANCELLED"
)

// Job is a materialization job. Times are UTC, those of windows whole seconds.
type Job struct {
	ID            string     `json:"id"`
	Workspace     string     `json:"workspace"`
	FeatureView   string     `json:"feature_view"`
	StartTime     *time.Time `json:"start_time,omitempty"` // absent while not known
	EndTime       *time.Time `json:"end_time,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	State         JobState   `json:"state"`
	Attempts      []Attempt  `json:"attempts"` // that ended: failed ones, and some of the others; the last 100
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	Online        bool       `json:"online"`
	Offline       bool       `json:"offline"`
	JobType       string     `json:"job_type"`              // for instance BATCH
	IngestPath    string     `json:"ingest_path,omitempty"` // of an ingest: df_path

	// Not Tecton's:
	Status     ledger.State `json:"status"`                // of the status table, finer than State
	Message    string       `json:"message,omitempty"`     // of the last state
	WorkflowID string       `json:"workflow_id,omitempty"` // on Temporal, of the first run
	RunID      string       `json:"run_id,omitempty"`
}

// Attempt is an attempt of a job's activity that ended.
type Attempt struct {
	ID        string    `json:"id"`
	UpdatedAt time.Time `json:"updated_at"`
	State     JobState  `json:"state"`
	RunURL    string    `json:"run_url"` // on Temporal's pages; empty if the server does not know them
	Message   string    `json:"message,omitempty"`
}
