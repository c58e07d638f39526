package retrieve

import (
	"cmp"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/aggregate"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

const hour = time.Hour

// midnight is where the tiles of these tests begin.
var midnight = window.FromTime(time.Date(2001, 1, 4, 0, 0, 0, 0, time.UTC))

func at(d time.Duration) window.Time { return midnight.Add(d) }

var playSchema = feature.Schema{
	{Name: "user", Type: feature.Int64}, {Name: "ts", Type: feature.Timestamp}, {Name: "n", Type: feature.Int64},
	{Name: "amount", Type: feature.Float64}, {Name: "label", Type: feature.String}, {Name: "page", Type: feature.String},
}

// playView is a view of hourly tiles that nothing delays.
func playView(aggregations ...feature.Aggregation) feature.View {
	return feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: "plays"}, TimestampField: "ts", Schema: playSchema, Aggregations: aggregations,
			AggregationInterval: feature.Duration(hour), FeatureStartTime: midnight,
		},
		Entities: []feature.Entity{{JoinKeys: playSchema[:1]}},
	}
}

func aggregation(function feature.Function, column string, w feature.TimeWindow) feature.Aggregation {
	return feature.Aggregation{Function: function, Column: column, TimeWindow: w}
}

// tile is a row of the table.
type tile struct {
	key    int32
	page   string
	start  window.Time
	values []int64 // of n; amount and label follow from them
	null   bool    // one more row, of nulls
}

// states returns the state of each tile as a group.
func statesOf(layout *aggregate.Layout, tiles []tile) *aggregate.States {
	states := layout.NewStates()
	states.Grow(len(tiles))
	var groups []int32
	var times []arrow.Timestamp
	var inputs []array.Builder
	for _, input := range layout.Inputs() {
		inputs = append(inputs, array.NewBuilder(memory.DefaultAllocator, record.ArrowType(input.Type)))
	}
	for group, t := range tiles {
		for i, v := range t.values {
			groups, times = append(groups, int32(group)), append(times, arrow.Timestamp(t.start.Add(time.Duration(i)*time.Second)))
			for at, input := range layout.Inputs() {
				switch input.Name {
				case "n":
					inputs[at].(*array.Int64Builder).Append(v)
				case "amount":
					inputs[at].(*array.Float64Builder).Append([]float64{1e300, 0.1, -1e300, 7, 1e-300}[uint64(v)%5] * float64(v))
				case "label":
					inputs[at].(*array.StringBuilder).Append(string(rune('a' + uint64(v)%7)))
				}
			}
		}
		if t.null {
			groups, times = append(groups, int32(group)), append(times, arrow.Timestamp(t.start))
			for _, input := range inputs {
				input.AppendNull()
			}
		}
	}
	var columns []arrow.Array
	for _, input := range inputs {
		columns = append(columns, input.NewArray())
	}
	states.Add(groups, times, columns)
	return states
}

// recordOf returns tiles, sorted, as a record of those columns of the table.
func recordOf(target *materialize.Target, tiles []tile, names []string) arrow.Record {
	schema := target.Table(midnight).Schema
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	groups := make([]int32, len(tiles))
	for i, t := range tiles {
		groups[i] = int32(i)
		builder.Field(0).(*array.Int64Builder).Append(int64(t.key))
		if len(target.SecondaryKey()) > 0 {
			builder.Field(1).(*array.StringBuilder).Append(t.page)
		}
		builder.Field(len(target.Keys)).(*array.TimestampBuilder).Append(arrow.Timestamp(t.start))
	}
	statesOf(target.Layout, tiles).AppendColumns(groups, builder.Fields()[len(target.Keys)+1:])
	all := builder.NewRecord()
	var fields []arrow.Field
	var columns []arrow.Array
	for i, field := range schema.Fields() {
		if i <= len(target.Keys) || slices.Contains(names, field.Name) {
			fields, columns = append(fields, field), append(columns, all.Column(i))
		}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, all.NumRows())
}

// ask is an instant of a key.
type ask struct {
	key int32
	at  window.Time
}

// batchOf returns sorted asks as a batch, and by row of it the key.
func batchOf(asks []ask) (*keyBatch, []int32) {
	b, own := &keyBatch{}, []int32(nil)
	for i, a := range asks {
		if i == 0 || a.key != asks[i-1].key {
			b.firsts, own = append(b.firsts, int32(i)), append(own, a.key)
		}
		b.times = append(b.times, a.at)
	}
	b.firsts = append(b.firsts, int32(len(asks)))
	return b, own
}

// addFile gives the tiles of a file to a joiner, so many rows a record.
func addFile(t require.TestingT, target *materialize.Target, j joiner, keys []int32, file []tile, rows int) {
	slices.SortFunc(file, func(a, b tile) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.page, b.page), cmp.Compare(a.start, b.start))
	})
	for part := range slices.Chunk(file, rows) {
		var picked, numbers []int32
		for row, tile := range part {
			if number, ok := slices.BinarySearch(keys, tile.key); ok {
				picked, numbers = append(picked, int32(row)), append(numbers, int32(number))
			}
		}
		require.NoError(t, j.add(recordOf(target, part, j.columns()), picked, numbers))
	}
}

// joined returns the features of all asks, by feature and row.
func joined(t require.TestingT, target *materialize.Target, asks []ask, files ...[]tile) [][]feature.Value {
	features, err := target.View.Features()
	require.NoError(t, err)
	var all []int
	for i := range features {
		all = append(all, i)
	}
	j, err := newWindows(target, all)
	require.NoError(t, err)
	batch, keys := batchOf(asks)
	j.begin(batch)
	for _, file := range files {
		addFile(t, target, j, keys, file, 3)
	}
	columns, err := j.end()
	require.NoError(t, err)
	return valuesOf(t, features, columns)
}

func valuesOf(t require.TestingT, features feature.Schema, columns []arrow.Array) [][]feature.Value {
	out := make([][]feature.Value, len(columns))
	for i, column := range columns {
		encoder, err := record.NewRowEncoder(features[i:i+1], columns[i:i+1])
		require.NoError(t, err)
		for row := range column.Len() {
			out[i], err = record.DecodeRow(out[i], encoder.Append(nil, row), features[i:i+1])
			require.NoError(t, err)
		}
	}
	return out
}

func newTarget(t require.TestingT, view feature.View) *materialize.Target {
	target, err := materialize.NewTarget("w", 1, view)
	require.NoError(t, err)
	return target
}
