package workflows_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

func TestEveryWindowIsBuiltOnceAndCommitted(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 37, online: true}
	result, err := run(t, f, input())
	require.NoError(t, err)
	slices.Sort(f.built)
	require.Equal(t, upTo(37), f.built)
	require.Equal(t, upTo(37), f.committed())
	edge := at(time.Duration(f.applies) * day)
	require.Equal(t, workflows.MaterializeResult{
		Workspace: "dev", View: "airport_delays", Job: f.job.ID, Range: &window.Interval{Start: start, End: at(37 * day)},
		Windows: 37, Built: 37, Committed: 37, Rows: 370, Bytes: 3700,
		Version: int64(len(f.commits)), Cells: int64(f.applies) * 1000, Watermark: &edge,
	}, result)
}

func TestThePlanIsAskedForTheWholeInput(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 1}
	in := input()
	from, to, yes, no := at(0), at(day), true, false
	in.StartTime, in.EndTime, in.Online, in.Offline, in.Overwrite = &from, &to, &no, &yes, true
	_, err := run(t, f, in)
	require.NoError(t, err)
	require.Equal(t, []activities.PlanRequest{{
		Target:    activities.Target{Workspace: "dev", View: "airport_delays"},
		StartTime: &from, EndTime: &to, Online: &no, Offline: &yes, Overwrite: true,
	}}, f.plans)
	require.Equal(t, activities.Target{Workspace: "dev", View: "airport_delays", Generation: 7}, f.commits[0].Target,
		"a job uses the generation that it was planned with")
	require.True(t, f.commits[0].Overwrite)
}

func TestNoMoreWindowsThanParallelismAreUnderWay(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]int{0: 4, 1: 1, 3: 3, 64: 40} {
		f := &fake{windows: 40}
		gate := wave{size: want}
		f.onBuild = func(context.Context, int) error { gate.pass(f.windows); return nil }
		in := input()
		in.Parallelism = asked
		_, err := run(t, f, in)
		require.NoError(t, err)
		require.Equal(t, want, f.mostBuilding, "parallelism %d", asked)
	}
}

// wave lets callers through in groups of size, and the last ones when all have come.
type wave struct {
	mu      sync.Mutex
	size    int
	arrived int
	waiting []chan struct{}
}

func (w *wave) pass(total int) {
	w.mu.Lock()
	w.arrived++
	ready := make(chan struct{})
	w.waiting = append(w.waiting, ready)
	if len(w.waiting) == w.size || w.arrived == total {
		for _, waiting := range w.waiting {
			close(waiting)
		}
		w.waiting = nil
	}
	w.mu.Unlock()
	<-ready
}

func TestCommitsAreWholeGroupsAndThenTheRest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ windows, asked, group int }{{37, 0, 16}, {37, 5, 5}, {3, 16, 16}, {32, 16, 16}, {9, 1, 1}} {
		f := &fake{windows: c.windows}
		in := input()
		in.CommitWindows, in.Parallelism = c.asked, 1
		_, err := run(t, f, in)
		require.NoError(t, err)
		var sizes, want []int
		for _, commit := range f.commits {
			sizes = append(sizes, len(commit.Manifests))
		}
		for left := c.windows; left > 0; left -= c.group {
			want = append(want, min(left, c.group))
		}
		require.Equal(t, want, sizes, "%d windows in groups of %d", c.windows, c.group)
	}
}

// A window that is built waits for its group no longer than 15 minutes, however
// long its neighbours take, and the ones after it have 15 minutes of their own.
func TestABuiltWindowIsCommittedAfter15Minutes(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 4}
	env := newEnvironment(f)
	for number, after := range []time.Duration{time.Second, 10 * time.Minute, 14 * time.Minute, 3 * time.Hour} {
		matches := mock.MatchedBy(func(r activities.BuildRequest) bool { return f.number(r.Range) == number })
		env.OnActivity("BuildWindows", mock.Anything, matches).Return(f.BuildWindows).After(after)
	}
	begun := env.Now()
	var commits []time.Duration
	f.onCommit = func(context.Context, []int) error {
		commits = append(commits, env.Now().Sub(begun).Round(time.Second))
		return nil
	}
	in := input()
	in.CommitWindows = 2
	env.ExecuteWorkflow(workflows.Materialize, in)
	_, err := ending(t, env)
	require.NoError(t, err)
	require.Equal(t, [][]int{{0, 1}, {2}, {3}}, [][]int{numbers(f.commits[0]), numbers(f.commits[1]), numbers(f.commits[2])})
	require.Equal(t, []time.Duration{10 * time.Minute, 29 * time.Minute, 3 * time.Hour}, commits)
}

func TestOnlineIsAppliedAfterEachCommitIfThePlanSaysSo(t *testing.T) {
	t.Parallel()
	for _, online := range []bool{true, false} {
		f := &fake{windows: 6, online: online}
		in := input()
		in.CommitWindows, in.Parallelism = 2, 1
		result, err := run(t, f, in)
		require.NoError(t, err)
		require.Len(t, f.commits, 3)
		for _, commit := range f.commits {
			require.Equal(t, online, commit.Online)
		}
		if !online {
			require.Zero(t, f.applies)
			require.Nil(t, result.Watermark)
			continue
		}
		require.Equal(t, 3, f.applies)
		require.Equal(t, int64(3000), result.Cells)
	}
}

func TestOutcomesOfCommitsAreCounted(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 9}
	env := newEnvironment(f)
	env.OnActivity("CommitWindows", mock.Anything, mock.Anything).
		Return(activities.Commit{Version: 5, Committed: 4, Done: 3, Superseded: 2}, nil).Once()
	env.ExecuteWorkflow(workflows.Materialize, input())
	result, err := ending(t, env)
	require.NoError(t, err)
	require.Equal(t, []int{4, 3, 2}, []int{result.Committed, result.Done, result.Superseded})
	require.Equal(t, int64(5), result.Version)
}

func TestProgressCanBeAskedForMidway(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 4}
	env := newEnvironment(f)
	for number := range f.windows {
		matches := mock.MatchedBy(func(r activities.BuildRequest) bool { return f.number(r.Range) == number })
		env.OnActivity("BuildWindows", mock.Anything, matches).Return(f.BuildWindows).After(time.Duration(number+1) * time.Minute)
	}
	var progress workflows.MaterializeResult
	env.RegisterDelayedCallback(func() {
		answer, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&progress))
	}, 150*time.Second)
	env.ExecuteWorkflow(workflows.Materialize, input())
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, workflows.MaterializeResult{
		Workspace: "dev", View: "airport_delays", Job: f.job.ID, Range: &window.Interval{Start: start, End: at(4 * day)},
		Windows: 4, Built: 2, Rows: 20, Bytes: 200,
	}, progress)
}
