package serve

import (
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// visit is an event of the one entity of these tests.
type visit struct {
	at     window.Time
	amount *float64
	page   *int64 // the secondary key
}

var visitSchema = feature.Schema{
	{Name: "user", Type: feature.Int64}, {Name: "ts", Type: feature.Timestamp},
	{Name: "amount", Type: feature.Float64}, {Name: "page", Type: feature.Int64},
}

var visitFunctions = []feature.Function{feature.Sum, feature.Count, feature.Mean, feature.Min, feature.Max}

// visitTarget is a view with each function over each of the windows.
func visitTarget(t require.TestingT, interval time.Duration, lifetimeStart window.Time, secondary bool, windows []feature.TimeWindow) *materialize.Target {
	view := feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: "visits"}, TimestampField: "ts", Schema: visitSchema,
			AggregationInterval: feature.Duration(interval), LifetimeStartTime: lifetimeStart,
		},
		Entities: []feature.Entity{{JoinKeys: visitSchema[:1]}},
	}
	if secondary {
		view.AggregationSecondaryKey = "page"
	}
	for _, w := range windows {
		for _, function := range visitFunctions {
			view.Aggregations = append(view.Aggregations, feature.Aggregation{Column: "amount", Function: function, TimeWindow: w})
		}
	}
	target, err := materialize.NewTarget("w", 1, view)
	require.NoError(t, err)
	return target
}

// cellsOf are the cells that the events make, less those of blocks that are not read.
func cellsOf(t require.TestingT, target *materialize.Target, events []visit, blocks []online.Blocks) []online.Item {
	byBlock := map[window.Time]map[string]map[uint32][]visit{}
	for _, e := range events {
		block := e.at.Floor(target.View.BlockLength())
		if !slices.ContainsFunc(blocks, func(b online.Blocks) bool { return b.From <= block && block < b.To }) {
			continue
		}
		if byBlock[block] == nil {
			byBlock[block] = map[string]map[uint32][]visit{}
		}
		key := string(pageKey(t, e))
		if byBlock[block][key] == nil {
			byBlock[block][key] = map[uint32][]visit{}
		}
		index := uint32(e.at.Sub(block) / target.View.Interval())
		byBlock[block][key][index] = append(byBlock[block][key][index], e)
	}
	var items []online.Item
	for block, byKey := range byBlock {
		var keyed []online.KeyedTiles
		merged := map[uint32][]visit{}
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			keyed = append(keyed, online.KeyedTiles{Key: []byte(key), Tiles: tilesValue(t, target, byKey[key])})
			for index, events := range byKey[key] {
				merged[index] = append(merged[index], events...)
			}
		}
		value := tilesValue(t, target, merged)
		if len(target.SecondaryKey()) > 0 {
			var err error
			value, err = online.AppendKeyedTiles(nil, keyed)
			require.NoError(t, err)
		}
		items = append(items, online.Item{Key: online.Key{Kind: online.KindTile, Block: block}, Cell: online.Cell{Version: 1, Value: value}})
	}
	return items
}

func pageKey(t require.TestingT, e visit) []byte {
	value := feature.Null
	if e.page != nil {
		value = feature.Int64Value(*e.page)
	}
	key, err := record.AppendKey(nil, visitSchema[3:], []feature.Value{value})
	require.NoError(t, err)
	return key
}

func tilesValue(t require.TestingT, target *materialize.Target, byIndex map[uint32][]visit) []byte {
	var tiles []online.Tile
	for _, index := range slices.Sorted(maps.Keys(byIndex)) {
		amounts := array.NewFloat64Builder(memory.DefaultAllocator)
		var times []arrow.Timestamp
		for _, e := range byIndex[index] {
			times = append(times, arrow.Timestamp(e.at))
			if e.amount == nil {
				amounts.AppendNull()
				continue
			}
			amounts.Append(*e.amount)
		}
		states := target.Layout.NewStates()
		states.Grow(1)
		states.Add(make([]int32, len(times)), times, []arrow.Array{amounts.NewArray()})
		tiles = append(tiles, online.Tile{Index: index, State: states.AppendEncoded(nil, 0)})
	}
	value, err := online.AppendTiles(nil, tiles)
	require.NoError(t, err)
	return value
}

// naive returns each function over events; false: there are none.
func naive(events []visit) ([]feature.Value, bool) {
	out := make([]feature.Value, len(visitFunctions))
	if len(events) == 0 {
		return out, false
	}
	var values []float64
	for _, e := range events {
		if e.amount != nil {
			values = append(values, *e.amount)
		}
	}
	out[1] = feature.Int64Value(int64(len(values)))
	if len(values) > 0 {
		null := make([]bool, len(values))
		sum, _ := oracle.SumFloat64(values, null)
		mean, _ := oracle.MeanFloat64(values, null)
		least, _ := oracle.Least(values, null, oracle.LessFloat64)
		greatest, _ := oracle.Greatest(values, null, oracle.LessFloat64)
		for i, v := range map[int]float64{0: sum, 2: mean, 3: least, 4: greatest} {
			out[i] = feature.Float64Value(v)
		}
	}
	return out, true
}

func within(events []visit, i window.Interval) []visit {
	return slices.DeleteFunc(slices.Clone(events), func(e visit) bool { return !i.Contains(e.at) })
}

var visitOutputs = []feature.Type{feature.Float64, feature.Int64, feature.Float64, feature.Float64, feature.Float64}

// naiveVector is what a view without a secondary key gives.
func naiveVector(events []visit, windows []feature.TimeWindow, edge, lifetimeStart window.Time) (values []feature.Value, present []bool) {
	for _, w := range windows {
		intervals := w.Intervals(edge, lifetimeStart)
		if !w.IsSeries() {
			of, some := naive(within(events, intervals[0]))
			for _, value := range of {
				values, present = append(values, value), append(present, some)
			}
			continue
		}
		lists := make([][]feature.Value, len(visitFunctions))
		one := false
		for _, i := range intervals {
			of, some := naive(within(events, i))
			one = one || some
			for f, value := range of {
				lists[f] = append(lists[f], value)
			}
		}
		for f, list := range lists {
			value := feature.Null
			if one {
				value = feature.ArrayValue(visitOutputs[f], list)
			}
			values, present = append(values, value), append(present, one)
		}
	}
	return values, present
}

// naiveVectorByPage is what a view with a secondary key gives.
func naiveVectorByPage(t require.TestingT, events []visit, windows []feature.TimeWindow, edge, lifetimeStart window.Time) (values []feature.Value, present []bool) {
	var keys []feature.Value
	var keysPresent []bool
	for _, w := range windows {
		inside := within(events, w.Intervals(edge, lifetimeStart)[0])
		byPage := map[string][]visit{}
		for _, e := range inside {
			byPage[string(pageKey(t, e))] = append(byPage[string(pageKey(t, e))], e)
		}
		lists, pages := make([][]feature.Value, len(visitFunctions)), []feature.Value{}
		for _, key := range slices.Sorted(maps.Keys(byPage)) {
			page := feature.Null
			if p := byPage[key][0].page; p != nil {
				page = feature.Int64Value(*p)
			}
			pages = append(pages, page)
			of, _ := naive(byPage[key])
			for f, value := range of {
				lists[f] = append(lists[f], value)
			}
		}
		for f, list := range lists {
			value := feature.Null
			if len(pages) > 0 {
				value = feature.ArrayValue(visitOutputs[f], list)
			}
			values, present = append(values, value), append(present, len(pages) > 0)
		}
		list := feature.Null
		if len(pages) > 0 {
			list = feature.ArrayValue(feature.Int64, pages)
		}
		keys, keysPresent = append(keys, list), append(keysPresent, len(pages) > 0)
	}
	return append(values, keys...), append(present, keysPresent...)
}
