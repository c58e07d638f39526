package materialize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

func TestGapsAreWhatIsWantedCompleteAndNotCovered(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	gaps := func(limit int) window.Set {
		found, err := s.engine.Gaps(t.Context(), s.target, start.Add(10*day), limit)
		require.NoError(t, err)
		return found
	}
	require.Equal(t, window.NewSet(span(-2*day, 9*day)), gaps(64), "from the first window to the last complete one")
	s.run(span(0, day), span(4*day, 5*day))
	require.Equal(t, window.NewSet(span(-2*day, 0), span(day, 4*day), span(5*day, 9*day)), gaps(64))
	require.Equal(t, window.NewSet(span(3*day, 4*day), span(5*day, 9*day)), gaps(5), "the newest")

	view := planned()
	view.Online, view.Offline = false, false
	nowhere := newMemoryScene(t, view, new([]event))
	_, err := nowhere.engine.Gaps(t.Context(), nowhere.target, start.Add(10*day), 64)
	require.ErrorIs(t, err, materialize.ErrRange)
}
