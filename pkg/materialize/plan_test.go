package materialize_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

// planned is a view whose first window starts two days before start, as its
// longest window does, and whose data is complete six hours late.
func planned() feature.View {
	v := newView(hour, day, day)
	v.Sources[0].BatchConfig.DataDelay = feature.Duration(6 * hour)
	return v
}

func TestPlanWithoutARangeIsAllThatIsComplete(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	for now, end := range map[time.Duration]time.Duration{
		2*day + 6*hour:     2 * day,
		2*day + 6*hour - 1: day, // a microsecond short
		3*day + 5*hour:     2 * day,
	} {
		p, err := s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{}, start.Add(now))
		require.NoError(t, err)
		require.Equal(t, materialize.Plan{Range: span(-2*day, end), Online: true, OnlineFrom: start.Add(end - day)}, p, "now %v", now)
	}
}

func TestPlanTakesTheRangeAndTheStoresAskedFor(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	now := start.Add(10 * day)
	p, err := s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{Start: ptr(start), Online: ptr(false), Offline: ptr(true)}, now)
	require.NoError(t, err)
	require.Equal(t, materialize.Plan{Range: span(0, 9*day)}, p)
	p, err = s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{End: ptr(start)}, now)
	require.NoError(t, err)
	require.Equal(t, materialize.Plan{Range: span(-2*day, 0), Online: true, OnlineFrom: start.Add(8 * day)}, p, "the range is not what serving needs")
	p, err = s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{End: ptr(start), Online: ptr(true)}, now)
	require.NoError(t, err)
	require.Equal(t, materialize.Plan{Range: span(-2*day, 0), Online: true, OnlineFrom: start.Add(-2 * day)}, p, "but it is asked for by name")
}

func TestPlanRefusesRangesAndSaysWhatWouldDo(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	for _, c := range []struct {
		name       string
		start, end time.Duration
		now        time.Duration
		text       string
	}{
		{"empty", day, day, 10 * day, "the end is not after the start"},
		{"turned round", 2 * day, day, 10 * day, "the end is not after the start"},
		{"unaligned start", hour, 2 * day, 10 * day, "multiples of the batch schedule 1d, for instance [2001-01-04T00:00:00Z, 2001-01-06T00:00:00Z)"},
		{"unaligned end", 0, 2*day + 1000, 10 * day, "for instance [2001-01-04T00:00:00Z, 2001-01-07T00:00:00Z)"},
		{"unaligned in the last complete day", 8*day + hour, 9*day + hour, 10 * day, "for instance [2001-01-12T00:00:00Z, 2001-01-13T00:00:00Z)"},
		{"unaligned before the start", -2*day - hour, 0, 10 * day, "for instance [2001-01-02T00:00:00Z, 2001-01-04T00:00:00Z)"},
		{"unaligned and all in the future", 20*day + hour, 21 * day, 10 * day, "for instance [2001-01-02T00:00:00Z, 2001-01-13T00:00:00Z)"},
		{"before the start", -3 * day, 0, 10 * day, "the view starts at 2001-01-02T00:00:00Z"},
		{"future end", 0, 10 * day, 10 * day, "data is complete up to 2001-01-13T00:00:00Z (now is 2001-01-14T00:00:00Z)"},
		{"nothing complete", -2 * day, -day, -2 * day, "no window is complete yet: the view starts at 2001-01-02T00:00:00Z"},
	} {
		_, err := s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{Start: ptr(start.Add(c.start)), End: ptr(start.Add(c.end))}, start.Add(c.now))
		require.ErrorIs(t, err, materialize.ErrRange, c.name)
		require.ErrorContains(t, err, c.text, c.name)
	}
}

func TestPlanRefusesWhatIsCoveredUnlessOverwriteIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newMemoryScene(t, planned(), new([]event))
	now := start.Add(30 * day)
	s.commit(false, true, s.build(span(day, 2*day)))
	request := materialize.PlanRequest{Start: ptr(start), End: ptr(start.Add(2 * day))}
	_, err := s.engine.Plan(t.Context(), s.target, request, now)
	require.ErrorIs(t, err, materialize.ErrOverlap)
	require.ErrorContains(t, err, "[[2001-01-05T00:00:00Z, 2001-01-06T00:00:00Z)] of")

	request.Overwrite = true
	p, err := s.engine.Plan(t.Context(), s.target, request, now)
	require.NoError(t, err)
	require.Equal(t, span(0, 2*day), p.Range)

	request = materialize.PlanRequest{Start: ptr(start), End: ptr(start.Add(day))}
	_, err = s.engine.Plan(t.Context(), s.target, request, now)
	require.NoError(t, err, "touching is not overlapping")

	for d := time.Duration(3); d < 16; d += 2 {
		s.commit(false, true, s.build(span(d*day, (d+1)*day)))
	}
	_, err = s.engine.Plan(t.Context(), s.target, materialize.PlanRequest{}, now)
	require.ErrorContains(t, err, "and 3 more")
}

func TestPlanRefusesStoresThatTheViewDoesNotHave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		online, offline bool
		request         materialize.PlanRequest
		text            string
	}{
		"online of an offline view":   {false, true, materialize.PlanRequest{Online: ptr(true)}, "view spending has online: false"},
		"without the offline store":   {true, true, materialize.PlanRequest{Offline: ptr(false)}, "offline cannot be false"},
		"a view without any store":    {false, false, materialize.PlanRequest{}, "no store to materialize to"},
		"a range that is bad as well": {false, false, materialize.PlanRequest{End: new(window.Time)}, "no store to materialize to"},
	} {
		view := planned()
		view.Online, view.Offline = c.online, c.offline
		s := newMemoryScene(t, view, new([]event))
		_, err := s.engine.Plan(t.Context(), s.target, c.request, start.Add(10*day))
		require.ErrorIs(t, err, materialize.ErrRange, name)
		require.ErrorContains(t, err, c.text, name)
	}
}
