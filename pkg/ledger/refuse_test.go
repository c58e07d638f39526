package ledger_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/window"
)

// legal are all changes of state, "" being a new job.
const legal = `
	-> SCHEDULED PENDING RUNNING
	SCHEDULED -> PENDING RUNNING SUCCESS ERROR DRAINED MANUAL_CANCELLATION_REQUESTED MANUALLY_CANCELLED
	PENDING -> RUNNING SUCCESS ERROR DRAINED MANUAL_CANCELLATION_REQUESTED MANUALLY_CANCELLED
	RUNNING -> PENDING SUCCESS ERROR DRAINED MANUAL_CANCELLATION_REQUESTED MANUALLY_CANCELLED
	MANUAL_CANCELLATION_REQUESTED -> SUCCESS ERROR MANUALLY_CANCELLED`

var states = []ledger.State{
	ledger.Scheduled, ledger.Pending, ledger.Running, ledger.Success, ledger.Error,
	ledger.Drained, ledger.CancelRequested, ledger.Cancelled,
}

// successors reads legal.
func successors(from ledger.State) []ledger.State {
	var next []ledger.State
	for line := range strings.Lines(legal) {
		before, after, _ := strings.Cut(line, "->")
		if strings.TrimSpace(before) == string(from) {
			for _, name := range strings.Fields(after) {
				next = append(next, ledger.State(name))
			}
		}
	}
	return next
}

func TestOnlyLegalChangesOfStateAreRecorded(t *testing.T) {
	t.Parallel()
	b := open(t)
	l := ledger.New(b)
	for n, from := range append([]ledger.State{""}, states...) {
		path := []ledger.State{ledger.Scheduled, from} // to the state
		switch from {
		case "":
			path = nil
		case ledger.Scheduled:
			path = path[1:]
		}
		for m, to := range states {
			job := jobNumber(10*n + m)
			appendAll(t, l, job, path...)
			before := len(keys(t, b))
			err := l.Append(t.Context(), job, change(len(path)+1, to))
			if slices.Contains(successors(from), to) {
				require.NoError(t, err, "%q to %s", from, to)
				continue
			}
			require.ErrorIs(t, err, ledger.ErrTransition, "%q to %s", from, to)
			require.ErrorContains(t, err, string(to))
			require.Len(t, keys(t, b), before, "something was written")
		}
		require.Equal(t, from != "" && len(successors(from)) == 0, from.Final(), "%q", from)
	}
	require.False(t, ledger.State("UNKNOWN").Final())
}

func TestNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	job := jobNumber(1)
	require.ErrorIs(t, l.Append(t.Context(), job, change(2, ledger.Running)), ledger.ErrTransition)
	appendAll(t, l, job, ledger.Pending)
	require.ErrorIs(t, l.Append(t.Context(), job, change(3, ledger.Success)), ledger.ErrTransition)
	require.ErrorIs(t, l.AppendAttempt(t.Context(), job, attempt(2, 1, ledger.Error)), ledger.ErrTransition)
}

func TestARecordIsNeverChanged(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	job := jobNumber(1)
	appendAll(t, l, job, ledger.Pending, ledger.Running, ledger.Success)
	appendAll(t, l, job, ledger.Pending, ledger.Running, ledger.Success) // a success, each again
	require.ErrorIs(t, l.Append(t.Context(), job, change(2, ledger.Error)), ledger.ErrConflict)
	other := change(2, ledger.Running)
	other.Message = "other"
	require.ErrorIs(t, l.Append(t.Context(), job, other), ledger.ErrConflict)

	failed := attempt(2, 1, ledger.Error)
	require.NoError(t, l.AppendAttempt(t.Context(), job, failed))
	require.NoError(t, l.AppendAttempt(t.Context(), job, failed))
	failed.Message = "other"
	require.ErrorIs(t, l.AppendAttempt(t.Context(), job, failed), ledger.ErrConflict)

	history, err := l.Get(t.Context(), workspace, view, job.ID)
	require.NoError(t, err)
	require.Equal(t, []ledger.Record{change(1, ledger.Pending), change(2, ledger.Running), change(3, ledger.Success)}, history.States)
	require.Equal(t, []ledger.Record{attempt(2, 1, ledger.Error)}, history.Attempts)
}

func TestAJobHasOneRunAndType(t *testing.T) {
	t.Parallel()
	l := ledger.New(open(t))
	appendAll(t, l, jobNumber(1), ledger.Pending)
	job := jobNumber(1)
	job.RunID = "other"
	require.ErrorIs(t, l.Append(t.Context(), job, change(2, ledger.Running)), ledger.ErrTransition)
	job = jobNumber(1)
	job.Type = ledger.Stream
	require.ErrorIs(t, l.Append(t.Context(), job, change(2, ledger.Running)), ledger.ErrConflict)
	require.ErrorIs(t, l.AppendAttempt(t.Context(), job, attempt(1, 1, ledger.Error)), ledger.ErrConflict)
}

func TestBadArgumentsAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	b := open(t)
	l := ledger.New(b)
	names := []string{"", "a b", "a/b", "../x", ".a", "_a", "é", "a=2F", "1a", strings.Repeat("a", 129)}
	for _, name := range names {
		_, err := l.Jobs(t.Context(), name, view, 1)
		require.ErrorIs(t, err, ledger.ErrInvalid, name)
		_, err = l.Get(t.Context(), workspace, name, jobNumber(1).ID)
		require.ErrorIs(t, err, ledger.ErrInvalid, name)
		_, err = l.Status(t.Context(), workspace, name, ledger.StatusOptions{})
		require.ErrorIs(t, err, ledger.ErrInvalid, name)
		_, err = l.Holds(t.Context(), name, view)
		require.ErrorIs(t, err, ledger.ErrInvalid, name)
		require.ErrorIs(t, l.PutHold(t.Context(), workspace, name, day, ""), ledger.ErrInvalid, name)
		require.ErrorIs(t, l.DeleteHold(t.Context(), name, view, day), ledger.ErrInvalid, name)
		job := jobNumber(1)
		job.View = name
		require.ErrorIs(t, l.Append(t.Context(), job, change(1, ledger.Running)), ledger.ErrInvalid, name)
	}
	for what, alter := range map[string]func(*ledger.Job, *ledger.Record){
		"short id":         func(j *ledger.Job, _ *ledger.Record) { j.ID = "abc" },
		"id in upper case": func(j *ledger.Job, _ *ledger.Record) { j.ID = strings.Repeat("A", 32) },
		"unknown type":     func(j *ledger.Job, _ *ledger.Record) { j.Type = "batch" },
		"never created":    func(j *ledger.Job, _ *ledger.Record) { j.CreatedAt = 0 },
		"long run":         func(j *ledger.Job, _ *ledger.Record) { j.RunID = strings.Repeat("r", 1001) },
		"number 0":         func(_ *ledger.Job, r *ledger.Record) { r.Number = 0 },
		"large number":     func(_ *ledger.Job, r *ledger.Record) { r.Number = 1_000_000 },
		"negative attempt": func(_ *ledger.Job, r *ledger.Record) { r.Attempt = -1 },
		"large attempt":    func(_ *ledger.Job, r *ledger.Record) { r.Attempt = 10_000 },
		"no state":         func(_ *ledger.Job, r *ledger.Record) { r.State = "" },
		"unknown state":    func(_ *ledger.Job, r *ledger.Record) { r.State = "CANCELLED" },
		"empty window":     func(_ *ledger.Job, r *ledger.Record) { r.Window.End = r.Window.Start },
		"year 10000":       func(_ *ledger.Job, r *ledger.Record) { r.Window.End = window.MaxTime + 1 },
		"no such time":     func(_ *ledger.Job, r *ledger.Record) { r.At = window.MinTime - 1 },
		"long version":     func(_ *ledger.Job, r *ledger.Record) { r.EnvVersion = strings.Repeat("v", 257) },
	} {
		job, record := jobNumber(1), attempt(1, 1, ledger.Success)
		alter(&job, &record)
		require.ErrorIs(t, l.Append(t.Context(), job, record), ledger.ErrInvalid, what)
		require.ErrorIs(t, l.AppendAttempt(t.Context(), job, record), ledger.ErrInvalid, what)
	}
	require.ErrorIs(t, l.AppendAttempt(t.Context(), jobNumber(1), attempt(1, 0, ledger.Error)), ledger.ErrInvalid)
	require.ErrorIs(t, l.AppendAttempt(t.Context(), jobNumber(1), attempt(1, 1, ledger.Running)), ledger.ErrInvalid)
	for _, limit := range []int{-1, 0, ledger.MaxJobs + 1} {
		_, err := l.Jobs(t.Context(), workspace, view, limit)
		require.ErrorIs(t, err, ledger.ErrInvalid)
	}
	require.Empty(t, keys(t, b))
}

func TestForeignKeysAreNamed(t *testing.T) {
	t.Parallel()
	const (
		root   = "jobs/prod/airport_delays/"
		folder = root + "9222390835133575800-00000000000000000000000000000001.w=2F.r/"
		name   = "000001-PENDING-BATCH-20010201T000000Z-20010202T000000Z-0"
	)
	for _, key := range []string{
		root + "note.txt",
		root + "9222390835133575800-0001/" + name,
		root + "922239083513357580-00000000000000000000000000000001/" + name,
		root + "0000000000000000000-00000000000000000000000000000001/" + name,
		root + "9222390835133575800-00000000000000000000000000000001.w.r.x/" + name,
		root + "9222390835133575800-00000000000000000000000000000001.w=2f.r/" + name,
		root + "9222390835133575800-00000000000000000000000000000001.w=zz.r/" + name,
		root + "9222390835133575800-00000000000000000000000000000001.w./" + name,
		folder + "1.json",
		folder + "000000.json",
		folder + "000001.txt",
		folder + "deeper/" + name,
		folder + "000001-LOST-BATCH-20010201T000000Z-20010202T000000Z-0",
		folder + "000001-PENDING-TEST-20010201T000000Z-20010202T000000Z-0",
		folder + "000001-PENDING-BATCH-20010201T000000Z-none-0",
		folder + "000001-PENDING-BATCH-20010202T000000Z-20010201T000000Z-0",
		folder + "000001-PENDING-BATCH-20010201T000000.5Z-20010202T000000Z-0",
		folder + "000001-PENDING-BATCH-20010231T000000Z-20010302T000000Z-0",
		folder + "000001-PENDING-BATCH-20010201T000000Z-20010202T000000Z-00",
		folder + "000001-PENDING-BATCH-20010201T000000Z-20010202T000000Z",
		folder + "000001a0001-PENDING-BATCH-20010201T000000Z-20010202T000000Z-1",
		folder + "000001a0001-ERROR-BATCH-20010201T000000Z-20010202T000000Z-2",
		folder + "000001a0000-ERROR-BATCH-20010201T000000Z-20010202T000000Z-0",
	} {
		b := open(t)
		require.NoError(t, b.Put(t.Context(), key, nil))
		_, err := ledger.New(b).Jobs(t.Context(), workspace, view, 10)
		require.ErrorIs(t, err, ledger.ErrCorrupt, key)
		require.ErrorContains(t, err, key)
		_, err = ledger.New(b).Status(t.Context(), workspace, view, ledger.StatusOptions{})
		require.ErrorContains(t, err, key)
	}
	b := open(t)
	require.NoError(t, b.Put(t.Context(), folder+name, nil))
	jobs, err := ledger.New(b).Jobs(t.Context(), workspace, view, 10)
	require.NoError(t, err)
	require.Equal(t, "w/", jobs[0].WorkflowID)
}

func TestDamagedObjectsAreNamed(t *testing.T) {
	t.Parallel()
	b := open(t)
	l := ledger.New(b)
	appendAll(t, l, jobNumber(1), ledger.Pending)
	key := keys(t, b)[0]
	for content, want := range map[string]string{
		"{":                            "not written by the ledger",
		`{"format": 2}`:                "format 2 is not known",
		`{"format": 1, "job": "0001"}`: "it tells of another record",
	} {
		require.NoError(t, b.Put(t.Context(), key, []byte(content)))
		_, err := l.Get(t.Context(), workspace, view, jobNumber(1).ID)
		require.ErrorContains(t, err, key)
		require.ErrorContains(t, err, want)
	}
}
