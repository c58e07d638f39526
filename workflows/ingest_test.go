package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/window"
	"github.com/tilery/tilery/workflows"
)

const framePath = "ingest/dev/scores/frames/AAAAAAAAAAAAAAAAAAAAAAAAAA"

// ingester stands for the activities of an ingest.
type ingester struct {
	*fake
	offlineOnly bool
	// Each may be nil; it decides what becomes of a call.
	onAccept, onBuild, onCommit, onDiscard func(ctx context.Context) error

	cancel    func() // the workflow
	calls     []string
	builds    []activities.BuildFrameRequest
	discarded []string
}

func (i *ingester) call(ctx context.Context, name string, decide func(context.Context) error) error {
	i.calls = append(i.calls, name)
	if decide == nil {
		return nil
	}
	return decide(ctx)
}

func (i *ingester) AcceptFrame(ctx context.Context, r activities.FrameRequest) (activities.Accepted, error) {
	ticket := activities.Ticket{Sequence: 41, Generation: 7, Fingerprint: "0123456789abcdef"}
	ticket.Workspace, ticket.Table, ticket.Path = r.Workspace, r.Table, r.Path
	return activities.Accepted{Ticket: ticket, Online: !i.offlineOnly}, i.call(ctx, "accept", i.onAccept)
}

func (i *ingester) BuildFrame(ctx context.Context, r activities.BuildFrameRequest) (activities.BuiltFrame, error) {
	i.builds = append(i.builds, r)
	built := activities.BuiltFrame{
		Manifest: "m", Rows: 12, Bytes: 345, Duplicates: 2, Forgotten: 1, Dropped: []string{"note", "extra"},
		Start: window.Time(1_000_000), End: window.Time(2_000_000),
	}
	return built, i.call(ctx, "build", i.onBuild)
}

func (i *ingester) CommitFrame(ctx context.Context, r activities.CommitFrameRequest) (activities.Commit, error) {
	return activities.Commit{Version: 5, Committed: 1}, i.call(ctx, "commit "+r.Manifest, i.onCommit)
}

func (i *ingester) DiscardFrame(ctx context.Context, t activities.Ticket) error {
	i.discarded = append(i.discarded, t.Path)
	return i.call(ctx, "discard", i.onDiscard)
}

// ingest runs the workflow. When it fails or is cancelled, the result is what the error
// carries.
func ingest(t *testing.T, i *ingester, input string) (workflows.IngestResult, error) {
	t.Helper()
	env := newEnvironment(&fake{})
	env.RegisterActivity(i)
	i.cancel = env.CancelWorkflow
	env.ExecuteWorkflow("Ingest", json.RawMessage(input))
	require.True(t, env.IsWorkflowCompleted())
	var result, shown workflows.IngestResult
	err := env.GetWorkflowError()
	var application *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		require.NoError(t, env.GetWorkflowResult(&result))
	case errors.As(err, &cancelled) && cancelled.HasDetails():
		require.NoError(t, cancelled.Details(&result))
	case errors.As(err, &application) && application.HasDetails():
		require.NoError(t, application.Details(&result))
	default:
		return result, err
	}
	progress, queryErr := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, queryErr)
	require.NoError(t, progress.Get(&shown))
	require.Equal(t, result, shown)
	return result, err
}

const ingestFrame = `{"workspace": "dev", "feature_table": "scores", "df_path": "` + framePath + `"}`

const ingested = "12 rows from 1970-01-01T00:00:01Z to 1970-01-01T00:00:02Z; 2 gave way to later rows of the frame; " +
	"1 were held back by a deletion; 2 columns are not of the table: note, extra"

func TestAFrameIsIngestedAndTheOnlineStoreFollows(t *testing.T) {
	t.Parallel()
	i := &ingester{fake: &fake{}}
	result, err := ingest(t, i, ingestFrame)
	require.NoError(t, err)
	require.Equal(t, []string{"accept", "build", "commit m", "discard"}, i.calls)
	require.Equal(t, 1, i.applies)
	require.Equal(t, workflows.IngestResult{
		Workspace: "dev", FeatureTable: "scores", Path: framePath, Job: result.Job, Sequence: 41, Generation: 7, Version: 5, Cells: 1000,
		BuiltFrame: activities.BuiltFrame{
			Manifest: "m", Rows: 12, Bytes: 345, Duplicates: 2, Forgotten: 1, Dropped: []string{"note", "extra"},
			Start: window.Time(1_000_000), End: window.Time(2_000_000),
		},
	}, result)
	require.Equal(t, []string{"1 PENDING", "2 RUNNING", "3 SUCCESS " + ingested}, i.records)
	require.Equal(t, workflows.JobTypeIngest, i.job.Type)
	require.NotEmpty(t, i.job.ID)
	require.Equal(t, i.job.ID, result.Job)
	require.Equal(t, i.job.ID, i.builds[0].Job.ID)
	require.False(t, i.builds[0].Once)
}

func TestATableWithoutAnOnlineStoreHasNoneToFollow(t *testing.T) {
	t.Parallel()
	i := &ingester{fake: &fake{}, offlineOnly: true}
	result, err := ingest(t, i, ingestFrame)
	require.NoError(t, err)
	require.Zero(t, i.applies)
	require.Zero(t, result.Cells)
}

func TestAFrameThatCannotBeStoredStaysStagedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for step, set := range map[string]func(*ingester, func(context.Context) error){
		"accept":   func(i *ingester, f func(context.Context) error) { i.onAccept = f },
		"build":    func(i *ingester, f func(context.Context) error) { i.onBuild = f },
		"commit m": func(i *ingester, f func(context.Context) error) { i.onCommit = f },
	} {
		i := &ingester{fake: &fake{}}
		set(i, func(context.Context) error { return broken("row 3: score: null") })
		result, err := ingest(t, i, ingestFrame)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorSQL, kind)
		require.Equal(t, "row 3: score: null", text)
		require.Equal(t, step, i.calls[len(i.calls)-1])
		require.Empty(t, i.discarded)
		require.Zero(t, result.Version)
		require.Contains(t, i.records[len(i.records)-1], "ERROR row 3: score: null")
	}
}

func TestAnIngestThatIsCancelledBeforeItsCommitChangesNothing(t *testing.T) {
	t.Parallel()
	i := &ingester{fake: &fake{}}
	i.onBuild = func(ctx context.Context) error {
		i.cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	result, err := ingest(t, i, ingestFrame)
	require.True(t, temporal.IsCanceledError(err))
	require.Equal(t, int64(41), result.Sequence)
	require.Equal(t, []string{"accept", "build"}, i.calls)
	require.Zero(t, i.applies)
	require.Equal(t, "3 MANUALLY_CANCELLED nothing was written", i.records[2])
}

func TestAnIngestThatIsCancelledAfterItsCommitIsFinished(t *testing.T) {
	t.Parallel()
	i := &ingester{fake: &fake{}}
	i.onCommit = func(context.Context) error {
		i.cancel()
		return nil
	}
	_, err := ingest(t, i, ingestFrame)
	require.NoError(t, err)
	require.Equal(t, []string{"accept", "build", "commit m", "discard"}, i.calls)
	require.Equal(t, 1, i.applies)
	require.Equal(t, "3 SUCCESS "+ingested, i.records[2])
}

func TestAnIngestWhoseOnlineStoreDoesNotFollowSaysSo(t *testing.T) {
	t.Parallel()
	i := &ingester{fake: &fake{onApply: func(int) error { return broken("disk full") }}}
	result, err := ingest(t, i, ingestFrame)
	kind, text := refusal(t, err)
	require.Equal(t, workflows.ErrorOnlineBehind, kind)
	require.Equal(t, "all rows are committed, but the online store does not follow: disk full", text)
	require.Equal(t, "disk full", result.Behind)
	require.Equal(t, int64(5), result.Version)
	require.Empty(t, i.discarded, "ingested again, the frame makes up for it")
}

func TestAnIngestNeedsNeitherTheLedgerNorItsLastStep(t *testing.T) {
	t.Parallel()
	i := &ingester{
		fake:      &fake{onRecord: func(int) error { return broken("ledger is away") }},
		onDiscard: func(context.Context) error { return broken("bucket is away") },
	}
	result, err := ingest(t, i, ingestFrame)
	require.NoError(t, err)
	require.Equal(t, "ledger is away", result.Unrecorded)
	require.Empty(t, i.records)
}

func TestAnIngestWithoutManagedRetriesTriesOnce(t *testing.T) {
	t.Parallel()
	i := &ingester{fake: &fake{}}
	_, err := ingest(t, i, strings.TrimSuffix(ingestFrame, "}")+`, "use_tecton_managed_retries": false}`)
	require.NoError(t, err)
	require.True(t, i.builds[0].Once)
}

func TestAnIngestRefusesOtherInput(t *testing.T) {
	t.Parallel()
	for input, says := range map[string]string{
		`{}`: "input needs at least",
		`{"workspace": "dev", "feature_table": "scores", "path": "x"}`:                                            `unknown field "path"`,
		`{"workspace": "dev", "feature_table": "scores", "df_path": "` + strings.Repeat("x", 1025) + `"}`:         "df_path has 1025 bytes",
		`{"workspace": "dev", "feature_table": "` + strings.Repeat("x", 257) + `", "df_path": "x"}`:               "want at most 256",
		`{"workspace": "dev", "feature_table": "scores", "df_path": "x", "use_tecton_managed_retries": "always"}`: "input: ",
	} {
		i := &ingester{fake: &fake{}}
		_, err := ingest(t, i, input)
		kind, text := refusal(t, err)
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
		require.Empty(t, i.records)
	}
}

func TestAnIngestIsNamedByItsFrame(t *testing.T) {
	t.Parallel()
	require.Equal(t, framePath, workflows.IngestID(framePath))
	require.Equal(t, "0123456789abcdef0123456789abcdef", workflows.JobID("01234567-89ab-cdef-0123-456789abcdef"))
}
