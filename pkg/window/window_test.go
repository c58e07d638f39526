package window_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/window"
)

func TestFloorRoundsTowardThePastOnBothSidesOfTheEpoch(t *testing.T) {
	require.Equal(t, window.Time(0), window.Time(1).Floor(time.Hour))
	require.Equal(t, window.Time(-3600e6), window.Time(-1).Floor(time.Hour))
	require.Equal(t, window.Time(-3600e6), window.Time(-3600e6).Floor(time.Hour))
	require.Equal(t, window.Time(3600e6), window.Time(1).Ceil(time.Hour))
	require.Equal(t, window.Time(0), window.Time(0).Ceil(time.Hour))
}

func TestParse(t *testing.T) {
	want := window.FromTime(time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC))
	for _, text := range []string{"2001-02-03", "2001-02-03T00:00:00Z", "2001-02-03 00:00:00", "2001-02-03T00:00", "2001-02-03T02:00:00+02:00"} {
		got, err := window.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "yesterday", "2001-13-01", "0000-01-01", "981158400"} {
		_, err := window.Parse(text)
		require.ErrorContains(t, err, text)
	}
}

func TestIntervalJSON(t *testing.T) {
	in := window.Interval{Start: window.Time(-1), End: window.Time(1)}
	data, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, `{"start":"1969-12-31T23:59:59.999999Z","end":"1970-01-01T00:00:00.000001Z"}`, string(data))
	var out window.Interval
	require.NoError(t, json.Unmarshal(data, &out))
	require.Equal(t, in, out)
}

func TestSplit(t *testing.T) {
	day := window.Interval{Start: 0, End: window.Time(86400e6)}
	parts := day.Split(6 * time.Hour)
	require.Len(t, parts, 4)
	require.Equal(t, window.NewSet(day), window.NewSet(parts...))
	require.Panics(t, func() { window.Interval{Start: 1, End: 2}.Split(time.Hour) })
}

func TestLatestCountsBackOverGaps(t *testing.T) {
	hours := func(from, to int) window.Interval {
		return window.Interval{Start: window.Time(from * 3600e6), End: window.Time(to * 3600e6)}
	}
	s := window.NewSet(hours(0, 3), hours(5, 6), hours(8, 10))
	require.Equal(t, 6, s.Count(time.Hour))
	require.Empty(t, s.Latest(time.Hour, 0))
	require.Equal(t, window.NewSet(hours(9, 10)), s.Latest(time.Hour, 1))
	require.Equal(t, window.NewSet(hours(8, 10)), s.Latest(time.Hour, 2))
	require.Equal(t, window.NewSet(hours(2, 3), hours(5, 6), hours(8, 10)), s.Latest(time.Hour, 4))
	require.Equal(t, s, s.Latest(time.Hour, 6))
	require.Equal(t, s, s.Latest(time.Hour, 1000))
}

// TestSetEqualsTheNaiveSet compares every operation with a set of integers.
func TestSetEqualsTheNaiveSet(t *testing.T) {
	const span = 40
	draw := func(rt *rapid.T, label string) ([]window.Interval, [span]bool) {
		var naive [span]bool
		var out []window.Interval
		for range rapid.IntRange(0, 6).Draw(rt, label) {
			a, b := rapid.IntRange(0, span).Draw(rt, "a"), rapid.IntRange(0, span).Draw(rt, "b")
			out = append(out, window.Interval{Start: window.Time(a), End: window.Time(b)})
			for i := a; i < b; i++ {
				naive[i] = true
			}
		}
		return out, naive
	}
	same := func(rt *rapid.T, s window.Set, want func(i int) bool) {
		for n, i := range s {
			require.False(rt, i.Empty())
			require.True(rt, n == 0 || s[n-1].End < i.Start, "touching or out of order: %v", s)
		}
		for i := range span {
			require.Equal(rt, want(i), s.Overlaps(window.Interval{Start: window.Time(i), End: window.Time(i + 1)}), "%d in %v", i, s)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		is, a := draw(rt, "a")
		js, b := draw(rt, "b")
		s, o := window.NewSet(is...), window.NewSet(js...)
		same(rt, s, func(i int) bool { return a[i] })
		same(rt, s.Union(o), func(i int) bool { return a[i] || b[i] })
		same(rt, s.Subtract(o), func(i int) bool { return a[i] && !b[i] })
		same(rt, s.Intersect(o), func(i int) bool { return a[i] && b[i] })

		step, length := rapid.IntRange(1, 5).Draw(rt, "step"), rapid.IntRange(0, 3).Draw(rt, "length")
		same(rt, s.Widen(time.Duration(step)*time.Microsecond), func(i int) bool {
			from := i / step * step
			return slices.Contains(a[from:min(from+step, span)], true)
		})
		// A window of a length before the edge, and sometimes one from a fixed time on.
		from := window.Time(rapid.OneOf(rapid.Just(span), rapid.IntRange(0, span)).Draw(rt, "from"))
		start := func(edge window.Time) window.Time { return min(edge-window.Time(step*length), max(from, 0)) }
		got, ok := s.Watermark(time.Duration(step)*time.Microsecond, start)
		want, found := window.Time(0), false
		for e := 0; e <= span; e += step {
			first := min(int(start(window.Time(e))), e-step)
			whole := first >= 0
			for i := first; whole && i < e; i++ {
				whole = a[i]
			}
			if whole {
				want, found = window.Time(e), true
			}
		}
		require.Equal(rt, found, ok)
		if found {
			require.Equal(rt, want, got)
		}
	})
}
