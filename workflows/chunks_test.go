package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
)

func days(from, to int) window.Interval {
	return window.Interval{Start: at(time.Duration(from) * day), End: at(time.Duration(to) * day)}
}

func tooLarge() error {
	return temporal.NewNonRetryableApplicationError("window is too large", activities.ErrorTooLarge, nil)
}

func TestACallTakesAsManyWindowsAsThePlanSays(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 25, perBuild: 10, online: true, onlineFrom: 18}
	in := input()
	in.Parallelism = 1
	result, err := run(t, f, in)
	require.NoError(t, err)
	require.Equal(t, []window.Interval{days(0, 10), days(10, 18), days(18, 25)}, f.calls, "what goes online is built apart")
	require.Equal(t, upTo(25), f.committed())
	require.Equal(t, 25, result.Committed)
	for _, commit := range f.commits {
		require.Equal(t, numbers(commit)[0] >= 18, commit.Online)
	}
	require.Equal(t, 1, f.applies, "the online store has nothing to follow before")
}

func TestOnlyWindowsThatServingNeedsGoOnline(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 20, online: true, onlineFrom: 15}
	in := input()
	in.CommitWindows = 4
	_, err := run(t, f, in)
	require.NoError(t, err)
	require.Equal(t, upTo(20), f.committed())
	for _, commit := range f.commits {
		for _, number := range numbers(commit) {
			require.Equal(t, number >= 15, commit.Online, "window %d", number)
		}
	}
}

func TestAnOverwriteIsAppliedEvenWhereTheOnlineStoreDoesNotFollowNewWindows(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 4, online: true, onlineFrom: 100}
	in := input()
	in.Overwrite = true
	_, err := run(t, f, in)
	require.NoError(t, err)
	require.Equal(t, 1, f.applies, "the windows may be online already")
}

func TestWindowsThatAreTooLargeAtOnceAreHalvedUntilTheyFit(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 30, perBuild: 16}
	tried := 0
	f.onRange = func(r window.Interval) error {
		tried++
		if r.Count(day) > 5 {
			return tooLarge()
		}
		return nil
	}
	in := input()
	in.Parallelism = 1
	result, err := run(t, f, in)
	require.NoError(t, err)
	require.Equal(t, upTo(30), f.committed())
	require.Equal(t, 30, result.Built)
	require.LessOrEqual(t, len(f.calls)+3, tried+1, "later calls take fewer windows at once")
	for _, call := range f.calls {
		require.LessOrEqual(t, call.Count(day), 5)
	}
}

func TestOneWindowThatIsTooLargeFails(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 8, perBuild: 4, onRange: func(r window.Interval) error {
		if r.Contains(at(5 * day)) {
			return tooLarge()
		}
		return nil
	}}
	result, err := run(t, f, input())
	_, text := refusal(t, err)
	require.Equal(t, "1 of 8 windows failed, the first: window 2001-01-06T00:00:00Z: window is too large", text)
	require.Equal(t, slices.DeleteFunc(upTo(8), func(n int) bool { return n == 5 }), f.committed())
	require.Equal(t, 1, result.Failed)
}

func TestABadWindowIsFoundAmongThoseOfItsCall(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 40, perBuild: 20, onRange: func(r window.Interval) error {
		if r.Contains(at(7*day)) || r.Contains(at(30*day)) {
			return broken("SQL cannot run")
		}
		return nil
	}}
	result, err := run(t, f, input())
	_, text := refusal(t, err)
	require.Contains(t, text, "2 of 40 windows failed, the first: window 2001-01-")
	require.Equal(t, slices.DeleteFunc(upTo(40), func(n int) bool { return n == 7 || n == 30 }), f.committed())
	require.Len(t, result.Failures, 2)
	require.Contains(t, f.calls, days(10, 20), "good windows stay together")
}

func TestACallThatFailedTooOftenFailsAllItsWindows(t *testing.T) {
	t.Parallel()
	f := &fake{windows: 12, perBuild: 4, onRange: func(r window.Interval) error {
		if r.Start == at(4*day) {
			return temporal.NewNonRetryableApplicationError("input/output error (failed 10 times)", activities.ErrorExhausted, nil)
		}
		return nil
	}}
	result, err := run(t, f, input())
	_, text := refusal(t, err)
	require.Equal(t, "4 of 12 windows failed, the first: 4 windows from 2001-01-05T00:00:00Z: input/output error (failed 10 times)", text)
	require.Equal(t, days(4, 8), result.Failures[0].Range)
	require.Equal(t, 8, result.Committed)
}

// Nothing of a long job's list of windows is in its history.
func TestChunksFollowFromThePlan(t *testing.T) {
	t.Parallel()
	all := func(p activities.Plan, most int) []window.Interval {
		var out []window.Interval
		for next := 0; next < p.Windows(); {
			chunk := p.Chunk(next, most)
			require.False(t, chunk.Empty())
			out = append(out, chunk)
			next += chunk.Count(day)
		}
		return out
	}
	plan := activities.Plan{Schedule: 86400e9, Range: days(0, 9), OnlineFrom: at(7 * day)}
	require.Equal(t, []window.Interval{days(0, 3), days(3, 6), days(6, 7), days(7, 9)}, all(plan, 3))
	require.Len(t, all(plan, 1), 9)
	require.Len(t, all(plan, 0), 9, "at least one")
	plan.Gaps = window.NewSet(days(0, 2), days(5, 9))
	require.Equal(t, []window.Interval{days(7, 9), days(5, 7), days(0, 2)}, all(plan, 3), "of gaps the newest first")
	plan.OnlineFrom = at(6 * day)
	require.Equal(t, []window.Interval{days(6, 9), days(5, 6), days(0, 2)}, all(plan, 4))
	require.Equal(t, []window.Interval{days(8, 9), days(7, 8)}, all(plan, 1)[:2])
}
