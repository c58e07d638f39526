package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

// materialization is a run of a job.
type materialization struct {
	in       MaterializeInput
	state    MaterializeState
	selector workflow.Selector
	wake     workflow.Channel // takes one message that something changed

	started    int            // calls of BuildWindows in this run
	building   int            // of them under way
	built      []builtWindows // not yet given to a commit, oldest first
	committing bool
	waking     bool      // a timer for the next commit is set
	pacing     bool      // a timer for the next window is set
	notBefore  time.Time // when the rate lets the next window start
	stopped    bool      // a commit failed, so that more windows would be of no use
	cancelling bool      // the ledger knows that the job is to be cancelled
	ending     bool      // nothing can be asked of it any more
	retried    bool      // failed windows were asked for again, and the ledger is to know
}

type builtWindows struct {
	activities.Built
	at time.Time // when they were finished
}

// MaterializeState is what a job knows between its runs.
type MaterializeState struct {
	Plan activities.Plan `json:"plan"`
	Next int             `json:"next"` // windows before it were started
	// Again are windows to start before Next: halves of a call that failed, and
	// those that a person retries. The last comes first.
	Again    []window.Interval `json:"again,omitempty"`
	PerBuild int               `json:"per_build,omitempty"` // windows a call: the plan's, or fewer
	// Unapplied is set when commits are there that the online store was not told of.
	Unapplied bool                   `json:"unapplied,omitempty"`
	Job       activities.Job         `json:"job,omitzero"`
	Unsaved   []activities.JobRecord `json:"unsaved,omitempty"` // states that the ledger lacks
	Result    MaterializeResult      `json:"result"`
}

// MaterializeResult sums up a job. While it runs, it is its progress; when it
// fails or is cancelled, it is the error's details.
type MaterializeResult struct {
	Workspace  string           `json:"workspace"`
	View       string           `json:"view"`
	Job        string           `json:"job,omitempty"` // id in the ledger
	Range      *window.Interval `json:"range,omitempty"`
	Windows    int              `json:"windows"`            // in the range
	Built      int              `json:"built"`              // durable, visible or not
	Committed  int              `json:"committed"`          // visible
	Done       int              `json:"done"`               // were covered already
	Superseded int              `json:"superseded"`         // a later reading of the source is in place
	Failed     int              `json:"failed"`             // could not be built or committed
	Failures   []FailedWindows  `json:"failures,omitempty"` // the same, one by one
	Waiting    bool             `json:"waiting,omitempty"`  // its turn has not come
	Paused     bool             `json:"paused,omitempty"`   // no further window is started until it is resumed
	Failure    string           `json:"failure,omitempty"`  // of the first that failed
	Rows       int64            `json:"rows"`               // tiles built
	Bytes      int64            `json:"bytes"`              // of Parquet
	Version    int64            `json:"version"`            // of the offline table
	Cells      int64            `json:"cells"`              // written online
	Watermark  *window.Time     `json:"watermark,omitempty"`
	Skipped    string           `json:"skipped,omitempty"` // why there was nothing to do
	// Behind says why the online store does not hold all that is committed.
	Behind string `json:"behind,omitempty"`
	// Unrecorded says why something is missing in the ledger.
	Unrecorded string `json:"unrecorded,omitempty"`
	// Serves is the generation in which the job's store, which was filling, began to
	// serve; Lacks says why it does not yet.
	Serves int64  `json:"serves,omitempty"`
	Lacks  string `json:"lacks,omitempty"`
}

// FailedWindows could not be built or committed.
type FailedWindows struct {
	Range  window.Interval `json:"range"`
	Reason string          `json:"reason"`
}

// sound reports whether a run can go on from s without panicking.
func (s *MaterializeState) sound() bool {
	schedule := time.Duration(s.Plan.Schedule)
	if schedule < time.Microsecond || !s.Plan.Range.Aligned(schedule) {
		return false
	}
	whole := func(i window.Interval) bool {
		return !i.Empty() && i.Aligned(schedule) && s.Plan.Range.Covers(i)
	}
	for _, i := range s.Plan.Gaps {
		if !whole(i) {
			return false
		}
	}
	for _, i := range s.Again {
		if !whole(i) {
			return false
		}
	}
	for _, f := range s.Result.Failures {
		if !whole(f.Range) {
			return false
		}
	}
	return s.Result.Windows == s.Plan.Windows() && s.Next >= 0 && s.Next <= s.Result.Windows
}
