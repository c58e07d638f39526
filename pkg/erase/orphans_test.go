package erase_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/erase"
	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/window"
)

// job records what became of a deletion's job.
func (s *scene) job(staged erase.Staged, states ...ledger.State) {
	s.t.Helper()
	job := ledger.Job{Workspace: "prod", View: "spending", ID: staged.ID, Type: ledger.Deletion, CreatedAt: window.FromTime(staged.StagedAt)}
	for i, state := range states {
		err := s.engine.Views.Ledger.Append(s.t.Context(), job, ledger.Record{Entry: ledger.Entry{Number: i + 1, State: state}, At: job.CreatedAt})
		require.NoError(s.t, err)
	}
}

// An attempt to plan that was given up may put the fence after the cancellation has
// lifted it. Any other fence is somebody's.
func TestSweepRemovesTheFencesOfCancelledDeletions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		states    []ledger.State
		keys      bool // are still staged
		receipt   bool
		young     bool
		hasOrphan bool
	}{
		"cancelled":                   {states: []ledger.State{ledger.Running, ledger.Cancelled}, hasOrphan: true},
		"cancelled a moment ago":      {states: []ledger.State{ledger.Running, ledger.Cancelled}, young: true},
		"cancelled, its keys stay":    {states: []ledger.State{ledger.Running, ledger.Cancelled}, keys: true},
		"cancelled, reset, then done": {states: []ledger.State{ledger.Running, ledger.Cancelled}, receipt: true},
		"under way":                   {states: []ledger.State{ledger.Running}},
		"asked to end":                {states: []ledger.State{ledger.Running, ledger.CancelRequested}},
		"failed, perhaps half done":   {states: []ledger.State{ledger.Running, ledger.Error}},
		"done":                        {states: []ledger.State{ledger.Running, ledger.Success}, receipt: true},
		"not recorded":                {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, rowsByID, nil)
			s.define("one")
			until := start.Add(day)
			staged := s.stage(erase.Request{Online: true, Offline: true, Forget: &until}, 1)
			d := s.plan(staged)
			s.job(staged, c.states...)
			switch {
			case c.receipt:
				_, err := s.engine.Finish(t.Context(), staged, d.plan, "job", d.results, nil)
				require.NoError(t, err)
			case !c.keys:
				require.NoError(t, s.engine.Discard(t.Context(), staged))
			}
			before := time.Now().Add(time.Hour)
			if c.keys { // of a sweep that does not remove them
				s.ahead.Store(-int64(2 * time.Hour))
			}
			if c.young {
				before = time.Now().Add(-time.Hour)
			}
			_, err := s.engine.Sweep(t.Context(), "prod", before)
			require.NoError(t, err)
			fences, err := s.engine.Fences.List(t.Context(), "prod", "spending")
			require.NoError(t, err)
			require.Equal(t, c.hasOrphan, len(fences) == 0)
		})
	}
}
