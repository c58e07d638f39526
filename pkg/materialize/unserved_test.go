package materialize_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A longer window is added to tiles that are there already and not online. What
// it needs is brought online as if its commits had asked for that.
func TestALongerWindowIsServedFromTilesThatAreThereB5(t *testing.T) {
	t.Parallel()
	events := randomEvents(seeded(20010107), 2000, span(0, 6*day))
	s := newMemoryScene(t, newView(hour, day, day), &events)
	want := newMemoryScene(t, newView(hour, day, 3*day), &events)
	for d := range 6 {
		s.commit(false, d == 5, s.build(oneDay(d)))
		want.commit(false, d >= 3, want.build(oneDay(d)))
	}
	want.apply()
	s.apply()
	s.target = newTarget(t, newView(hour, day, 3*day))
	require.Equal(t, want.target.Store(), s.target.Store(), "the tiles serve both")
	require.Zero(t, s.apply().Cells, "no commit asks for more")

	result, err := s.engine.Serve(t.Context(), s.target, s.table, nil)
	require.NoError(t, err)
	require.Positive(t, result.Cells)
	status, _ := want.status()
	require.Equal(t, status.Covered, result.Status.Covered)
	require.Equal(t, status.Watermark, result.Status.Watermark)
	require.Equal(t, blocks(want), blocks(s))
	again, err := s.engine.Serve(t.Context(), s.target, s.table, nil)
	require.NoError(t, err)
	require.Zero(t, again.Cells, "nothing new")
}

// blocks are what the cells of the online store say.
func blocks(s *scene) map[tileID]block {
	status, _ := s.status()
	out := map[tileID]block{}
	for id, cell := range readCells(s.t, s.engine.Online, s.target.CellStore(status.Epoch)) {
		out[id] = cell.block
	}
	return out
}
