package serve

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// TestVectorsOfMixedWindowsEqualANaiveComputation draws windows of every kind,
// events and edges, and gives the answer nothing but the blocks that it asks for.
func TestVectorsOfMixedWindowsEqualANaiveComputation(t *testing.T) {
	t.Parallel()
	const hour = window.Time(time.Hour / time.Microsecond)
	rapid.Check(t, func(rt *rapid.T) {
		interval := rapid.SampledFrom([]time.Duration{time.Hour, 2 * time.Hour, 15 * time.Minute}).Draw(rt, "interval")
		tiles := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(rt, label)) * interval
		}
		secondary := rapid.Bool().Draw(rt, "secondary key")
		var windows []feature.TimeWindow
		for range rapid.IntRange(1, 5).Draw(rt, "windows") {
			w := feature.TimeWindow{WindowSize: feature.Duration(tiles("size", 1, 40))}
			switch kind := rapid.SampledFrom([]string{"trailing", "offset", "far offset", "lifetime", "series"}).Draw(rt, "kind"); {
			case kind == "offset":
				w.Offset = -feature.Offset(tiles("offset", 0, 30))
			case kind == "far offset":
				w.Offset = -feature.Offset(tiles("offset", 0, 300))
			case kind == "lifetime":
				w = feature.Lifetime
			case kind == "series" && !secondary:
				w.StepSize = feature.Duration(tiles("step", 1, 50))
				w.SeriesEnd = -feature.Offset(tiles("end", 0, 10))
				w.SeriesStart = w.SeriesEnd - feature.Offset(w.WindowSize) - feature.Offset(tiles("more", 1, 120))
			}
			if !slices.Contains(windows, w) {
				windows = append(windows, w)
			}
		}
		lifetimeStart := window.Time(rapid.Int64Range(0, int64(500*hour)).Draw(rt, "lifetime start"))
		target := visitTarget(rt, interval, lifetimeStart, secondary, windows)

		var events []visit
		for range rapid.IntRange(0, 60).Draw(rt, "events") {
			e := visit{at: window.Time(rapid.Int64Range(0, int64(600*hour)).Draw(rt, "at"))}
			if rapid.IntRange(0, 3).Draw(rt, "null") > 0 {
				e.amount = new(rapid.SampledFrom([]float64{1e300, -1e300, 0.1, 1, -7, 1e-300}).Draw(rt, "amount"))
			}
			if rapid.IntRange(0, 5).Draw(rt, "no page") > 0 {
				e.page = new(rapid.Int64Range(-2, 3).Draw(rt, "page"))
			}
			events = append(events, e)
		}
		read := newTiles(target)
		for range 3 {
			edge := window.Time(rapid.Int64Range(int64(100*hour), int64(650*hour)).Draw(rt, "edge")).Floor(interval)
			got, err := read.answer(edge, cellsOf(rt, target, events, read.blocks(edge)))
			require.NoError(rt, err)
			values, present := naiveVector(events, windows, edge, lifetimeStart.Floor(interval))
			if secondary {
				values, present = naiveVectorByPage(rt, events, windows, edge, lifetimeStart.Floor(interval))
			}
			require.Equal(rt, values, got.values)
			require.Equal(rt, present, got.present)
			require.Len(rt, target.View.FeatureNames(), len(values))
		}
	})
}

func TestOnlyBlocksThatAWindowTouchesAreRead(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	edge := window.Time(1000 * day.Microseconds())
	at := func(days int) window.Time { return window.Time(int64(days) * day.Microseconds()) }
	for name, c := range map[string]struct {
		windows []feature.TimeWindow
		want    []online.Blocks
	}{
		"trailing": {[]feature.TimeWindow{feature.Trailing(feature.Duration(25 * time.Hour))}, []online.Blocks{{From: at(998), To: at(1000)}}},
		"far back": {[]feature.TimeWindow{feature.Trailing(feature.Duration(time.Hour)), {WindowSize: feature.Duration(time.Hour), Offset: feature.Offset(-500 * day)}},
			[]online.Blocks{{From: at(499), To: at(500)}, {From: at(999), To: at(1000)}}},
		"series with gaps": {[]feature.TimeWindow{{
			WindowSize: feature.Duration(time.Hour), StepSize: feature.Duration(3 * day), SeriesStart: feature.Offset(-6 * day),
		}}, []online.Blocks{{From: at(994), To: at(995)}, {From: at(997), To: at(998)}}},
		"lifetime":     {[]feature.TimeWindow{feature.Lifetime}, []online.Blocks{{From: at(7), To: at(1000)}}},
		"of the past":  {[]feature.TimeWindow{{WindowSize: feature.Duration(day), Offset: feature.Offset(-500 * day)}}, []online.Blocks{{From: at(499), To: at(500)}}},
		"none of them": {[]feature.TimeWindow{}, nil},
	} {
		target := visitTarget(t, time.Hour, at(7)+1, false, c.windows)
		require.Equal(t, c.want, newGrid(target, c.windows, edge).blocks, name)
	}
	require.Empty(t, newGrid(visitTarget(t, time.Hour, edge+1, false, []feature.TimeWindow{feature.Lifetime}), []feature.TimeWindow{feature.Lifetime}, edge).blocks,
		"before the lifetime")
}

func TestMoreRangesOfBlocksThanAReadTakesAreJoinedWhereTheyAreNearest(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	edge := window.Time(100_000 * day.Microseconds())
	var windows []feature.TimeWindow
	for i := range online.MaxBlockRanges + 2 {
		// Ten days apart, but two pairs two days.
		distance := time.Duration(10*i) * day
		if i%100 == 99 {
			distance -= 8 * day
		}
		windows = append(windows, feature.TimeWindow{WindowSize: feature.Duration(time.Hour), Offset: feature.Offset(-distance)})
	}
	blocks := newGrid(visitTarget(t, time.Hour, 0, false, windows), windows, edge).blocks
	require.Len(t, blocks, online.MaxBlockRanges)
	joined := 0
	for _, b := range blocks {
		if b.To.Sub(b.From) > day {
			require.Equal(t, 3*day, b.To.Sub(b.From))
			joined++
		}
	}
	require.Equal(t, 2, joined)
	for _, w := range windows {
		i := w.Intervals(edge, 0)[0]
		require.True(t, slices.ContainsFunc(blocks, func(b online.Blocks) bool { return b.From <= i.Start && i.End <= b.To }))
	}
}

// manyPages returns cells whose windows of an hour and a day hold so many pages each.
func manyPages(t *testing.T, ofHour, ofDay int) (*tiles, window.Time, []online.Item) {
	windows := []feature.TimeWindow{feature.Trailing(feature.Duration(time.Hour)), feature.Trailing(feature.Duration(24 * time.Hour))}
	target := visitTarget(t, time.Hour, 0, true, windows)
	edge := window.Time(48 * time.Hour.Microseconds())
	var events []visit
	for i := range int64(ofDay) {
		at := edge.Add(-24 * time.Hour)
		if i < int64(ofHour) {
			at = edge.Add(-time.Hour)
		}
		events = append(events, visit{at: at, amount: new(float64(i)), page: new(i)})
	}
	read := newTiles(target)
	return read, edge, cellsOf(t, target, events, read.blocks(edge))
}

func TestSecondaryKeysAreServedUpToTheirBound(t *testing.T) {
	t.Parallel()
	read, edge, items := manyPages(t, 7, feature.MaxSecondaryKeys)
	got, err := read.answer(edge, items)
	require.NoError(t, err)
	n := len(visitFunctions)
	require.Equal(t, 7, got.values[0].Len())
	require.Equal(t, feature.MaxSecondaryKeys, got.values[n].Len())
	require.Equal(t, 7, got.values[2*n].Len(), "the keys of the hour")
	require.Equal(t, feature.MaxSecondaryKeys, got.values[2*n+1].Len(), "those of the day")

	for name, most := range map[string]int{"one more": feature.MaxSecondaryKeys + 1, "more than all windows hold": 2*feature.MaxSecondaryKeys + 1} {
		read, edge, items := manyPages(t, 7, most)
		_, err := read.answer(edge, items)
		var answer *api.Error
		require.ErrorAs(t, err, &answer, name)
		require.Equal(t, api.FailedPrecondition, answer.Code)
		require.Equal(t, "FeatureView: visits has more than 1000 values of page in a window for these join keys, the most that are served. "+
			"Shorten the window, or let the SQL keep fewer.", answer.Message)
	}
}

func TestSecondaryKeysThatNoWindowHoldsAreNotCounted(t *testing.T) {
	t.Parallel()
	windows := []feature.TimeWindow{feature.Trailing(feature.Duration(time.Hour)), {WindowSize: feature.Duration(time.Hour), Offset: feature.Offset(-2 * time.Hour)}}
	target := visitTarget(t, time.Hour, 0, true, windows)
	edge := window.Time(48 * time.Hour.Microseconds())
	var events []visit
	for i := range int64(3 * feature.MaxSecondaryKeys) {
		events = append(events, visit{at: edge.Add(-2 * time.Hour), page: new(i)})
	}
	read := newTiles(target)
	got, err := read.answer(edge, cellsOf(t, target, events, read.blocks(edge)))
	require.NoError(t, err)
	require.NotContains(t, got.present, true)
	require.Equal(t, make([]feature.Value, len(target.View.FeatureNames())), got.values)
}

func TestDamagedKeyedCellsAreErrors(t *testing.T) {
	t.Parallel()
	read, edge, items := manyPages(t, 1, 3)
	whole := items[0].Cell.Value
	for n := range whole {
		items[0].Cell.Value = whole[:n]
		if got, err := read.answer(edge, items); err == nil { // cut between two keys, or before the first
			require.Less(t, got.values[len(visitFunctions)].Len(), 3, "%d bytes", n)
		} else {
			require.ErrorIs(t, err, online.ErrDamaged, "%d bytes", n)
		}
	}
	plain, err := online.AppendTiles(nil, nil)
	require.NoError(t, err)
	odd, err := online.AppendKeyedTiles(nil, []online.KeyedTiles{{Key: []byte("odd"), Tiles: tilesValue(t, read.target, map[uint32][]visit{23: {{}}})}})
	require.NoError(t, err)
	for name, value := range map[string][]byte{"plain tiles": plain, "a key that is none": odd} {
		items[0].Cell.Value = value
		_, err := read.answer(edge, items)
		require.ErrorIs(t, err, online.ErrDamaged, name)
	}
}

func TestNullCountsOfASeriesBecomeZeros(t *testing.T) {
	list := func(values ...feature.Value) feature.Value { return feature.ArrayValue(feature.Int64, values) }
	zero, one := feature.Int64Value(0), feature.Int64Value(1)
	for _, c := range []struct {
		f        servedFeature
		in, want feature.Value
	}{
		{servedFeature{}, feature.Null, feature.Null},
		{servedFeature{count: true}, feature.Null, zero},
		{servedFeature{count: true}, one, one},
		{servedFeature{count: true, series: 2}, feature.Null, list(zero, zero)},
		{servedFeature{count: true, series: 2}, list(one, feature.Null), list(one, zero)},
	} {
		require.Equal(t, c.want, c.f.zeroForNull(c.in), fmt.Sprintf("%+v", c))
	}
}

// BenchmarkSeries answers a series of 1000 windows of 500 tiles each from 1499 tiles.
func BenchmarkSeries(b *testing.B) {
	windows := []feature.TimeWindow{{
		WindowSize: feature.Duration(500 * time.Hour), StepSize: feature.Duration(time.Hour), SeriesStart: feature.Offset(-1499 * time.Hour),
	}}
	target := visitTarget(b, time.Hour, 0, false, windows)
	edge := window.Time(1500 * time.Hour.Microseconds())
	var events []visit
	for h := range 1500 {
		events = append(events, visit{at: window.Time(int64(h) * time.Hour.Microseconds()), amount: new(float64(h))})
	}
	read := newTiles(target)
	items := cellsOf(b, target, events, read.blocks(edge))
	b.ReportAllocs()
	for b.Loop() {
		got, err := read.answer(edge, items)
		require.NoError(b, err)
		require.Equal(b, 1000, got.values[0].Len())
	}
}
