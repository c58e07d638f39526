package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/window"
)

// Answers that callers tell apart.
var (
	ErrNotFound   = errors.New("not found in the ledger")
	ErrInvalid    = errors.New("invalid in the ledger")
	ErrTransition = errors.New("illegal change of a job's state")
	ErrConflict   = errors.New("another record has this number")
	ErrCorrupt    = errors.New("not written by the ledger")
)

// Limits of a record.
const (
	maxNumber     = 999_999
	maxAttempt    = 9_999
	maxNameBytes  = 128
	maxIDBytes    = 1_000 // Temporal's own limit for the ids of workflows
	maxTextBytes  = 4 << 10
	maxShortBytes = 256
)

// Type is what a job does.
type Type string

// The types, by the names of the TYPE column.
const (
	Batch    Type = "BATCH"
	Stream   Type = "STREAM"
	Ingest   Type = "INGEST"
	Deletion Type = "DELETION"
	// Maintenance is not Tecton's. It has no window.
	Maintenance Type = "MAINTENANCE"
)

var types = []Type{Batch, Stream, Ingest, Deletion, Maintenance}

// State is where a job stands.
type State string

// The states, by the names of the STATUS column.
const (
	Scheduled       State = "SCHEDULED" // waits for its turn
	Pending         State = "PENDING"   // starts, or waits to try again
	Running         State = "RUNNING"
	Success         State = "SUCCESS"
	Error           State = "ERROR"
	Drained         State = "DRAINED" // stopped by Tilery, which may fill the gap by another job
	CancelRequested State = "MANUAL_CANCELLATION_REQUESTED"
	Cancelled       State = "MANUALLY_CANCELLED"
)

// successors are the legal changes of a job's state; a new job has state "". A job
// can end in any way from any state, since what runs it can be lost, or be ended
// from Temporal's side, at any time. Only a person's request is not turned into a
// drain. To retry a job by hand is to start another.
var successors = map[State][]State{
	"":              {Scheduled, Pending, Running},
	Scheduled:       {Pending, Running, CancelRequested, Success, Error, Drained, Cancelled},
	Pending:         {Running, CancelRequested, Success, Error, Drained, Cancelled},
	Running:         {Pending, CancelRequested, Success, Error, Drained, Cancelled},
	CancelRequested: {Success, Error, Cancelled},
	Success:         {},
	Error:           {},
	Drained:         {},
	Cancelled:       {},
}

// attemptStates are how an attempt can end; only ended attempts are recorded.
var attemptStates = []State{Success, Error, Cancelled}

// Final reports whether a job stays in this state.
func (s State) Final() bool {
	next, known := successors[s]
	return known && len(next) == 0
}

// Job identifies a job; all its records are appended with the same.
type Job struct {
	Workspace string      `json:"workspace"`
	View      string      `json:"view"`
	ID        string      `json:"job"` // 32 hexadecimal digits, lower case
	Type      Type        `json:"type"`
	CreatedAt window.Time `json:"created_at"` // real time, after 1970

	// WorkflowID and RunID are those of the job's first run. A listing tells them
	// unless they are very long: together over 201 bytes, where each that is no
	// letter, digit, "_" or "-" counts as 3.
	WorkflowID string `json:"workflow_id,omitempty"`
	RunID      string `json:"run_id,omitempty"`
}

// Entry is what a listing tells of a record.
type Entry struct {
	Number  int             `json:"number"` // of the job's state, from 1; of the one that an attempt ran under
	State   State           `json:"state"`
	Window  window.Interval `json:"window,omitzero"`  // zero: none, or not known yet
	Attempt int             `json:"attempt,omitzero"` // from 1; 0: none
}

// Record is a state of a job or an ended attempt.
type Record struct {
	Entry
	At          window.Time `json:"at"`                    // real time of the change, the same in each repetition
	Message     string      `json:"message,omitempty"`     // STATE_MESSAGE, cut to 4 KiB
	Reason      string      `json:"reason,omitempty"`      // TERMINATION_REASON, cut to 4 KiB
	EnvVersion  string      `json:"env_version,omitempty"` // of the worker's software
	Generation  int64       `json:"generation,omitzero"`   // of the definitions
	Fingerprint string      `json:"fingerprint,omitempty"` // of the view's store
	Online      bool        `json:"online"`
	Offline     bool        `json:"offline"`
	Overwrite   bool        `json:"overwrite"`
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// checkNames refuses what would need escaping in a key.
func checkNames(workspace, view string) error {
	return cmp.Or(checkName(workspace), checkName(view))
}

func checkName(name string) error {
	if len(name) > maxNameBytes || !nameForm.MatchString(name) {
		return invalid("name %q must be a letter followed by letters, digits, _ and -, at most %d in all", name, maxNameBytes)
	}
	return nil
}

func checkID(id string) error {
	if !idForm.MatchString(id) {
		return invalid("job %q must be 32 hexadecimal digits in lower case", id)
	}
	return nil
}

func (j Job) check() error {
	if err := checkNames(j.Workspace, j.View); err != nil {
		return err
	}
	if err := checkID(j.ID); err != nil {
		return err
	}
	switch {
	case !slices.Contains(types, j.Type):
		return invalid("job %s has type %q, want one of %v", j.ID, j.Type, types)
	case j.CreatedAt <= 0 || j.CreatedAt > window.MaxTime:
		return invalid("job %s was created at %v, want a time after 1970", j.ID, j.CreatedAt)
	case len(j.WorkflowID) > maxIDBytes || len(j.RunID) > maxIDBytes:
		return invalid("job %s has a workflow id or a run id of over %d bytes", j.ID, maxIDBytes)
	}
	return nil
}

func (r *Record) check() error {
	w := r.Window
	switch {
	case r.Number < 1 || r.Number > maxNumber:
		return invalid("record has number %d, want 1 to %d", r.Number, maxNumber)
	case r.Attempt < 0 || r.Attempt > maxAttempt:
		return invalid("record has attempt %d, want at most %d", r.Attempt, maxAttempt)
	case r.State == "" || successors[r.State] == nil:
		return invalid("record has state %q", r.State)
	case w != (window.Interval{}) && (w.Empty() || w.Start < window.MinTime || w.End > window.MaxTime):
		return invalid("record has window %v", w)
	case r.At < window.MinTime || r.At > window.MaxTime:
		return invalid("record is of a time outside years 1 to 9999")
	case len(r.Fingerprint) > maxShortBytes || len(r.EnvVersion) > maxShortBytes:
		return invalid("record has a fingerprint or a version of over %d bytes", maxShortBytes)
	}
	return nil
}

// checkAttempt refuses what can be a state but not an ended attempt.
func (r *Record) checkAttempt() error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Attempt < 1 || !slices.Contains(attemptStates, r.State) {
		return invalid("attempt %d ended as %q, want an attempt from 1 on and one of %v", r.Attempt, r.State, attemptStates)
	}
	return nil
}

// cut returns at most maxTextBytes of text, whole characters.
func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxTextBytes)], "")
}
