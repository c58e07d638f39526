package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/tilery/tilery/activities"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/workflows"
)

// retriever stands for the activities of a retrieval.
type retriever struct {
	shares    int // of the spine; 0: one
	onJoin    func(context.Context, int) error
	mutex     sync.Mutex
	joining   int
	most      int // joins at a time
	saves     []activities.SaveRequest
	discarded []string
}

func (r *retriever) PlanRetrieval(context.Context, activities.Staged) (activities.RetrievalPlan, error) {
	return activities.RetrievalPlan{Generation: 3, Views: []retrieve.Pin{{View: "v", Fingerprint: "f", Version: 7}}, Shares: max(r.shares, 1)}, nil
}

func (r *retriever) JoinShare(ctx context.Context, request activities.ShareRequest) (activities.JoinedShare, error) {
	r.count(1)
	defer r.count(-1)
	if r.onJoin != nil {
		if err := r.onJoin(ctx, request.Share); err != nil {
			return activities.JoinedShare{}, err
		}
	}
	return activities.JoinedShare{Document: fmt.Sprint("share-", request.Share), Rows: 12}, nil
}

func (r *retriever) count(n int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.joining += n
	r.most = max(r.most, r.joining)
}

func (r *retriever) SaveRetrieval(_ context.Context, request activities.SaveRequest) (activities.Saved, error) {
	r.saves = append(r.saves, request)
	return activities.Saved{Rows: 12, Bytes: 345, Digest: "d", Table: "datasets/prod/training/1/table"}, nil
}

func (r *retriever) DiscardRetrieval(_ context.Context, staged activities.Staged) error {
	r.discarded = append(r.discarded, staged.ID)
	return nil
}

const stagedJSON = `{"staged": {"workspace": "prod", "name": "training", "id": "1", "staged_at": "2001-02-03T04:05:06Z",
	"request": {"view": "v"}, "spine": {"key": "datasets/prod/training/1/spine.csv", "format": "csv", "bytes": 9}}}`

func newRetrieval(r *retriever) *testsuite.TestWorkflowEnvironment {
	env := newEnvironment(&fake{})
	env.RegisterActivity(r)
	return env
}

func TestARetrievalSavesWhatWasPinned(t *testing.T) {
	t.Parallel()
	r := &retriever{}
	env := newRetrieval(r)
	env.ExecuteWorkflow("RetrieveFeatures", json.RawMessage(stagedJSON))
	require.NoError(t, env.GetWorkflowError())
	var result workflows.RetrieveResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, workflows.RetrieveResult{Workspace: "prod", Dataset: "training", Generation: 3, Shares: 1, Joined: 1, JoinedRows: 12,
		Saved: activities.Saved{Rows: 12, Bytes: 345, Digest: "d", Table: "datasets/prod/training/1/table"}}, result)
	require.Len(t, r.saves, 1)
	require.Equal(t, int64(7), r.saves[0].Plan.Views[0].Version)
	require.Equal(t, "datasets/prod/training/1/spine.csv", r.saves[0].Staged.Spine.Key)
	require.Empty(t, r.discarded)

	progress, err := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, err)
	var seen workflows.RetrieveResult
	require.NoError(t, progress.Get(&seen))
	require.Equal(t, result, seen)
}

func TestSharesAreJoinedSomeAtATimeAndSavedInTheirOrder(t *testing.T) {
	t.Parallel()
	r := &retriever{shares: 11}
	env := newRetrieval(r)
	env.ExecuteWorkflow("RetrieveFeatures", json.RawMessage(stagedJSON))
	require.NoError(t, env.GetWorkflowError())
	var result workflows.RetrieveResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, 11, result.Joined)
	require.Equal(t, int64(132), result.JoinedRows)
	require.LessOrEqual(t, r.most, 4)
	for i, share := range r.saves[0].Shares {
		require.Equal(t, fmt.Sprint("share-", i), share.Document)
	}
}

func TestAShareThatCannotBeJoinedEndsTheOthers(t *testing.T) {
	t.Parallel()
	r := &retriever{shares: 11, onJoin: func(ctx context.Context, share int) error {
		if share == 2 {
			return broken("the spine has no column user")
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	env := newRetrieval(r)
	env.ExecuteWorkflow("RetrieveFeatures", json.RawMessage(stagedJSON))
	require.ErrorContains(t, env.GetWorkflowError(), "the spine has no column user")
	require.Equal(t, []string{"1"}, r.discarded)
	require.Empty(t, r.saves)
}

func TestARetrievalThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	r := &retriever{onJoin: func(context.Context, int) error { return broken("the spine has no column user") }}
	env := newRetrieval(r)
	env.ExecuteWorkflow("RetrieveFeatures", json.RawMessage(stagedJSON))
	require.ErrorContains(t, env.GetWorkflowError(), "the spine has no column user")
	require.Equal(t, []string{"1"}, r.discarded)
}

func TestARetrievalIsCancelled(t *testing.T) {
	t.Parallel()
	r := &retriever{onJoin: func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	env := newRetrieval(r)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
	env.ExecuteWorkflow("RetrieveFeatures", json.RawMessage(stagedJSON))
	require.ErrorContains(t, env.GetWorkflowError(), "canceled")
	require.Equal(t, []string{"1"}, r.discarded)
}

func TestARetrievalRefusesWhatWasNotStaged(t *testing.T) {
	t.Parallel()
	for input, says := range map[string]string{
		`{}`:              "input needs what POST /api/v1/datasets staged",
		`{"spine": "x"}`:  `unknown field "spine"`,
		`{"staged": "x"}`: "input: ",
	} {
		env := newRetrieval(&retriever{})
		env.ExecuteWorkflow("RetrieveFeatures", json.RawMessage(input))
		kind, text := refusal(t, env.GetWorkflowError())
		require.Equal(t, activities.ErrorInput, kind)
		require.Contains(t, text, says)
	}
}
