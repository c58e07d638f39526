package retrieve

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// keysOf returns the keys of a block with a column of texts and one of instants.
func keysOf(t require.TestingT, texts []string, times []window.Time) *blockKeys {
	schema := feature.Schema{{Name: "k", Type: feature.String}, {Name: "at", Type: feature.Timestamp}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	for i, text := range texts {
		require.NoError(t, record.AppendColumns(b.Fields(), []feature.Value{feature.StringValue(text), feature.TimestampValue(times[i])}))
	}
	rows := &block{}
	rows.add(b.NewRecord())
	keys, err := newBlockKeys(rows, schema[:1], []int{0}, 1)
	require.NoError(t, err)
	return keys
}

func TestEntriesAreDividedAndSortedByKeyTimeAndRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(fewEntries, 2*fewEntries)).Draw(rt, "count")
		long := rapid.Bool().Draw(rt, "long")
		random := rapid.Uint64().Draw(rt, "seed")
		texts, times := make([]string, count), make([]window.Time, count)
		for i := range texts {
			random = random*6364136223846793005 + 1442695040888963407
			number := random >> 33
			texts[i] = string([]byte{'u', byte(number % 3), byte(number / 3 % 200), byte(number / 600 % 20)})
			if long {
				texts[i] = "prefix " + texts[i][:2] + " in between " + texts[i][2:]
			}
			times[i] = window.Time(number % 7)
		}
		keys := keysOf(rt, texts, times)
		var got []int32
		for _, part := range keys.divide(rapid.IntRange(1, 5).Draw(rt, "parts")) {
			keys.sort(part)
			for _, e := range part {
				got = append(got, e.row)
			}
		}
		want := make([]int32, count)
		for i := range want {
			want[i] = int32(i)
		}
		slices.SortFunc(want, func(a, b int32) int {
			return cmp.Or(cmp.Compare(texts[a], texts[b]), cmp.Compare(times[a], times[b]), cmp.Compare(a, b))
		})
		require.True(rt, slices.Equal(want, got))
	})
}

func TestNeedsAreTheUnionOfWhatWasAdded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		count := rapid.SampledFrom([]int{0, 1, 10, 2*pendingNeeds + 10}).Draw(rt, "count")
		random := rapid.Uint64().Draw(rt, "seed")
		var got needs
		var all []window.Interval
		for range count {
			random = random*6364136223846793005 + 1442695040888963407
			start := window.Time(random >> 40 % 100_000)
			i := window.Interval{Start: start, End: start + window.Time(random>>33%20) - 2}
			got.add(i)
			all = append(all, i)
		}
		require.Equal(rt, window.NewSet(all...), got.set())
	})
}

func TestMoreNeedsThanAreHeldCoverThoseThatWereAdded(t *testing.T) {
	t.Parallel()
	var n needs
	for i := range maxNeeds + 2*pendingNeeds {
		n.add(window.Interval{Start: window.Time(2 * i), End: window.Time(2*i + 1)})
	}
	set := n.set()
	require.LessOrEqual(t, len(set), maxNeeds)
	require.Equal(t, window.Time(0), set[0].Start)
	require.Equal(t, window.Time(2*(maxNeeds+2*pendingNeeds)-1), set[len(set)-1].End)
}

func TestLatestRowsEndWhenTheirViewSaysSo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		hours := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(rt, label)) * 20 * time.Minute
		}
		view := feature.View{BatchFeatureView: feature.BatchFeatureView{
			BatchSchedule: feature.Duration(hours("schedule", 1, 10)), TTL: feature.Duration(hours("ttl", 0, 20)),
			Schema: feature.Schema{{Name: "n", Type: feature.Int64}},
		}}
		view.Sources = []feature.Source{{}}
		view.Sources[0].BatchConfig.DataDelay = feature.Duration(hours("delay", 0, 10))
		target, err := materialize.NewTarget("test", 1, view)
		require.NoError(rt, err)
		l := newLatest(target, []int{0})
		row, at := window.Time(0).Add(hours("row", -100, 100)), window.Time(0).Add(hours("at", -100, 100))
		expires, ends := view.Expires(row)
		require.Equal(rt, ends && expires <= at, l.expired(row, l.edge(at)))
		require.Equal(rt, view.CompleteEnd(at), l.edge(at))
		require.Equal(rt, view.Effective(row) <= at, row < l.edge(at))
		if lives := row < l.edge(at) && !l.expired(row, l.edge(at)) && row >= l.start; lives {
			require.True(rt, l.needs(at).Contains(row))
		}
	})
}

func TestFilesStayOpenWhileThereIsMemory(t *testing.T) {
	t.Parallel()
	rows, all := openFiles(512<<20, 30, 5)
	require.Equal(t, wideRecordRows, rows)
	require.True(t, all)
	rows, all = openFiles(64<<20, 30, 5)
	require.Equal(t, narrowRecordRows, rows)
	require.True(t, all)
	_, all = openFiles(64<<20, 400, 5)
	require.False(t, all)
}
