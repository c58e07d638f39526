package materialize

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

func TestKeysAreNumberedAsTheyComeAndSortedByTheirBytes(t *testing.T) {
	k := newKeyTable()
	rapid.Check(t, func(rt *rapid.T) {
		k.reset()
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(rt, "prefix")
		numbers := map[string]int32{}
		for _, suffix := range rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 10), 0, 50).Draw(rt, "suffixes") {
			key := append(bytes.Clone(prefix), suffix...)
			if _, known := numbers[string(key)]; !known {
				numbers[string(key)] = int32(len(numbers))
			}
			require.Equal(rt, numbers[string(key)], k.find(key))
		}
		require.Equal(rt, len(numbers), k.len())
		var sorted []string
		for _, number := range k.sorted() {
			sorted = append(sorted, string(k.key(number)))
		}
		require.Equal(rt, slices.Sorted(maps.Keys(numbers)), sorted)
	})
}

func TestAKeyTableGrowsPastItsSlots(t *testing.T) {
	k := newKeyTable()
	for round := range 2 {
		for i := range 5 * minKeySlots {
			require.Equal(t, int32(i), k.find(fmt.Append(nil, i)))
		}
		require.Equal(t, int32(7), k.find([]byte("7")), "round %d", round)
		k.reset()
	}
}

func TestGroupsAreThePairsOfKeyAndTile(t *testing.T) {
	g := &groupTable{}
	rapid.Check(t, func(rt *rapid.T) {
		tiles := rapid.IntRange(1, 200).Draw(rt, "tiles")
		g.reset(tiles)
		numbers := map[[2]int32]int32{}
		keys := int32(0)
		for range rapid.IntRange(0, 100).Draw(rt, "rows") {
			pair := [2]int32{rapid.Int32Range(0, keys).Draw(rt, "key"), rapid.Int32Range(0, int32(tiles)-1).Draw(rt, "tile")}
			keys = max(keys, pair[0]+1)
			if _, known := numbers[pair]; !known {
				numbers[pair] = int32(len(numbers))
			}
			require.Equal(rt, numbers[pair], g.find(pair[0], pair[1]))
		}
		require.Equal(rt, len(numbers), g.numbered)
		from := rapid.Int32Range(0, int32(tiles)).Draw(rt, "from")
		to := rapid.Int32Range(from, int32(tiles)).Draw(rt, "to")
		for key := range keys {
			var want []keyTile
			for tile := from; tile < to; tile++ {
				if group, ok := numbers[[2]int32{key, tile}]; ok {
					want = append(want, keyTile{tile, group})
				}
			}
			require.Equal(rt, want, g.appendTiles(nil, key, from, to))
		}
	})
}

// TestFoldingARowAllocatesNothing counts over records whose keys and tiles were
// seen before: what is left are a few slices for a record.
func TestFoldingARowAllocatesNothing(t *testing.T) {
	const rows = 4096
	schema := feature.Schema{{Name: "user", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}, {Name: "n", Type: feature.Int64}, {Name: "x", Type: feature.Float64}}
	view := feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: "v"}, TimestampField: "ts", Schema: schema,
			AggregationInterval: feature.Duration(time.Hour), BatchSchedule: feature.Duration(24 * time.Hour),
			Aggregations: []feature.Aggregation{
				{Column: "n", Function: feature.Sum, TimeWindow: feature.Duration(time.Hour)}, {Column: "n", Function: feature.Max, TimeWindow: feature.Duration(time.Hour)},
				{Column: "x", Function: feature.Mean, TimeWindow: feature.Duration(time.Hour)},
			},
		},
		Entities: []feature.Entity{{JoinKeys: schema[:1]}},
	}
	target, err := NewTarget("w", 1, view)
	require.NoError(t, err)
	out := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	defer out.Release()
	for i := range rows {
		out.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("user-%d", i%100))
		out.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(time.Duration(i%24) * time.Hour / time.Microsecond))
		out.Field(2).(*array.Int64Builder).Append(int64(i))
		out.Field(3).(*array.Float64Builder).Append(float64(i) / 10)
	}
	rec := out.NewRecord()
	defer rec.Release()
	b := newBuilder(target, 64<<20)
	require.NoError(t, b.reset(window.Interval{Start: 0, End: window.Time(24 * time.Hour / time.Microsecond)}))
	require.NoError(t, b.add(rec))
	allocations := testing.AllocsPerRun(10, func() {
		if err := b.add(rec); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, allocations, 20.0, "for %d rows", rows)
}
