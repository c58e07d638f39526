package retrieve

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func playsByPage(windows ...feature.TimeWindow) feature.View {
	view := sums(windows...)
	view.AggregationSecondaryKey = "page"
	return view
}

func page(name string, hours int, value int64) tile {
	t := one(hours, value)
	t.page = name
	return t
}

func pages(names ...string) feature.Value {
	var out []feature.Value
	for _, name := range names {
		out = append(out, feature.StringValue(name))
	}
	return feature.ArrayValue(feature.String, out)
}

func TestASecondaryKeyGivesListsInTheOrderOfItsBytes(t *testing.T) {
	t.Parallel()
	got := joined(t, newTarget(t, playsByPage(trailing(2*hour), trailing(hour))), asksAt(hour, 2*hour, 3*hour, 4*hour),
		[]tile{page("b", 1, 4), page("c", 2, 8)}, []tile{page("c", 0, 1), page("a", 0, 2)})
	require.Equal(t, [][]feature.Value{
		{list(n(2), n(1)), list(n(2), n(4), n(1)), list(n(4), n(8)), list(n(8))},
		{list(n(2), n(1)), list(n(4)), list(n(8)), null},
		{pages("a", "c"), pages("a", "b", "c"), pages("b", "c"), pages("c")},
		{pages("a", "c"), pages("b"), pages("c"), null},
	}, got)
}

func TestTheListOfKeysAloneReadsNoColumns(t *testing.T) {
	t.Parallel()
	target := newTarget(t, playsByPage(trailing(2*hour)))
	j, err := newWindows(target, []int{1})
	require.NoError(t, err)
	require.Empty(t, j.columns())
	batch, keys := batchOf(asksAt(hour))
	j.begin(batch)
	addFile(t, target, j, keys, []tile{page("x", 0, 1)}, 10)
	columns, err := j.end()
	require.NoError(t, err)
	require.Equal(t, [][]feature.Value{{pages("x")}}, valuesOf(t, feature.Schema{{Type: feature.ArrayOf(feature.String)}}, columns))
}

func TestMoreSecondaryKeysThanAListTakesAreAnError(t *testing.T) {
	t.Parallel()
	target := newTarget(t, playsByPage(trailing(hour)))
	tiles := func(n int) (out []tile) {
		for i := range n {
			out = append(out, page(fmt.Sprint(i), 0, 1), page(fmt.Sprint("other ", i), 1, 1))
		}
		return out
	}
	got := joined(t, target, asksAt(hour, 2*hour), tiles(feature.MaxSecondaryKeys))
	require.Equal(t, feature.MaxSecondaryKeys, got[0][0].Len())
	require.Equal(t, feature.MaxSecondaryKeys, got[1][1].Len())

	j, err := newWindows(target, []int{0})
	require.NoError(t, err)
	batch, keys := batchOf(asksAt(2*hour, 3*hour+time.Minute))
	j.begin(batch)
	addFile(t, target, j, keys, tiles(feature.MaxSecondaryKeys+1), 1000)
	_, err = j.end()
	require.ErrorIs(t, err, ErrSecondaryKeys)
	require.EqualError(t, err, "too many values of aggregation_secondary_key: plays has more than 1000 of page in a window "+
		"for an entity at 2001-01-04T02:00:00Z. Shorten the window, or let the SQL keep fewer")
}
