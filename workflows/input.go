package workflows

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	// Retry is the ledger's id of an ended job: what it left undone, as it was asked
	// for, is done; StartTime alone chooses one window, with EndTime a range.
	Retry string `json:"retry,omitempty"`

	Parallelism   int `json:"parallelism,omitempty"`    // windows at a time: 4, at most 64
	CommitWindows int `json:"commit_windows,omitempty"` // windows a commit: 16, at most 256
	Rate          int `json:"rate,omitempty"`           // windows started a minute: no limit
	// HeartbeatTimeout is how soon a window of a dead worker starts again: 30s, from 3s to 1h.
	HeartbeatTimeout feature.Duration `json:"heartbeat_timeout,omitempty"`

	// Continued is set by the workflow itself when it continues as new.
	Continued *MaterializeState `json:"continued,omitempty"`

	malformed error // what the JSON was refused for
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
	case in.Rate < 0 || in.Rate > MaxRate:
		return refuse("rate is %d, want 0 to %d", in.Rate, MaxRate)
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
