package aggregate_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
)

// TestB9AnyGroupingOrderAndStorageGivesTheSameBits cuts rows into pieces in any
// order and puts the pieces together by any way there is.
func TestB9AnyGroupingOrderAndStorageGivesTheSameBits(t *testing.T) {
	t.Parallel()
	all := everything()
	rapid.Check(t, func(t *rapid.T) {
		const groups = 3
		aggregations := all
		if rapid.Bool().Draw(t, "some") {
			aggregations = rapid.SliceOfN(rapid.SampledFrom(all), 1, 4).Draw(t, "aggregations")
		}
		l := newLayout(aggregations...)
		rows := drawRows(t, groups)
		straight := build(l, rows, groups)
		pieced := assemble(t, l, rapid.Permutation(rows).Draw(t, "order"), groups)

		for g := range groups {
			own := rowsOf(rows, g)
			require.Equal(t, len(own) > 0, pieced.Present(g))
			for i, a := range aggregations {
				want, got := canonical(naive(a, own)), pieced.Finish(g, i)
				require.Equal(t, want, got, "%s of %s, group %d", a.Function, a.Column, g)
				require.Equal(t, straight.Finish(g, i), got, "bits of %s of %s", a.Function, a.Column)
				if !got.IsNull() {
					require.Equal(t, l.OutputType(i), got.Type())
				}
			}
			if len(own) > 0 {
				require.Equal(t, straight.AppendEncoded(nil, g), pieced.AppendEncoded(nil, g))
			}
		}
		require.Equal(t, bitsOf(tiles(l, straight)), bitsOf(tiles(l, pieced)))
	})
}

func build(l *aggregate.Layout, rows []row, groups int) *aggregate.States {
	s := l.NewStates()
	s.Grow(groups)
	s.Add(groupsOf(rows), timesOf(groupsOf(rows)), arrays(l, rows))
	return s
}

// assemble adds pieces of rows, in order, to several states and merges these.
func assemble(t *rapid.T, l *aggregate.Layout, rows []row, groups int) *aggregate.States {
	pool := []*aggregate.States{build(l, nil, groups)}
	for len(rows) > 0 {
		n := rapid.IntRange(1, len(rows)).Draw(t, "piece")
		if into := rapid.IntRange(0, len(pool)).Draw(t, "into"); into < len(pool) {
			pool[into].Add(groupsOf(rows[:n]), timesOf(groupsOf(rows[:n])), arrays(l, rows[:n]))
		} else {
			pool = append(pool, build(l, rows[:n], groups))
		}
		rows = rows[n:]
	}
	for len(pool) > 1 {
		i := rapid.IntRange(0, len(pool)-2).Draw(t, "to")
		mergeBy(t, rapid.IntRange(0, 2).Draw(t, "way"), l, pool[i], pool[len(pool)-1])
		pool = pool[:len(pool)-1]
	}
	stored := build(l, nil, groups)
	mergeBy(t, rapid.IntRange(0, 2).Draw(t, "last way"), l, stored, pool[0])
	return stored
}

func mergeBy(t require.TestingT, way int, l *aggregate.Layout, to, from *aggregate.States) {
	switch way {
	case 0:
		for g := range from.Len() {
			to.Merge(g, from, g)
		}
	case 1:
		var data []byte
		for _, g := range present(from) {
			data = from.AppendEncoded(data, int(g))
		}
		for _, g := range present(from) {
			var err error
			data, err = to.MergeEncoded(int(g), data)
			require.NoError(t, err)
		}
		require.Empty(t, data)
	case 2:
		require.NoError(t, to.MergeColumns(present(from), tiles(l, from)))
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
	var builders []array.Builder
	for _, f := range l.Fields() {
		builders = append(builders, array.NewBuilder(memory.DefaultAllocator, f.Type))
	}
	s.AppendColumns(present(s), builders)
	var out []arrow.Array
	for _, b := range builders {
		out = append(out, b.NewArray())
	}
	return out
}

// bitsOf renders columns so that values differ if their bits do.
func bitsOf(columns []arrow.Array) []string {
	var out []string
	for _, c := range columns {
		for i := range c.Len() {
			switch a := c.(type) {
			case *array.Float64:
				out = append(out, fmt.Sprintf("%t %x", a.IsNull(i), math.Float64bits(a.Value(i))))
			default:
				out = append(out, fmt.Sprintf("%t %s", c.IsNull(i), c.ValueStr(i)))
			}
		}
	}
	return out
}
