package aggregate_test

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
)

func build(l *aggregate.Layout, rows []row, groups int) *aggregate.States {
	s := l.NewStates()
	s.Grow(groups)
	s.Add(groupsOf(rows), timesOf(rows), arrays(l, rows))
	return s
}

// assemble adds pieces of rows, in order, to several states and merges these.
func assemble(t *rapid.T, l *aggregate.Layout, rows []row, groups int) *aggregate.States {
	pool := []*aggregate.States{build(l, nil, groups)}
	for len(rows) > 0 {
		n := rapid.IntRange(1, len(rows)).Draw(t, "piece")
		if into := rapid.IntRange(0, len(pool)).Draw(t, "into"); into < len(pool) {
			pool[into].Add(groupsOf(rows[:n]), timesOf(rows[:n]), arrays(l, rows[:n]))
		} else {
			pool = append(pool, build(l, rows[:n], groups))
		}
		rows = rows[n:]
	}
	for len(pool) > 1 {
		i := rapid.IntRange(0, len(pool)-2).Draw(t, "to")
		mergeAll(t, drawWay(t), l, pool[i], pool[len(pool)-1])
		pool = pool[:len(pool)-1]
	}
	stored := build(l, nil, groups)
	mergeAll(t, drawWay(t), l, stored, pool[0])
	return stored
}

// way is how one state comes into another.
type way int

const (
	merged way = iota
	encoded
	stored
	ways
)

func drawWay(t *rapid.T) way { return way(rapid.IntRange(0, int(ways)-1).Draw(t, "way")) }

// mergeAll merges each group of from into the same group of to.
func mergeAll(t require.TestingT, by way, l *aggregate.Layout, to, from *aggregate.States) {
	groups := present(from)
	merge(t, by, l, to, groups, from, groups)
}

// merge merges each of fromGroups, all present, into the one of groups that has its place.
func merge(t require.TestingT, by way, l *aggregate.Layout, to *aggregate.States, groups []int32, from *aggregate.States, fromGroups []int32) {
	switch by {
	case merged:
		for i, g := range groups {
			to.Merge(int(g), from, int(fromGroups[i]))
		}
	case encoded:
		var data []byte
		for _, g := range fromGroups {
			data = from.AppendEncoded(data, int(g))
		}
		for _, g := range groups {
			var err error
			data, err = to.MergeEncoded(int(g), data)
			require.NoError(t, err)
		}
		require.Empty(t, data)
	case stored:
		require.NoError(t, to.MergeColumns(groups, columnsOfGroups(l, from, fromGroups)))
	}
}

func present(s *aggregate.States) (groups []int32) {
	for g := range s.Len() {
		if s.Present(g) {
			groups = append(groups, int32(g))
		}
	}
	return groups
}

// tiles are the columns of the groups that are present.
func tiles(l *aggregate.Layout, s *aggregate.States) []arrow.Array {
	return columnsOfGroups(l, s, present(s))
}

func columnsOfGroups(l *aggregate.Layout, s *aggregate.States, groups []int32) []arrow.Array {
	var builders []array.Builder
	for _, f := range l.Fields() {
		builders = append(builders, array.NewBuilder(memory.DefaultAllocator, f.Type))
	}
	s.AppendColumns(groups, builders)
	var out []arrow.Array
	for _, b := range builders {
		out = append(out, b.NewArray())
	}
	return out
}

// bitsOf renders columns so that values differ if their bits do.
func bitsOf(columns []arrow.Array) (out []string) {
	for _, c := range columns {
		for i := range c.Len() {
			out = append(out, bitsAt(c, i))
		}
	}
	return out
}

func bitsAt(column arrow.Array, i int) string {
	if column.IsNull(i) {
		return "null"
	}
	switch a := column.(type) {
	case *array.Float64:
		return fmt.Sprintf("%x", math.Float64bits(a.Value(i)))
	case *array.Float32:
		return fmt.Sprintf("%x", math.Float32bits(a.Value(i)))
	case *array.String:
		return fmt.Sprintf("%q", a.Value(i))
	case *array.List:
		start, end := a.ValueOffsets(i)
		return fmt.Sprint(bitsOf([]arrow.Array{array.NewSlice(a.ListValues(), start, end)}))
	}
	return column.ValueStr(i)
}

// requireSame fails when want and got differ. It names the first difference only:
// a diff of large states takes minutes, and rapid would make one for each attempt
// to shrink them.
func requireSame[T comparable](t require.TestingT, want, got []T, format string, args ...any) {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			require.Fail(t, "not the same", "%s: lengths %d and %d, from %d on\nwant %s\ngot  %s", fmt.Sprintf(format, args...),
				len(want), len(got), i, clipped(want, i), clipped(got, i))
		}
	}
}

// clipped renders some values from the i-th on.
func clipped[T any](values []T, i int) string {
	text := fmt.Sprint(values[min(i, len(values)):min(i+10, len(values))])
	return text[:min(len(text), 300)]
}

// shuffled returns rows in another order.
func shuffled[T any](t *rapid.T, values []T) []T {
	out := slices.Clone(values)
	random(rapid.Uint64().Draw(t, "order")).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
