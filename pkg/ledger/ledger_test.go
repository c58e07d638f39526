package ledger_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/window"
)

const (
	workspace = "prod"
	view      = "airport_delays"
)

var (
	noon = at("2001-02-03T12:00:00.000007Z")
	day  = window.Interval{Start: at("2001-02-01"), End: at("2001-02-02")}
)

func at(text string) window.Time {
	t, err := window.Parse(text)
	if err != nil {
		panic(err) //nolint:forbidigo // the test itself is wrong
	}
	return t
}

// open returns a bucket in memory where the machine has a file system there:
// what is tested does not depend on a disk.
func open(t *testing.T) bucket.Bucket {
	folder, err := os.MkdirTemp("/dev/shm", "tilery-ledger-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		folder = t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	b, err := file.Open(folder)
	require.NoError(t, err)
	return b
}

// jobNumber returns a job that was created n minutes after noon.
func jobNumber(n int) ledger.Job {
	return ledger.Job{
		Workspace: workspace, View: view, ID: fmt.Sprintf("%032x", n), Type: ledger.Batch,
		CreatedAt:  noon.Add(time.Duration(n) * time.Minute),
		WorkflowID: fmt.Sprintf("materialize/%s/%s/%d", workspace, view, n),
		RunID:      fmt.Sprintf("0123abcd-0000-4000-8000-%012x", n),
	}
}

// change returns a job's state with some details.
func change(number int, state ledger.State) ledger.Record {
	return ledger.Record{
		Entry: ledger.Entry{Number: number, State: state, Window: day},
		At:    noon.Add(time.Duration(number) * time.Second),
	}
}

func attempt(under, number int, state ledger.State) ledger.Record {
	r := change(under, state)
	r.Attempt = number
	return r
}

// appendAll gives the job these states, numbered from 1.
func appendAll(t *testing.T, l *ledger.Ledger, job ledger.Job, states ...ledger.State) {
	for n, state := range states {
		require.NoError(t, l.Append(t.Context(), job, change(n+1, state)))
	}
}

func keys(t *testing.T, b bucket.Bucket) []string {
	var keys []string
	for info, err := range b.List(t.Context(), "", "") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

func TestKeysAreAsDocumented(t *testing.T) {
	t.Parallel()
	b := open(t)
	l := ledger.New(b)
	appendAll(t, l, jobNumber(1), ledger.Pending, ledger.Running)
	failed := attempt(2, 1, ledger.Error)
	failed.Window = window.Interval{Start: day.Start + 1, End: day.End}
	require.NoError(t, l.AppendAttempt(t.Context(), jobNumber(1), failed))
	bare := ledger.Job{Workspace: workspace, View: view, ID: strings.Repeat("f", 32), Type: ledger.Deletion, CreatedAt: 1}
	start := change(1, ledger.Scheduled)
	start.Window = window.Interval{}
	require.NoError(t, l.Append(t.Context(), bare, start))

	folder := "jobs/prod/airport_delays/9222390835194775800-00000000000000000000000000000001" +
		".materialize=2Fprod=2Fairport_delays=2F1.0123abcd-0000-4000-8000-000000000001/"
	require.Equal(t, []string{
		folder + "000001-PENDING-BATCH-20010201T000000Z-20010202T000000Z-0",
		folder + "000001.json",
		folder + "000002-RUNNING-BATCH-20010201T000000Z-20010202T000000Z-0",
		folder + "000002.json",
		folder + "000002a0001-ERROR-BATCH-20010201T000000.000001Z-20010202T000000Z-1",
		"jobs/prod/airport_delays/9223372036854775806-ffffffffffffffffffffffffffffffff/000001-SCHEDULED-DELETION-none-none-0",
		"jobs/prod/airport_delays/9223372036854775806-ffffffffffffffffffffffffffffffff/000001.json",
	}, keys(t, b))
	data, err := b.Get(t.Context(), folder+"000002.json")
	require.NoError(t, err)
	require.JSONEq(t, `{"format": 1, "workspace": "prod", "view": "airport_delays",
		"job": "00000000000000000000000000000001", "type": "BATCH", "created_at": "2001-02-03T12:01:00.000007Z",
		"workflow_id": "materialize/prod/airport_delays/1", "run_id": "0123abcd-0000-4000-8000-000000000001",
		"number": 2, "state": "RUNNING", "window": {"start": "2001-02-01T00:00:00Z", "end": "2001-02-02T00:00:00Z"},
		"at": "2001-02-03T12:00:02.000007Z", "online": false, "offline": false, "overwrite": false}`, string(data))
}

func TestEveryRecordComesBack(t *testing.T) {
	l := ledger.New(open(t))
	id := 0
	rapid.Check(t, func(t *rapid.T) {
		id++
		instant := func(label string) window.Time {
			return window.Time(rapid.Int64Range(int64(window.MinTime), int64(window.MaxTime)).Draw(t, label))
		}
		job := ledger.Job{
			Workspace: workspace, View: view, ID: fmt.Sprintf("%032x", id),
			Type:       rapid.SampledFrom([]ledger.Type{ledger.Batch, ledger.Stream, ledger.Ingest, ledger.Deletion, ledger.Maintenance}).Draw(t, "type"),
			CreatedAt:  window.Time(rapid.Int64Range(1, int64(window.MaxTime)).Draw(t, "created")),
			WorkflowID: rapid.StringN(0, 60, 400).Draw(t, "workflow"),
			RunID:      rapid.StringN(0, 60, 400).Draw(t, "run"),
		}
		// JSON holds text, not bytes.
		job.WorkflowID, job.RunID = strings.ToValidUTF8(job.WorkflowID, "?"), strings.ToValidUTF8(job.RunID, "?")
		r := ledger.Record{
			Entry: ledger.Entry{Number: 1, State: ledger.Running, Attempt: rapid.IntRange(0, 9999).Draw(t, "attempt")},
			At:    instant("at"), Message: rapid.String().Draw(t, "message"), Reason: rapid.String().Draw(t, "reason"),
			EnvVersion: "v1", Generation: rapid.Int64().Draw(t, "generation"), Fingerprint: "abc",
			Online: rapid.Bool().Draw(t, "online"), Offline: rapid.Bool().Draw(t, "offline"), Overwrite: rapid.Bool().Draw(t, "overwrite"),
		}
		if i := (window.Interval{Start: instant("start"), End: instant("end")}); !i.Empty() {
			r.Window = i
		}
		require.NoError(t, l.Append(t.Context(), job, r))
		require.NoError(t, l.Append(t.Context(), job, r))
		got, err := l.Get(t.Context(), workspace, view, job.ID)
		require.NoError(t, err)
		require.Equal(t, ledger.History{Job: job, States: []ledger.Record{r}}, got)

		jobs, err := l.Jobs(t.Context(), workspace, view, id)
		require.NoError(t, err)
		require.Len(t, jobs, id)
		for n, listed := range jobs {
			require.True(t, n == 0 || jobs[n-1].CreatedAt >= listed.CreatedAt, "not newest first")
			if listed.ID == job.ID {
				require.Equal(t, r.Entry, listed.Entry)
				require.Equal(t, job.Type, listed.Type)
				if listed.WorkflowID != "" {
					require.Equal(t, job, listed.Job)
				}
			}
		}
	})
}

func TestIdsTooLongForTheKeyAreInTheObject(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	for length, listed := range map[int]bool{201 - 36: true, 202 - 36: false, 1000: false} {
		job := jobNumber(length)
		job.WorkflowID = strings.Repeat("w", length)
		appendAll(t, l, job, ledger.Running)
		jobs, err := l.Jobs(t.Context(), workspace, view, 100)
		require.NoError(t, err)
		for _, got := range jobs {
			if got.ID == job.ID {
				require.Equal(t, listed, got.WorkflowID == job.WorkflowID)
				require.Equal(t, listed, got.RunID == job.RunID)
			}
		}
		history, err := l.Get(t.Context(), workspace, view, job.ID)
		require.NoError(t, err)
		require.Equal(t, job, history.Job)
	}
}

func TestLongTextsAreCutAtWholeCharacters(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	r := change(1, ledger.Running)
	r.Message = "x" + strings.Repeat("é", 3000)
	require.NoError(t, l.Append(t.Context(), jobNumber(1), r))
	require.NoError(t, l.Append(t.Context(), jobNumber(1), r))
	history, err := l.Get(t.Context(), workspace, view, jobNumber(1).ID)
	require.NoError(t, err)
	require.Equal(t, "x"+strings.Repeat("é", 2047), history.States[0].Message)
}

func TestGetOfAnUnknownJobIsNotFound(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	appendAll(t, l, jobNumber(1), ledger.Running)
	for _, v := range []string{view, "other"} {
		_, err := l.Get(t.Context(), workspace, v, jobNumber(2).ID)
		require.ErrorIs(t, err, ledger.ErrNotFound)
		require.ErrorContains(t, err, jobNumber(2).ID)
	}
}

func TestJobsAreThoseOfTheView(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	for n, name := range []string{view, view + "_2", view[:4]} {
		job := jobNumber(n)
		job.View = name
		appendAll(t, l, job, ledger.Running)
	}
	jobs, err := l.Jobs(t.Context(), workspace, view, 10)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, jobNumber(0), jobs[0].Job)
}

func TestAListingKeepsTheLastAttempts(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	appendAll(t, l, jobNumber(1), ledger.Running)
	for n := range 105 {
		require.NoError(t, l.AppendAttempt(t.Context(), jobNumber(1), attempt(1, n+1, ledger.Error)))
	}
	jobs, err := l.Jobs(t.Context(), workspace, view, 1)
	require.NoError(t, err)
	history, err := l.Get(t.Context(), workspace, view, jobNumber(1).ID)
	require.NoError(t, err)
	require.Len(t, jobs[0].Attempts, 100)
	require.Len(t, history.Attempts, 100)
	require.Equal(t, 6, jobs[0].Attempts[0].Attempt)
	require.Equal(t, 105, history.Attempts[99].Attempt)
}

func TestViewsAreThoseThatHaveJobs(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	views, err := l.Views(t.Context(), workspace)
	require.NoError(t, err)
	require.Empty(t, views)
	want := []string{"a", "a-b", "a0", "b"}
	for n, name := range want {
		for i := range 3 {
			job := jobNumber(10*n + i)
			job.View = name
			require.NoError(t, l.Append(t.Context(), job, change(1, ledger.Running)))
		}
	}
	other := jobNumber(99)
	other.Workspace = workspace + "2"
	require.NoError(t, l.Append(t.Context(), other, change(1, ledger.Running)))
	views, err = l.Views(t.Context(), workspace)
	require.NoError(t, err)
	require.ElementsMatch(t, want, views)
	_, err = l.Views(t.Context(), "a/b")
	require.ErrorIs(t, err, ledger.ErrInvalid)
}
