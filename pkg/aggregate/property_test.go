package aggregate_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// TestB9AnyGroupingOrderAndStorageGivesTheSameBits cuts events into tiles that
// are made in pieces, in any order, and put together by any way there is. A case
// is one function over one column and one kind of time window: what it finishes
// to, for each window and key, is what the oracle says of the events in it.
func TestB9AnyGroupingOrderAndStorageGivesTheSameBits(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Run("columns", func(t *testing.T) {
		for _, field := range schema {
			t.Run(field.Type.String(), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(t *rapid.T) { cases.Add(int64(checkB9(t, of(field.Name)))) })
			})
		}
		t.Run("together", func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				some := rapid.SliceOfNDistinct(rapid.SampledFrom(everything()), 1, 5, rapid.ID[feature.Aggregation])
				cases.Add(int64(checkB9(t, some.Draw(t, "aggregations"))))
			})
		})
	})
	t.Logf("B9: %d cases, seed %s", cases.Load(), seed())
	require.GreaterOrEqual(t, cases.Load(), int64(10_000))
}

// checkB9 returns the number of cases.
func checkB9(t *rapid.T, aggregations []feature.Aggregation) (cases int) {
	var columns []string
	for _, a := range aggregations {
		columns = append(columns, a.Column)
	}
	slices.Sort(columns)
	rows := drawRows(t, slices.Compact(columns)...)
	l := newLayout(aggregations...)
	table := checkTiles(t, l, rows)
	lifetimeStart := firstTile.Add(interval * time.Duration(rapid.IntRange(0, allTiles).Draw(t, "lifetime start")))
	for _, w := range drawWindows(t) {
		for _, span := range w.Intervals(edge, lifetimeStart) {
			checkWindow(t, l, table, rows, span, aggregations, w.name)
		}
		cases += len(aggregations)
	}
	return cases
}

// checkTiles returns the tiles of rows, each a group, which are the same bits
// whether made at once or in pieces.
func checkTiles(t *rapid.T, l *aggregate.Layout, rows []row) *aggregate.States {
	tiled := slices.Clone(rows)
	for i, r := range rows {
		if r.group >= 0 {
			tiled[i].group = tileOf(r.group, r.at)
		}
	}
	const groups = keys * allTiles
	atOnce := build(l, tiled, groups)
	pieced := assemble(t, l, shuffled(t, tiled), groups)
	require.Equal(t, present(atOnce), present(pieced))
	for _, g := range present(atOnce) {
		requireSame(t, atOnce.AppendEncoded(nil, int(g)), pieced.AppendEncoded(nil, int(g)), "tile %d", g)
	}
	requireSame(t, bitsOf(tiles(l, atOnce)), bitsOf(tiles(l, pieced)), "columns")
	return pieced
}

// checkWindow merges the tiles in span for each key.
func checkWindow(t *rapid.T, l *aggregate.Layout, table *aggregate.States, rows []row, span window.Interval, aggregations []feature.Aggregation, kind string) {
	states := build(l, nil, keys)
	var tiles, into []int32
	for key := range int32(keys) {
		for at := max(span.Start, firstTile); at < min(span.End, firstTile.Add(allTiles*interval)); at = at.Add(interval) {
			if tile := tileOf(key, at); table.Present(int(tile)) {
				tiles, into = append(tiles, tile), append(into, key)
			}
		}
	}
	merge(t, drawWay(t), l, states, into, table, tiles)
	for key := range int32(keys) {
		own := slices.DeleteFunc(inGroup(rows, key), func(r row) bool { return !span.Contains(r.at) })
		require.Equal(t, len(own) > 0, states.Present(int(key)), "%s, key %d", kind, key)
		for i, a := range aggregations {
			want, got := naive(a, own), states.Finish(int(key), i)
			requireSame(t, []feature.Value{want}, []feature.Value{got}, "%s of %s, %s %s, key %d", a.Function, a.Column, kind, span, key)
			if !got.IsNull() {
				require.Equal(t, l.OutputType(i), got.Type())
			}
		}
		if len(own) > 0 {
			requireSame(t, build(l, inOneGroup(own), 1).AppendEncoded(nil, 0), states.AppendEncoded(nil, int(key)), "%s %s, key %d", kind, span, key)
		}
	}
}
