package e2e_test

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// temporalCLI runs the temporal command line against the stack.
func (s *stack) temporalCLI(t *testing.T, args ...string) (string, error) {
	t.Helper()
	const program = "../../../.tools/venv/bin/temporal"
	require.FileExists(t, program, "make tools installs it")
	out, err := exec.Command(program, append(args, "--address", s.Endpoints.Temporal, "-o", "json")...).Output()
	return string(out), err
}

// start starts Materialize with input as a person would write it, and waits.
func (s *stack) start(t *testing.T, id, input string) (result, failure string) {
	t.Helper()
	out, _ := s.temporalCLI(t, "workflow", "execute", "--type", "Materialize", "--task-queue", "tilery-control",
		"--workflow-id", id, "--input", input) // a failed workflow is an exit code of its own
	var ended struct {
		Status     string
		Result     json.RawMessage
		CloseEvent struct {
			Attributes struct {
				Failure struct {
					Message string
					Cause   *struct{ Message string }
				}
			} `json:"workflowExecutionFailedEventAttributes"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &ended), out)
	f := ended.CloseEvent.Attributes.Failure
	if f.Cause != nil {
		return string(ended.Result), f.Cause.Message
	}
	return string(ended.Result), f.Message
}

// TestTemporalCommandLine starts jobs by hand: one that works, and mistakes that
// each end in a failure a person can act on.
func TestTemporalCommandLine(t *testing.T) {
	s := startStack(t, t.TempDir())
	s.tilery(t, "apply", examples, "--yes")
	result, failure := s.start(t, "by-hand", `{"workspace": "prod", "view": "airport_delays", "start_time": "2001-01-01T00:00:00Z", "end_time": "2001-01-03T00:00:00Z"}`)
	require.Empty(t, failure)
	require.Contains(t, result, `"committed": 2`)
	for _, mistake := range []struct{ name, input, says string }{
		{"no-view", `{"workspace": "prod"}`, "input needs at least"},
		{"unknown-view", `{"workspace": "prod", "view": "nothing"}`, `no feature view "nothing"`},
		{"unknown-workspace", `{"workspace": "test", "view": "airport_delays"}`, `workspace "test"`},
		{"misaligned", `{"workspace": "prod", "view": "airport_delays", "start_time": "2001-01-04T05:00:00Z", "end_time": "2001-01-06T00:00:00Z"}`,
			"multiples of the batch schedule 1d, for instance [2001-01-04T00:00:00Z, 2001-01-06T00:00:00Z)"},
		{"overlap", `{"workspace": "prod", "view": "airport_delays", "start_time": "2001-01-02T00:00:00Z", "end_time": "2001-01-06T00:00:00Z"}`,
			"range was materialized already"},
		{"future", `{"workspace": "prod", "view": "airport_delays", "end_time": "2001-03-01T00:00:00Z"}`, "data is complete up to 2001-02-01T00:00:00Z"},
	} {
		_, failure := s.start(t, mistake.name, mistake.input)
		require.Contains(t, failure, mistake.says, mistake.name)
	}
	s.stop(t)
}
