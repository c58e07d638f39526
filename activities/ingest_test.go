package activities_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/offline"
)

const withScores = definitions + `---
kind: FeatureTable
name: scores
entities: [airport]
schema:
  - {name: origin, type: String}
  - {name: at, type: Timestamp}
  - {name: score, type: Float64}
online: true
offline: true
`

var ingestJob = activities.Job{
	ID: strings.Repeat("c", 32), Type: activities.JobTypeIngest, CreatedAt: instant("2001-02-01T12:00"), RunID: "run-1", Number: 1,
}

// ingests are the activities over a world with the feature table scores.
func ingests(t *testing.T) (*world, *activities.Ingest, *testsuite.TestActivityEnvironment) {
	t.Helper()
	w := newWorld(t)
	w.apply(t, "prod", 1, withScores)
	engine := w.materialize.Engine
	i := &activities.Ingest{
		Engine: &ingest.Engine{
			Bucket: engine.Bucket, Tables: engine, Fences: &forget.Store{Bucket: engine.Bucket}, Options: ingest.Options{ScratchDir: t.TempDir()},
		},
		Clock: w.materialize.Clock,
	}
	w.materialize.Frames = i.Engine
	env := w.environment()
	env.RegisterActivity(i)
	running := activities.JobRecord{Entry: ledger.Entry{Number: 1, State: activities.JobRunning}, At: instant("2001-02-01")}
	_, err := env.ExecuteActivity("RecordJob", activities.RecordRequest{
		Target: activities.Target{Workspace: "prod", View: "scores"}, Job: ingestJob, Records: []activities.JobRecord{running},
	})
	require.NoError(t, err)
	return w, i, env
}

// accept stages a frame and gives it its place.
func accept(t *testing.T, i *activities.Ingest, env *testsuite.TestActivityEnvironment, content string) activities.Accepted {
	t.Helper()
	path, err := i.Engine.Reserve(t.Context(), "prod", "scores")
	require.NoError(t, err)
	_, err = i.Engine.Stage(t.Context(), path, frame.CSV, strings.NewReader(content))
	require.NoError(t, err)
	request := activities.FrameRequest{Workspace: "prod", Table: "scores", Path: path}
	accepted := execute[activities.Accepted](t, env, "AcceptFrame", request)
	require.Equal(t, accepted, execute[activities.Accepted](t, env, "AcceptFrame", request), "it may be repeated")
	return accepted
}

func TestAStagedFrameBecomesRowsOfItsTable(t *testing.T) {
	t.Parallel()
	w, i, env := ingests(t)
	accepted := accept(t, i, env, "origin,at,score,note\nATL,2001-01-20,1,a\nATL,2001-01-20,2,b\nORD,2001-01-21,3,c\n")
	require.True(t, accepted.Online)
	built := execute[activities.BuiltFrame](t, env, "BuildFrame", activities.BuildFrameRequest{Ticket: accepted.Ticket, Job: ingestJob})
	require.Equal(t, int64(2), built.Rows)
	require.Equal(t, int64(1), built.Duplicates)
	require.Equal(t, []string{"note"}, built.Dropped)
	commit := activities.CommitFrameRequest{Ticket: accepted.Ticket, Job: ingestJob, Manifest: built.Manifest}
	done := execute[activities.Commit](t, env, "CommitFrame", commit)
	require.Equal(t, 1, done.Committed)
	require.Equal(t, done.Version, execute[activities.Commit](t, env, "CommitFrame", commit).Version, "it may be repeated")

	table := activities.Target{Workspace: "prod", View: "scores", Generation: accepted.Ticket.Generation}
	applied := execute[activities.Applied](t, env, "ApplyOnline", activities.ApplyRequest{Target: table, Job: ingestJob})
	require.Equal(t, done.Version, applied.Version)
	require.Equal(t, int64(2), applied.Cells)

	_, err := env.ExecuteActivity("DiscardFrame", accepted.Ticket)
	require.NoError(t, err)
	_, err = env.ExecuteActivity("AcceptFrame", activities.FrameRequest{Workspace: "prod", Table: "scores", Path: accepted.Ticket.Path})
	kind, _ := final(t, err)
	require.Equal(t, activities.ErrorNotFound, kind)

	history, err := w.materialize.Engine.Ledger.Get(t.Context(), "prod", "scores", ingestJob.ID)
	require.NoError(t, err)
	require.Equal(t, ledger.Ingest, history.Type)
	require.Len(t, history.Attempts, 1)
	require.Equal(t, activities.JobSuccess, history.Attempts[0].State)
}

func TestAFrameThatCannotBeStoredIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w, i, env := ingests(t)
	for content, says := range map[string]string{
		"origin,at\nATL,2001-01-20\n":              "score",
		"origin,at,score\nATL,2001-01-20,x\n":      "line 2",
		"origin,at,score\nATL,2001-02-01T00:11,\n": "at",
	} {
		accepted := accept(t, i, env, content)
		_, err := env.ExecuteActivity("BuildFrame", activities.BuildFrameRequest{Ticket: accepted.Ticket, Job: ingestJob})
		kind, text := final(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
	}
	history, err := w.materialize.Engine.Ledger.Get(t.Context(), "prod", "scores", ingestJob.ID)
	require.NoError(t, err)
	require.NotEmpty(t, history.Attempts)
	require.Equal(t, activities.JobError, history.Attempts[0].State)
}

func TestAFrameThatWasAcceptedBeforeAForgottenErasureIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	_, i, env := ingests(t)
	accepted := accept(t, i, env, "origin,at,score\nATL,2001-01-20,1\n")
	scores, err := i.Engine.Tables.Target(t.Context(), "prod", 0, "scores")
	require.NoError(t, err)
	table, err := i.Engine.Tables.Table(t.Context(), scores, i.Clock.Now())
	require.NoError(t, err)
	keys, err := keyset.New([][]byte{[]byte("any")})
	require.NoError(t, err)
	_, err = table.Erase(t.Context(), offline.Erasure{ID: "erasure", Job: "test", Generation: 2, Online: true, Keys: keys, Object: "deletions/keys", Fields: 1})
	require.NoError(t, err)
	for info, err := range i.Engine.Bucket.List(t.Context(), "", "") { // as a vacuum does after the retention
		require.NoError(t, err)
		if strings.Contains(info.Key, "/_fences/") {
			require.NoError(t, i.Engine.Bucket.Delete(t.Context(), info.Key))
		}
	}
	built := execute[activities.BuiltFrame](t, env, "BuildFrame", activities.BuildFrameRequest{Ticket: accepted.Ticket, Job: ingestJob})
	_, err = env.ExecuteActivity("CommitFrame", activities.CommitFrameRequest{Ticket: accepted.Ticket, Job: ingestJob, Manifest: built.Manifest})
	kind, text := final(t, err)
	require.Equal(t, activities.ErrorInput, kind)
	require.Contains(t, text, "ingest it anew")
}

// final is what an error that is not tried again says.
func final(t *testing.T, err error) (kind, text string) {
	t.Helper()
	var refused *temporal.ApplicationError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.NonRetryable(), refused)
	return refused.Type(), refused.Message()
}

func TestWithoutManagedRetriesAFailureIsFinal(t *testing.T) {
	t.Parallel()
	_, i, env := ingests(t)
	accepted := accept(t, i, env, "origin,at,score\nATL,2001-01-20,1\n")
	i.Engine.Bucket = bucket.WithTimeout(i.Engine.Bucket, time.Nanosecond)
	for _, once := range []bool{false, true} {
		_, err := env.ExecuteActivity("BuildFrame", activities.BuildFrameRequest{Ticket: accepted.Ticket, Once: once})
		var failed *temporal.ApplicationError
		require.True(t, errors.As(err, &failed))
		require.Equal(t, once, failed.NonRetryable())
	}
}

// A lost ingest is closed: whether it had ended, its frame tells when it is ingested again.
func TestALostIngestIsClosed(t *testing.T) {
	t.Parallel()
	w, _, env := ingests(t)
	w.materialize.Jobs = &visibility{}
	lost := execute[activities.LostJobs](t, env, "ReconcileJobs", activities.ReconcileRequest{Workspace: "prod"})
	require.Equal(t, activities.LostJobs{Lost: 1}, lost)
	history, err := w.materialize.Engine.Ledger.Get(t.Context(), "prod", "scores", ingestJob.ID)
	require.NoError(t, err)
	require.Equal(t, "workflow lost", history.States[1].Message)
}

func TestMaintenanceRemovesFramesThatNobodyIngested(t *testing.T) {
	t.Parallel()
	w, i, env := ingests(t)
	w.materialize.Engine.Maintenance.Retention = 1
	accepted := accept(t, i, env, "origin,at,score\nATL,2001-01-20,1\n")
	request := activities.MaintainRequest{Target: activities.Target{Workspace: "prod", View: "scores"}, DryRun: true}
	execute[activities.Maintained](t, env, "RemoveStaged", request)
	_, err := i.Engine.Find(t.Context(), "prod", "scores", accepted.Ticket.Path)
	require.NoError(t, err, "a dry run removes nothing")
	request.DryRun = false
	require.Equal(t, int64(1), execute[activities.Maintained](t, env, "RemoveStaged", request).Removed)
	_, err = i.Engine.Find(t.Context(), "prod", "scores", accepted.Ticket.Path)
	require.ErrorIs(t, err, ingest.ErrNotFound)
}
