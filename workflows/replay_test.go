package workflows_test

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/tilery/tilery/workflows"
)

// histories maps a workflow to the recorded histories that must replay. Each
// was written by released code (testdata/replay/record.sh), so one that fails
// is a job that this code would break while it runs. Do not record it again:
// keep the old path with workflow.GetVersion.
func histories(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	paths, err := filepath.Glob("testdata/replay/*/*.json.gz")
	require.NoError(t, err)
	for _, path := range paths {
		kind := filepath.Base(filepath.Dir(path))
		out[kind] = append(out[kind], path)
	}
	return out
}

func readHistory(t *testing.T, path string) *historypb.History {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	require.NoError(t, err)
	history, err := client.HistoryFromJSON(zip, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return history
}

func replay(history *historypb.History) error {
	replayer := worker.NewWorkflowReplayer()
	workflows.Register(replayer)
	return replayer.ReplayWorkflowHistory(quiet{}, history)
}

func TestReplayOfRecordedHistories(t *testing.T) {
	t.Parallel()
	for kind, paths := range histories(t) {
		for _, path := range paths {
			t.Run(kind+"/"+filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				require.NoError(t, replay(readHistory(t, path)))
			})
		}
	}
}

// A running job has a part of such a history: it must replay up to each of its
// workflow tasks as well.
func TestReplayOfPartsOfAHistory(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"cancelled", "windows-failed"} {
		events := readHistory(t, filepath.Join("testdata/replay/Materialize", "v0-"+scenario+"-run1.json.gz")).GetEvents()
		parts := 0
		for i, event := range events {
			if event.GetWorkflowTaskStartedEventAttributes() == nil {
				continue
			}
			parts++
			require.NoError(t, replay(&historypb.History{Events: events[:i+1]}), "%s up to event %d", scenario, event.GetEventId())
		}
		require.Greater(t, parts, 5)
	}
}

func TestReplayCoversEveryWorkflow(t *testing.T) {
	t.Parallel()
	recorded := histories(t)
	for _, name := range registered() {
		require.NotEmpty(t, recorded[name], "workflow %s has no history in testdata/replay; see record.sh", name)
		delete(recorded, name)
	}
	require.Empty(t, recorded, "histories of workflows that are not registered")
}

// TestReplayRefusesOtherCode edits a history into one that other code would
// have written: a replayer that takes it proves nothing.
func TestReplayRefusesOtherCode(t *testing.T) {
	t.Parallel()
	const path = "testdata/replay/Materialize/v0-backfill-run1.json.gz"
	require.NoError(t, replay(readHistory(t, path)))
	for name, edit := range map[string]func(event *historypb.HistoryEvent) bool{
		"an activity has another name": func(event *historypb.HistoryEvent) bool {
			kind := event.GetActivityTaskScheduledEventAttributes().GetActivityType()
			if kind.GetName() != "CommitWindows" {
				return false
			}
			kind.Name = "CommitGroup"
			return true
		},
		"a timer stands where a window was started": func(event *historypb.HistoryEvent) bool {
			if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() != "BuildWindows" {
				return false
			}
			event.Attributes = &historypb.HistoryEvent_TimerStartedEventAttributes{
				TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{TimerId: "1"},
			}
			event.EventType = enumspb.EVENT_TYPE_TIMER_STARTED
			return true
		},
	} {
		history := readHistory(t, path)
		edited := false
		for _, event := range history.GetEvents() {
			if edited = edit(event); edited {
				break
			}
		}
		require.True(t, edited, name)
		require.ErrorContains(t, replay(history), "TMPRL1100", name) // the SDK's code for non-determinism
	}
}
