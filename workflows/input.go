package workflows

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Bounds of what a job's input may ask for.
const (
	defaultParallelism      = 4
	maxParallelism          = 64
	defaultCommitWindows    = 16
	maxCommitWindows        = 256
	defaultHeartbeatTimeout = 30 * time.Second
	minHeartbeatTimeout     = 3 * time.Second // a heartbeat is sent every 2 seconds at most
	maxHeartbeatTimeout     = time.Hour
	maxNameBytes            = 256 // names are search attributes, which a server bounds
)

// MaterializeInput is the JSON that starts a backfill. Only workspace and view
// are required: without a range everything that the view wants and whose data
// is complete is materialized, to the stores that the view has.
type MaterializeInput struct {
	Workspace string       `json:"workspace"`
	View      string       `json:"view"`
	StartTime *window.Time `json:"start_time,omitempty"` // RFC 3339, a multiple of batch_schedule
	EndTime   *window.Time `json:"end_time,omitempty"`   // exclusive
	Online    *bool        `json:"online,omitempty"`
	Offline   *bool        `json:"offline,omitempty"`
	Overwrite bool         `json:"overwrite,omitempty"` // build windows again that are covered

	Parallelism   int `json:"parallelism,omitempty"`    // windows at a time: 4, at most 64
	CommitWindows int `json:"commit_windows,omitempty"` // windows a commit: 16, at most 256
	// HeartbeatTimeout is how soon a window of a dead worker starts again: 30s, from 3s to 1h.
	HeartbeatTimeout feature.Duration `json:"heartbeat_timeout,omitempty"`

	// Continued is set by the workflow itself when it continues as new.
	Continued *MaterializeState `json:"continued,omitempty"`

	malformed error // what the JSON was refused for
}

// MaterializeState is what a job knows between its runs.
type MaterializeState struct {
	Plan   activities.Plan   `json:"plan"`
	Next   int               `json:"next"` // windows before it are finished
	Result MaterializeResult `json:"result"`
}

// MaterializeResult sums up a job. While it runs, it is its progress; when it
// fails or is cancelled, it is the error's details.
type MaterializeResult struct {
	Workspace  string           `json:"workspace"`
	View       string           `json:"view"`
	Range      *window.Interval `json:"range,omitempty"`
	Windows    int              `json:"windows"`           // in the range
	Built      int              `json:"built"`             // durable, visible or not
	Committed  int              `json:"committed"`         // visible
	Done       int              `json:"done"`              // were covered already
	Superseded int              `json:"superseded"`        // a later reading of the source is in place
	Failed     int              `json:"failed"`            // could not be built or committed
	Paused     bool             `json:"paused,omitempty"`  // no further window is started until it is resumed
	Failure    string           `json:"failure,omitempty"` // of the first that failed
	Rows       int64            `json:"rows"`              // tiles built
	Bytes      int64            `json:"bytes"`             // of Parquet
	Version    int64            `json:"version"`           // of the offline table
	Cells      int64            `json:"cells"`             // written online
	Watermark  *window.Time     `json:"watermark,omitempty"`
	Skipped    string           `json:"skipped,omitempty"` // why there was nothing to do
	// Behind says why the online store does not hold all that is committed.
	Behind string `json:"behind,omitempty"`
}

// UnmarshalJSON never fails: what is wrong with the JSON ends the workflow as
// InvalidInput, like every other refusal, instead of as an error of the SDK's
// decoder. Unknown fields are refused, since a misspelt start_time would have
// everything materialized. A continued run's input is a worker's, perhaps a
// newer one's, so there they are passed over.
func (in *MaterializeInput) UnmarshalJSON(data []byte) error {
	in.malformed = in.decode(data)
	return nil
}

func (in *MaterializeInput) decode(data []byte) error {
	type plain MaterializeInput // without UnmarshalJSON
	if err := decodeJSON(data, (*plain)(in)); err != nil || in.Continued != nil {
		return err
	}
	return refuseUnknown[plain](data)
}

// decodeStrict is decodeJSON that refuses unknown fields.
func decodeStrict[T any](data []byte, into *T) error {
	if err := decodeJSON(data, into); err != nil {
		return err
	}
	return refuseUnknown[T](data)
}

func decodeJSON(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		return fmt.Errorf("%s cannot be a JSON %s", cmp.Or(mistyped.Field, "it"), mistyped.Value)
	}
	return err
}

func refuseUnknown[T any](data []byte) error {
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	return strict.Decode(new(T))
}

// check fills in defaults and refuses what cannot be carried out.
func (in *MaterializeInput) check() error {
	refuse := func(format string, args ...any) error {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), activities.ErrorInput, nil)
	}
	heartbeat := time.Duration(in.HeartbeatTimeout)
	switch {
	case in.malformed != nil:
		return refuse("input: %v", in.malformed)
	case in.Workspace == "" || in.View == "":
		return refuse(`input needs at least {"workspace": "…", "view": "…"}`)
	case len(in.Workspace) > maxNameBytes || len(in.View) > maxNameBytes:
		return refuse("workspace and view have %d and %d bytes, want at most %d", len(in.Workspace), len(in.View), maxNameBytes)
	case in.Parallelism < 0 || in.Parallelism > maxParallelism:
		return refuse("parallelism is %d, want 1 to %d", in.Parallelism, maxParallelism)
	case in.CommitWindows < 0 || in.CommitWindows > maxCommitWindows:
		return refuse("commit_windows is %d, want 1 to %d", in.CommitWindows, maxCommitWindows)
	case heartbeat != 0 && (heartbeat < minHeartbeatTimeout || heartbeat > maxHeartbeatTimeout):
		return refuse("heartbeat_timeout is %s, want %s to %s", in.HeartbeatTimeout,
			feature.Duration(minHeartbeatTimeout), feature.Duration(maxHeartbeatTimeout))
	case in.Continued != nil && !in.Continued.sound():
		return refuse("continued is for the workflow itself to set; leave it out")
	}
	if in.Parallelism == 0 {
		in.Parallelism = defaultParallelism
	}
	if in.CommitWindows == 0 {
		in.CommitWindows = defaultCommitWindows
	}
	if in.HeartbeatTimeout == 0 {
		in.HeartbeatTimeout = feature.Duration(defaultHeartbeatTimeout)
	}
	return nil
}

// sound reports whether a run can go on from s without panicking.
func (s *MaterializeState) sound() bool {
	schedule := time.Duration(s.Plan.Schedule)
	for _, gap := range s.Plan.Gaps {
		if schedule < time.Microsecond || !gap.Aligned(schedule) {
			return false
		}
	}
	return schedule >= time.Microsecond && s.Plan.Range.Aligned(schedule) &&
		s.Result.Windows == s.Plan.Windows() && s.Next >= 0 && s.Next <= s.Result.Windows
}
