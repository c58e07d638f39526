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
	"github.com/tilery/tilery/pkg/internal/spill"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// numbersOf looks keys up together.
func numbersOf(k *keyTable, keys ...[]byte) []int32 {
	var batch keyBatch
	for _, key := range keys {
		batch.text = append(batch.text, key...)
		batch.ends = append(batch.ends, int32(len(batch.text)))
	}
	return k.findAll(nil, &batch)
}

func TestKeysAreNumberedAsTheyComeAndSortedByTheirBytes(t *testing.T) {
	k := newKeyTable()
	rapid.Check(t, func(rt *rapid.T) {
		k.reset()
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(rt, "prefix")
		numbers := map[string]int32{}
		for _, suffixes := range rapid.SliceOfN(rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 10), 1, 10), 0, 10).Draw(rt, "batches") {
			var keys [][]byte
			var want []int32
			for _, suffix := range suffixes {
				key := append(bytes.Clone(prefix), suffix...)
				if _, known := numbers[string(key)]; !known {
					numbers[string(key)] = int32(len(numbers))
				}
				keys, want = append(keys, key), append(want, numbers[string(key)])
			}
			require.Equal(rt, want, numbersOf(k, keys...))
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
			require.Equal(t, []int32{int32(i)}, numbersOf(k, fmt.Append(nil, i)))
		}
		require.Equal(t, []int32{7}, numbersOf(k, []byte("7")), "round %d", round)
		k.reset()
	}
}

func TestKeysOfOneHashAreToldApart(t *testing.T) {
	k := newKeyTable()
	for i := range int32(100) {
		require.Equal(t, i, k.find(fmt.Append(nil, i), 7))
	}
	for i := range int32(100) {
		require.Equal(t, i, k.find(fmt.Append(nil, i), 7))
	}
}

func TestGroupsArePairsOfKeyAndTileAndComeInTheirOrder(t *testing.T) {
	g, o := &groupTable{}, &groupOrder{}
	rapid.Check(t, func(rt *rapid.T) {
		tiles := rapid.OneOf(rapid.IntRange(1, 200), rapid.IntRange(1, 5<<digitBits)).Draw(rt, "tiles")
		g.reset(tiles)
		numbers := map[keyTile]int32{}
		count := int32(0) // of keys
		for range rapid.IntRange(0, 10).Draw(rt, "batches") {
			var keys, tilesOf, want []int32
			for range rapid.IntRange(1, 20).Draw(rt, "rows") {
				pair := keyTile{rapid.Int32Range(0, count).Draw(rt, "key"), rapid.Int32Range(0, int32(tiles)-1).Draw(rt, "tile")}
				count = max(count, pair.key+1)
				if _, known := numbers[pair]; !known {
					numbers[pair] = int32(len(numbers))
				}
				keys, tilesOf, want = append(keys, pair.key), append(tilesOf, pair.tile), append(want, numbers[pair])
			}
			require.Equal(rt, want, g.findAll(nil, keys, tilesOf))
		}
		require.Equal(rt, len(numbers), g.len())
		found := map[keyTile]int32{}
		for key := range count + 1 { // of the last there is none
			last := int32(-1)
			for tile, group := range g.of(key) {
				require.Less(rt, last, tile, "tiles ascend")
				require.Equal(rt, group, g.find(key, tile))
				found[keyTile{key, tile}], last = group, tile
			}
		}
		require.Equal(rt, numbers, found)

		var sorted []int32
		for key := range count {
			sorted = append(sorted, key)
		}
		sorted = rapid.Permutation(sorted).Draw(rt, "keys in their order")
		o.begin(g.pairs, tiles, sorted)
		for range 2 {
			from := rapid.Int32Range(0, int32(tiles)).Draw(rt, "from")
			to := rapid.Int32Range(from, int32(tiles)).Draw(rt, "to")
			var want []int32
			for _, key := range sorted {
				for tile := from; tile < to; tile++ {
					if group, ok := numbers[keyTile{key, tile}]; ok {
						want = append(want, group)
					}
				}
			}
			require.Equal(rt, want, append([]int32(nil), o.within(from, to)...))
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
				{Column: "n", Function: feature.Sum, TimeWindow: feature.Trailing(feature.Duration(time.Hour))}, {Column: "n", Function: feature.Max, TimeWindow: feature.Trailing(feature.Duration(time.Hour))},
				{Column: "x", Function: feature.Mean, TimeWindow: feature.Trailing(feature.Duration(time.Hour))},
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
	b := newBuilder(target, 64<<20, spill.New(spill.Options{Dir: t.TempDir()}))
	require.NoError(t, b.reset(window.Interval{Start: 0, End: window.Time(24 * time.Hour / time.Microsecond)}))
	require.NoError(t, b.add(rec))
	allocations := testing.AllocsPerRun(10, func() {
		if err := b.add(rec); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, allocations, 20.0, "for %d rows", rows)
}
