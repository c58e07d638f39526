package aggregate_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSketchesBeginWhereTheyShould puts as many distinct values together as are
// just kept exactly, and some less and more.
func TestSketchesBeginWhereTheyShould(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"i", "i32", "f", "f32", "s"} {
		l := newLayout(of(column)...)
		for _, n := range []int{63, 64, 65, 255, 256, 257} {
			var values []any
			for i := range n {
				values = append(values, manyOf(typeOf(column), i))
			}
			rows := rowsOf(column, values...)
			for by := range ways {
				parts, all := build(l, rows[n/3:], 1), build(l, rows[:n/3], 1)
				mergeAll(t, by, l, all, parts)
				for i, a := range of(column) {
					require.Equal(t, naive(a, rows), all.Finish(0, i), "%s of %d values of %s", a.Function, n, column)
				}
				requireSame(t, build(l, rows, 1).AppendEncoded(nil, 0), all.AppendEncoded(nil, 0), "%d values of %s", n, column)
			}
		}
	}
}
