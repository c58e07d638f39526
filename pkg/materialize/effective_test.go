package materialize_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/window"
)

// drawTarget returns a view of any schedule, tile length and delay.
func drawTarget(rt *rapid.T) *materialize.Target {
	schedule := rapid.SampledFrom([]time.Duration{time.Minute, 15 * time.Minute, hour, 6 * hour, day, 7 * day}).Draw(rt, "schedule")
	parts := rapid.SampledFrom([]time.Duration{1, 2, 3, 4, 6, 12}).Draw(rt, "tiles in a window")
	v := newView(schedule/parts, schedule)
	for range rapid.IntRange(1, 3).Draw(rt, "sources") {
		delay := time.Duration(rapid.Int64Range(0, int64(3*schedule/time.Second)).Draw(rt, "delay in seconds")) * time.Second
		source := v.Sources[0]
		source.BatchConfig.DataDelay = feature.Duration(delay)
		v.Sources = append(v.Sources, source)
	}
	return &materialize.Target{View: v}
}

// around draws instants near the boundaries of a schedule, on both sides of 1970.
func around(rt *rapid.T, step time.Duration, label string) window.Time {
	boundary := window.Time(0).Add(time.Duration(rapid.Int64Range(-50, 50).Draw(rt, label)) * step)
	return boundary + window.Time(rapid.OneOf(
		rapid.Int64Range(-1, 1), rapid.Int64Range(0, step.Microseconds()),
	).Draw(rt, label+" off"))
}

// E(t) is the end of the newest window that is complete at t.
func TestATileIsEffectiveAtAnInstantIfAndOnlyIfItEndsByTheEdgeThen_B10(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		target := drawTarget(rt)
		v := target.View
		tileEnd := around(rt, v.Schedule(), "tile").Ceil(v.Interval())
		effective := target.View.Effective(tileEnd - 1)
		for _, at := range []window.Time{
			around(rt, v.Schedule(), "t").Add(v.DataDelay()), effective - 1, effective, effective + 1,
		} {
			require.Equal(rt, tileEnd <= v.CompleteEnd(at), effective <= at,
				"schedule %v, delay %v: a tile that ends at %v, at %v", v.Schedule(), v.DataDelay(), tileEnd, at)
		}
	})
}

func TestARowIsEffectiveAtAnInstantIfAndOnlyIfItLiesBeforeTheEdgeThen_B10(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		target := drawTarget(rt)
		v := target.View
		row := around(rt, v.Schedule(), "row")
		effective := target.View.Effective(row)
		for _, at := range []window.Time{
			around(rt, v.Schedule(), "t").Add(v.DataDelay()), effective - 1, effective, effective + 1,
		} {
			require.Equal(rt, row < v.CompleteEnd(at), effective <= at,
				"schedule %v, delay %v: a row of %v, at %v", v.Schedule(), v.DataDelay(), row, at)
		}
	})
}

// What a batch aggregate is served with is a spine time that gives the same edge,
// and the earliest.
func TestTheServedEffectiveTimeIsASpineTimeOfTheSameEdge_B10(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		target := drawTarget(rt)
		v := target.View
		edge := around(rt, v.Schedule(), "edge").Floor(v.Schedule())
		effective := edge.Add(v.DataDelay())
		require.Equal(rt, edge, v.CompleteEnd(effective))
		require.Less(rt, v.CompleteEnd(effective-1), edge)
		require.Equal(rt, effective, target.View.Effective(edge-1), "of the last tile before the edge")
	})
}
