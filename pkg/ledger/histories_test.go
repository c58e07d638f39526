package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/ledger"
)

func TestHistoriesAreThoseOfEachJob(t *testing.T) {
	t.Parallel()
	l := scene(t)
	all, err := l.Histories(t.Context(), workspace, view, ledger.MaxHistories)
	require.NoError(t, err)
	jobs, err := l.Jobs(t.Context(), workspace, view, ledger.MaxJobs)
	require.NoError(t, err)
	require.Len(t, all, len(jobs))
	for n, h := range all {
		want, err := l.Get(t.Context(), workspace, view, jobs[n].ID)
		require.NoError(t, err)
		require.Equal(t, want, h)
	}
	newest, err := l.Histories(t.Context(), workspace, view, 2)
	require.NoError(t, err)
	require.Equal(t, all[:2], newest)

	none, err := l.Histories(t.Context(), workspace, "other", 1)
	require.NoError(t, err)
	require.Empty(t, none)
	for _, limit := range []int{0, ledger.MaxHistories + 1} {
		_, err = l.Histories(t.Context(), workspace, view, limit)
		require.ErrorIs(t, err, ledger.ErrInvalid)
	}
}
