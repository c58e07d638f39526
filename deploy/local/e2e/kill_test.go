package e2e_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKilledTenTimesItCompletes kills the stack with SIGKILL ten times in the
// life of one backfill, each time after a seeded number of further objects came
// into the bucket, and starts it again with the same command. Nobody submits the
// job again.
func TestKilledTenTimesItCompletes(t *testing.T) {
	const (
		seed  = 20010105
		kills = 10
	)
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s := startStack(t, dir)
	s.tilery(t, "apply", examples, "--yes")
	s.tilery(t, "materialize", view, "--detach", "--parallelism", "2", "--commit-windows", "2", "--heartbeat-timeout", "3s")
	waitFor(t, time.Minute, "a window is committed", func() bool { return committedWindows(t, dir) > 0 })
	for i := range kills {
		// A window leaves two objects and half a commit.
		target := countObjects(t, dir) + 1 + random.IntN(7)
		waitFor(t, time.Minute, "the backfill moves on", func() bool { return countObjects(t, dir) >= target })
		s.kill(t)
		committed := committedWindows(t, dir)
		t.Logf("kill %d: %d of %d windows committed", i+1, committed, totalWindows)
		require.Positive(t, committed)
		require.Less(t, committed, totalWindows)
		s = startStack(t, dir)
	}
	waitFor(t, 2*time.Minute, "the job ends", func() bool { return s.jobStatus(t) != "RUNNING" })
	require.Equal(t, "COMPLETED", s.jobStatus(t))
	s.stop(t)
	requireServes(t, undisturbed(t), readState(t, dir))
}

// jobStatus returns the status of the only backfill there is.
func (s *stack) jobStatus(t *testing.T) string {
	t.Helper()
	var jobs []struct{ Type, Status string }
	require.NoError(t, json.Unmarshal([]byte(s.tilery(t, "jobs", view, "-o", "json")), &jobs))
	var backfills []string
	for _, job := range jobs { // the schedule may start jobs of its own
		if job.Type == "Materialize" {
			backfills = append(backfills, job.Status)
		}
	}
	require.Len(t, backfills, 1, "nobody submitted another backfill")
	return backfills[0]
}
