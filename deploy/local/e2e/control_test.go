package e2e_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// progress is what the updates of a job return.
type progress struct {
	Windows, Built, Committed int
	Paused                    bool
}

func (s *stack) job(t *testing.T, args ...string) progress {
	t.Helper()
	var p progress
	require.NoError(t, json.Unmarshal([]byte(s.tilery(t, append([]string{"job", "-o", "json"}, args...)...)), &p))
	return p
}

// pending counts the activities that a job waits for.
func (s *stack) pending(t *testing.T, id string) int {
	t.Helper()
	out, err := s.temporalCLI(t, "workflow", "describe", "--workflow-id", id)
	require.NoError(t, err)
	var described struct{ PendingActivities []any }
	require.NoError(t, json.Unmarshal([]byte(out), &described))
	return len(described.PendingActivities)
}

// TestJobsAreControlled pauses, speeds up, resumes and cancels running backfills.
func TestJobsAreControlled(t *testing.T) {
	const id = "materialize/prod/" + view + "/all-all"
	s := startStack(t, t.TempDir())
	s.tilery(t, "apply", repositoryWith(t, "online: true", "online: true\nincremental_backfills: true"), "--yes")
	s.tilery(t, "materialize", view, "--detach", "--parallelism", "1", "--commit-windows", "2")
	waitFor(t, time.Minute, "a window is committed", func() bool { return committedWindows(t, s.dir) > 0 })

	require.True(t, s.job(t, "pause", id).Paused)
	var paused progress
	waitFor(t, time.Minute, "what is built is committed", func() bool {
		if s.pending(t, id) > 0 {
			return false
		}
		paused = s.job(t, "pause", id)
		return paused.Built == paused.Committed
	})
	require.Less(t, paused.Committed, totalWindows)
	require.Equal(t, paused, s.job(t, "set-parallelism", id, "6"), "a paused job stands still")
	_, err := s.try("job", "set-parallelism", id, "65")
	require.ErrorContains(t, err, "parallelism is 65, want 1 to 64")

	require.False(t, s.job(t, "resume", id).Paused)
	waitFor(t, time.Minute, "six windows are built at a time", func() bool { return s.pending(t, id) >= 6 })
	waitFor(t, time.Minute, "the job ends", func() bool { return s.jobStatus(t) != "RUNNING" })
	require.Equal(t, "COMPLETED", s.jobStatus(t))
	require.Equal(t, totalWindows, committedWindows(t, s.dir))

	s.tilery(t, "materialize", view, "--detach", "--overwrite", "--end", "2001-01-31")
	before := time.Now()
	out := s.tilery(t, "job", "cancel", "materialize/prod/"+view+"/all-2001-01-31T00:00:00Z")
	require.Contains(t, out, "canceled")
	require.Less(t, time.Since(before), 5*time.Second)
	_, err = s.try("job", "cancel", "materialize/prod/nothing/all-all")
	require.ErrorContains(t, err, "no job materialize/prod/nothing/all-all is running")
	s.stop(t)
	requireServes(t, undisturbed(t), readState(t, s.dir))
}
