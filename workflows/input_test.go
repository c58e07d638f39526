package workflows_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test ./workflows -rewrite updates %s", path)
}

// testdata/input holds what people write by hand for the temporal CLI, and
// beside each file what becomes of it: the plan that is asked for, or the refusal.
func TestInputWrittenByHand(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/input/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		f := &fake{windows: 1}
		_, err = run(t, f, json.RawMessage(data))
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".json")
		if err != nil {
			kind, text := refusal(t, err)
			golden(t, name+".golden", kind+": "+text+"\n")
			require.Empty(t, f.plans, "%s was planned", path)
			continue
		}
		require.Len(t, f.plans, 1)
		plan, err := json.MarshalIndent(f.plans[0], "", "  ")
		require.NoError(t, err)
		golden(t, name+".golden", string(plan)+"\n")
	}
}

func TestNoInputAtAllIsRefused(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 1}
	_, err := run(t, f)
	kind, text := refusal(t, err)
	require.Equal(t, activities.ErrorInput, kind)
	require.Equal(t, `input needs at least {"workspace": "…", "view": "…"}`, text)
}

func TestRefusalsOfInput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(in *workflows.MaterializeInput)
		want   string
	}{
		{func(in *workflows.MaterializeInput) { in.Workspace = "" }, `input needs at least {"workspace": "…", "view": "…"}`},
		{func(in *workflows.MaterializeInput) { in.View = "" }, `input needs at least {"workspace": "…", "view": "…"}`},
		{func(in *workflows.MaterializeInput) { in.View = strings.Repeat("v", 300) }, "workspace and view have 3 and 300 bytes, want at most 256"},
		{func(in *workflows.MaterializeInput) { in.Parallelism = -1 }, "parallelism is -1, want 1 to 64"},
		{func(in *workflows.MaterializeInput) { in.Parallelism = 65 }, "parallelism is 65, want 1 to 64"},
		{func(in *workflows.MaterializeInput) { in.CommitWindows = -3 }, "commit_windows is -3, want 1 to 256"},
		{func(in *workflows.MaterializeInput) { in.CommitWindows = 257 }, "commit_windows is 257, want 1 to 256"},
		{func(in *workflows.MaterializeInput) { in.HeartbeatTimeout = feature.Duration(2 * time.Second) }, "heartbeat_timeout is 2s, want 3s to 1h"},
		{func(in *workflows.MaterializeInput) { in.HeartbeatTimeout = feature.Duration(2 * time.Hour) }, "heartbeat_timeout is 2h, want 3s to 1h"},
		{func(in *workflows.MaterializeInput) { in.Continued = &workflows.MaterializeState{} }, "continued is for the workflow itself to set; leave it out"},
		{func(in *workflows.MaterializeInput) { in.Continued = soundState(); in.Continued.Next = 3 }, "continued is for the workflow itself to set; leave it out"},
		{func(in *workflows.MaterializeInput) { in.Continued = soundState(); in.Continued.Plan.Range.End++ }, "continued is for the workflow itself to set; leave it out"},
		{func(in *workflows.MaterializeInput) { in.Continued = soundState(); in.Continued.Result.Windows++ }, "continued is for the workflow itself to set; leave it out"},
	} {
		f := &fake{windows: 1}
		in := input()
		c.change(&in)
		_, err := run(t, f, in)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Equal(t, c.want, text)
		require.Empty(t, f.plans)
	}
}

// soundState is that of a job of two windows before its first.
func soundState() *workflows.MaterializeState {
	return &workflows.MaterializeState{
		Plan:   activities.Plan{Schedule: feature.Duration(day), Range: window.Interval{Start: start, End: at(2 * day)}},
		Result: workflows.MaterializeResult{Windows: 2},
	}
}

// While workers are replaced one by one, an older one may take up a run that a
// newer one continued.
func TestAContinuedRunMayHaveFieldsOfANewerVersion(t *testing.T) {
	t.Parallel()
	in := input()
	in.Continued = soundState()
	data, err := json.Marshal(in)
	require.NoError(t, err)
	newer := strings.Replace(string(data), `"next":0`, `"next":0,"paused":false`, 1)
	require.NotEqual(t, string(data), newer)
	f := &fake{windows: 2}
	result, err := run(t, f, json.RawMessage(newer))
	require.NoError(t, err)
	require.Equal(t, 2, result.Committed)
	require.Empty(t, f.plans)
}
