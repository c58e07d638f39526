package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// days is a stack whose source has a directory a day.
type days struct {
	*stack
	source string
}

// startDays starts it at the end of a day of January 2001, with a policy of retries.
func startDays(t *testing.T, dir, source string, day int, settings string) days {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	now := january.AddDate(0, 0, day).Format(time.RFC3339)
	return days{startStackWith(t, dir, "-config", file, "-source-root", source, "-clock", "fixed:"+now), source}
}

func (d days) apply(t *testing.T, trigger string) {
	t.Helper()
	const days = ", datetime_partition_columns: [{column_name: date, datepart: date, zero_padded: true}]"
	d.tilery(t, "apply", deviceRepository(t, days, "batch_schedule: 1d\nbatch_trigger: "+trigger), "--yes")
}

// damage cuts the file of a day short; the result repairs it.
func (d days) damage(t *testing.T, day int) (repair func()) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.source, fmt.Sprintf("date=2001-01-%02d/*.parquet", day)))
	require.NoError(t, err)
	require.Len(t, files, 1)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], content[:len(content)/2], 0o600))
	return func() { require.NoError(t, os.WriteFile(files[0], content, 0o600)) }
}

// schedule describes the view's schedule: "" when there is none.
func (d days) schedule(t *testing.T) string {
	t.Helper()
	out, err := d.temporalCLI(t, "schedule", "describe", "--schedule-id", "tilery/prod/"+deviceReadings)
	if err != nil {
		return ""
	}
	var described struct {
		Schedule struct{ State struct{ Paused bool } }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &described), out)
	if described.Schedule.State.Paused {
		return "paused"
	}
	return "active"
}

// statusRow is a row of materialization_status.
type statusRow struct {
	Start   string `json:"WINDOW_START_TIME"`
	Status  string `json:"STATUS"`
	Attempt string `json:"ATTEMPT"`
	Task    string `json:"MATERIALIZATION_TASK"`
	Logs    string `json:"JOB_LOGS"`
}

// jobs returns the view's jobs in the ledger, the newest first.
func (d days) jobs(t *testing.T) []statusRow {
	t.Helper()
	var rows, out []statusRow
	require.NoError(t, json.Unmarshal([]byte(d.tilery(t, "materialization-status", deviceReadings, "--verbose", "-o", "json")), &rows))
	for _, row := range rows {
		if row.Attempt == "N/A" {
			out = append(out, row)
		}
	}
	return out
}

// trigger runs the schedule and waits until the ledger has one job more, which is
// in the given state. What is due is decided anew, so that nothing may be recorded.
func (d days) trigger(t *testing.T, state string) statusRow {
	t.Helper()
	before := len(d.jobs(t))
	_, err := d.temporalCLI(t, "schedule", "trigger", "--schedule-id", "tilery/prod/"+deviceReadings)
	require.NoError(t, err)
	return d.await(t, before+1, state)
}

// await waits until the ledger has so many jobs, and the newest is in the given state.
func (d days) await(t *testing.T, jobs int, state string) statusRow {
	t.Helper()
	var newest statusRow
	waitFor(t, time.Minute, "the newest job is "+state, func() bool {
		found := d.jobs(t)
		if len(found) != jobs {
			return false
		}
		newest = found[0]
		return newest.Status == state
	})
	return newest
}

// triggerIdle runs the schedule when nothing is to be done, and waits for its end.
func (d days) triggerIdle(t *testing.T) {
	t.Helper()
	ended := d.incrementals(t, deviceReadings)
	_, err := d.temporalCLI(t, "schedule", "trigger", "--schedule-id", "tilery/prod/"+deviceReadings)
	require.NoError(t, err)
	waitFor(t, time.Minute, "the incremental job ends", func() bool { return d.incrementals(t, deviceReadings) > ended })
}

var changing = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+ UTC {2,}(http\S+|N/A)|[0-9a-f-]{32,36}`)

// status is the table with what differs from run to run left out.
func (d days) status(t *testing.T) string {
	t.Helper()
	out := changing.ReplaceAllString(d.tilery(t, "materialization-status", deviceReadings), "…")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines[2:], "\n")
}

// TestFailedWindowsHealAndHeldOnesDoNot damages days of the source. A window that
// failed is filled by the next run of the schedule; one that a person cancelled is
// not, until the person retries it. Meanwhile the status shows jobs in each state.
func TestFailedWindowsHealAndHeldOnesDoNot(t *testing.T) {
	dir, source := t.TempDir(), filepath.Join(t.TempDir(), "days")
	query(t, "days_events.sql", "to="+source)

	d := startDays(t, dir, source, 4, "retry: {failure_attempts: 2, failure_backoff: 100ms}\n")
	d.apply(t, "SCHEDULED")
	waitFor(t, time.Minute, "the schedule is made", func() bool { return d.schedule(t) == "active" })
	repair := d.damage(t, 3)
	d.trigger(t, "ERROR")
	require.Equal(t, 3, committedWindows(t, dir), "all but the damaged day")
	repair()
	d.trigger(t, "SUCCESS")
	require.Equal(t, 4, committedWindows(t, dir), "the day healed")
	d.stop(t)

	// From here on a failure is tried again after an hour, so that the job goes on,
	// and one job of the view runs at a time.
	d = startDays(t, dir, source, 6, "retry: {failure_backoff: 1h}\nmax_jobs_per_view: 1\n")
	repair = d.damage(t, 6)
	d.trigger(t, "RUNNING")
	waitFor(t, time.Minute, "the day before is committed", func() bool { return committedWindows(t, dir) >= 4 })
	d.tilery(t, "materialize", deviceReadings, "--detach", "--overwrite", "--end", "2001-01-02")
	d.await(t, 4, "SCHEDULED")
	running := d.jobs(t)[1]
	require.Equal(t, "RUNNING", running.Status)
	d.awaitStatus(t, "status_running.txt")

	d.tilery(t, "job", "cancel", running.Task)
	d.await(t, 4, "SUCCESS") // its turn has come
	require.Equal(t, "MANUALLY_CANCELLED", d.jobs(t)[1].Status)
	d.awaitStatus(t, "status_cancelled.txt")
	repair()
	committed := committedWindows(t, dir)
	require.GreaterOrEqual(t, committed, 4)
	for range 5 {
		d.triggerIdle(t)
	}
	require.Equal(t, committed, committedWindows(t, dir), "what a person cancelled stays undone")
	d.tilery(t, "job", "retry", running.Task)
	waitFor(t, time.Minute, "the days are done", func() bool { return committedWindows(t, dir) == 6 })

	d.apply(t, "MANUAL")
	waitFor(t, time.Minute, "the schedule is paused", func() bool { return d.schedule(t) == "paused" })
	d.apply(t, "SCHEDULED")
	waitFor(t, time.Minute, "the schedule goes on", func() bool { return d.schedule(t) == "active" })
	d.stop(t)
}

// awaitStatus waits until the status is that of a file: attempts are recorded a
// moment after their job's state.
func (d days) awaitStatus(t *testing.T, name string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	want, status := strings.TrimSpace(string(content)), ""
	tries := 0
	waitFor(t, time.Minute, "the status is that of "+name, func() bool {
		tries++
		status = d.status(t)
		return status == want || tries > 100
	})
	require.Equal(t, want, status)
}
