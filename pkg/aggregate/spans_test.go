package aggregate_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
)

// drawSegments returns states with a group for each segment, some of which are empty.
func drawSegments(t *rapid.T, l *aggregate.Layout) (*aggregate.States, []int32) {
	var rows []row
	segments := make([]int32, rapid.IntRange(1, 30).Draw(t, "segments"))
	groups := int32(0)
	for i := range segments {
		segments[i] = -1
		if rapid.IntRange(0, 3).Draw(t, "empty") > 0 {
			segments[i] = groups
			for range rapid.IntRange(1, 2).Draw(t, "rows") {
				rows = append(rows, row{group: groups, at: firstTile, values: map[string]any{"i": rapid.Int64().Draw(t, "i"), "f": rapid.Float64().Draw(t, "f")}})
			}
			groups++
		}
	}
	return build(l, rows, int(groups)), segments
}

func TestSpansHoldWhatTheirSegmentsHold(t *testing.T) {
	t.Parallel()
	l := newLayout(feature.Aggregation{Column: "i", Function: feature.Sum}, feature.Aggregation{Column: "i", Function: feature.Max},
		feature.Aggregation{Column: "f", Function: feature.Mean}, feature.Aggregation{Column: "f", Function: feature.LastN(2)})
	var spans aggregate.Spans // one for all, as its memory is kept
	rapid.Check(t, func(t *rapid.T) {
		states, segments := drawSegments(t, l)
		edge := rapid.Int32Range(0, int32(len(segments)))
		drawn := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) aggregate.Span {
			from, to := edge.Draw(t, "from"), edge.Draw(t, "to")
			return aggregate.Span{From: min(from, to), To: max(from, to)}
		}), 0, 20).Draw(t, "spans")
		groups := make([]int32, len(drawn))
		if rapid.Bool().Draw(t, "nested") {
			slices.SortFunc(drawn, func(a, b aggregate.Span) int { return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(b.From, a.From)) })
			spans.Nest(states, segments, drawn, groups)
		} else {
			var froms, tos []int32
			for _, s := range drawn {
				froms, tos = append(froms, s.From), append(tos, s.To)
			}
			slices.Sort(froms)
			slices.Sort(tos)
			for i := range drawn { // sorted, each from is still at most its to
				drawn[i] = aggregate.Span{From: froms[i], To: tos[i]}
			}
			spans.Slide(states, segments, drawn, groups)
		}
		for i, span := range drawn {
			want := l.NewStates()
			want.Grow(1)
			for _, segment := range segments[span.From:span.To] {
				if segment >= 0 {
					want.Merge(0, states, int(segment))
				}
			}
			require.Equal(t, want.Present(0), groups[i] >= 0, "span %v", span)
			if groups[i] >= 0 {
				requireSame(t, want.AppendEncoded(nil, 0), states.AppendEncoded(nil, int(groups[i])), "span %v", span)
			}
		}
	})
}

func TestSlidingTakesFewMergesForASegmentAndASpan(t *testing.T) {
	t.Parallel()
	l := newLayout(feature.Aggregation{Column: "i", Function: feature.Sum})
	const segments, length = 10_000, 700
	var rows []row
	var all []int32
	for i := range int32(segments) {
		rows, all = append(rows, row{group: i, at: firstTile, values: map[string]any{"i": int64(i)}}), append(all, i)
	}
	var sliding []aggregate.Span
	for i := range int32(segments - length) {
		sliding = append(sliding, aggregate.Span{From: i, To: i + length})
	}
	states, groups := build(l, rows, segments), make([]int32, len(sliding))
	var spans aggregate.Spans
	spans.Slide(states, all, sliding, groups)
	for i, span := range sliding {
		require.Equal(t, feature.Int64Value(length*(int64(span.From)+int64(span.To)-1)/2), states.Finish(int(groups[i]), 0))
	}
	require.Less(t, states.Len(), segments+2*len(sliding), "groups, the segments among them")
}

func TestFinishColumnIsFinishOfEach(t *testing.T) {
	t.Parallel()
	columns := 0
	for _, a := range everything() {
		rapid.Check(t, func(t *rapid.T) {
			l := newLayout(a)
			states := build(l, drawRows(t, a.Column), keys+1)
			groups := rapid.SliceOf(rapid.Int32Range(-1, keys)).Draw(t, "groups")
			builder := array.NewBuilder(memory.DefaultAllocator, arrowType(l.OutputType(0)))
			if !states.FinishColumn(builder, groups, 0) {
				require.Zero(t, builder.Len())
				return
			}
			columns++
			want := array.NewBuilder(memory.DefaultAllocator, arrowType(l.OutputType(0)))
			for _, group := range groups {
				v := feature.Null
				if group >= 0 {
					v = states.Finish(int(group), 0)
				}
				switch b := want.(type) {
				case *array.Int64Builder:
					b.AppendValues([]int64{v.Int64()}, []bool{!v.IsNull()})
				case *array.Float64Builder:
					b.AppendValues([]float64{v.Float64()}, []bool{!v.IsNull()})
				}
			}
			require.Equal(t, bitsOf([]arrow.Array{want.NewArray()}), bitsOf([]arrow.Array{builder.NewArray()}), "%s of %s", a.Function, a.Column)
		})
	}
	require.Positive(t, columns)
}
