package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const scheduleID = "tilery/prod/" + view

// schedule returns how often and how late the view's schedule acts, "" when
// there is none. Describing is strongly consistent, unlike listing.
func (s *stack) schedule(t *testing.T) string {
	t.Helper()
	out, err := s.temporalCLI(t, "schedule", "describe", "--schedule-id", scheduleID)
	if err != nil {
		return ""
	}
	var described struct {
		Schedule struct {
			Spec struct {
				Interval []struct{ Interval, Phase string }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &described), out)
	require.Len(t, described.Schedule.Spec.Interval, 1, out)
	i := described.Schedule.Spec.Interval[0]
	return i.Interval + "+" + i.Phase
}

// trigger runs the view's schedule once, now, and waits for its job.
func (s *stack) trigger(t *testing.T) {
	t.Helper()
	ended := s.incrementals(t, view)
	_, err := s.temporalCLI(t, "schedule", "trigger", "--schedule-id", scheduleID)
	require.NoError(t, err)
	waitFor(t, time.Minute, "the incremental job ends", func() bool { return s.incrementals(t, view) > ended })
}

// incrementals counts the incremental jobs of a view that completed.
func (s *stack) incrementals(t *testing.T, view string) int {
	t.Helper()
	var jobs []struct{ Type, Status string }
	require.NoError(t, json.Unmarshal([]byte(s.tilery(t, "jobs", view, "-o", "json")), &jobs))
	n := 0
	for _, job := range jobs {
		if job.Type == "MaterializeIncremental" && job.Status == "COMPLETED" {
			n++
		}
	}
	return n
}

// repositoryWith copies the example with one text of its definitions replaced.
func repositoryWith(t *testing.T, old, replacement string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"features.yaml", "airport_delays.sql"} {
		content, err := os.ReadFile(filepath.Join(examples, name))
		require.NoError(t, err)
		if name == "features.yaml" {
			require.Contains(t, string(content), old)
			content = []byte(strings.ReplaceAll(string(content), old, replacement))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return dir
}

// TestSchedulesFollowTheDefinitions applies, changes and removes a view and looks
// at its schedule; between, the clock moves on by a day, and Temporal's database is lost.
func TestSchedulesFollowTheDefinitions(t *testing.T) {
	dir := t.TempDir()
	s := startStackAt(t, dir, "2001-01-31T00:00:00Z")
	s.tilery(t, "apply", examples, "--yes")
	waitFor(t, time.Minute, "the schedule is made", func() bool { return s.schedule(t) == "86400s+0s" })
	waitFor(t, time.Minute, "the schedule is listed", func() bool {
		out, err := s.temporalCLI(t, "schedule", "list")
		return err == nil && strings.Contains(out, scheduleID)
	})
	s.trigger(t)
	require.Equal(t, totalWindows-1, committedWindows(t, dir), "one run fills all gaps")
	s.trigger(t)
	require.Equal(t, totalWindows-1, committedWindows(t, dir), "nothing is missing")
	s.stop(t)

	s = startStackAt(t, dir, "2001-02-01T00:00:00Z")
	s.trigger(t)
	require.Equal(t, totalWindows, committedWindows(t, dir), "the day that went by")
	s.tilery(t, "apply", repositoryWith(t, "file_format: parquet", "file_format: parquet\n  data_delay: 2h"), "--yes")
	waitFor(t, time.Minute, "the schedule acts later", func() bool { return s.schedule(t) == "86400s+7200s" })
	s.stop(t)
	requireServes(t, undisturbed(t), readState(t, dir))

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "temporal")))
	s = startStackAt(t, dir, "2001-02-01T02:00:00Z")
	waitFor(t, time.Minute, "the schedule is back", func() bool { return s.schedule(t) == "86400s+7200s" })
	s.trigger(t)
	// With the delay, the first value needs one day more at the start.
	require.Equal(t, totalWindows+1, committedWindows(t, dir), "only what is missing is built")

	s.tilery(t, "apply", repositoryWith(t, "online: true\noffline: true", "online: false\noffline: false"), "--yes")
	waitFor(t, time.Minute, "the schedule goes", func() bool { return s.schedule(t) == "" })
	s.stop(t)
}

// TestAnApplyThatIsKilledHalfWayHeals_B6 kills the worker after the generation is
// in the registry and before any schedule is made: Temporal is not there. When both
// are back, the schedule is as the generation says.
func TestAnApplyThatIsKilledHalfWayHeals_B6(t *testing.T) {
	dir := t.TempDir()
	s := startStackWith(t, dir, "-temporal-only")
	w := startWorker(t, s, examples, "2001-02-01T00:00:00Z")
	s.Endpoints.HTTP = w.http
	s.kill(t)
	var applying sync.WaitGroup
	applying.Go(func() {
		_, _ = s.try("apply", examples, "--yes") // it may be told of success or of a broken connection
	})
	waitFor(t, time.Minute, "the generation is written", func() bool {
		found, err := filepath.Glob(filepath.Join(dir, "bucket/registry/prod/*1.json"))
		return err == nil && len(found) == 1
	})
	w.kill(t)
	applying.Wait()

	s = startStack(t, dir)
	waitFor(t, time.Minute, "the schedule is made", func() bool { return s.schedule(t) == "86400s+0s" })
	s.stop(t)
}
