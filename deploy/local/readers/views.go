package main

import (
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

const (
	interval = time.Hour     // of a tile
	schedule = 4 * time.Hour // of a window: a day's partition holds six
	windows  = 30
)

// start is where the first window starts.
var start = window.FromTime(time.Date(2001, 1, 4, 0, 0, 0, 0, time.UTC))

// at returns the window with a number.
func at(n int) window.Interval {
	from := start.Add(time.Duration(n) * schedule)
	return window.Interval{Start: from, End: from.Add(schedule)}
}

// eventSchema has a column of every type that a source may have.
var eventSchema = feature.Schema{
	{Name: "user", Type: feature.Int64},
	{Name: "shop", Type: feature.String},
	{Name: "ts", Type: feature.Timestamp},
	{Name: "n", Type: feature.Int64},
	{Name: "small", Type: feature.Int32},
	{Name: "amount", Type: feature.Float64},
	{Name: "weight", Type: feature.Float32},
	{Name: "label", Type: feature.String},
	{Name: "flag", Type: feature.Bool},
	{Name: "seen", Type: feature.Timestamp},
	{Name: "tags", Type: feature.ArrayOf(feature.String)},
	{Name: "scores", Type: feature.ArrayOf(feature.Float64)},
	{Name: "small_weights", Type: feature.ArrayOf(feature.Float32)},
	{Name: "numbers", Type: feature.ArrayOf(feature.Int64)},
	{Name: "matrix", Type: feature.ArrayOf(feature.ArrayOf(feature.Int32))},
}

// keyColumns is how many columns stand before the values: two keys and the time.
const keyColumns = 3

// functions are all there are.
var functions = []feature.Function{
	feature.Count, feature.Sum, feature.Mean, feature.Min, feature.Max,
	feature.VarPop, feature.VarSamp, feature.StddevPop, feature.StddevSamp,
	feature.Last, feature.LastN(3), feature.FirstN(3), feature.LastDistinct(3), feature.FirstDistinct(3),
	feature.ApproxCountDistinct, feature.ApproxCountDistinctOf(12),
	feature.ApproxPercentile(0.5, 0), feature.ApproxPercentile(0.5, 200),
}

// aggregations are those of every function of every column that takes it.
func aggregations(columns ...feature.Field) []feature.Aggregation {
	var out []feature.Aggregation
	for _, column := range columns {
		for _, f := range functions {
			if _, err := f.Output(column.Type); err == nil {
				out = append(out, feature.Aggregation{Column: column.Name, Function: f, TimeWindow: feature.Trailing(feature.Duration(schedule))})
			}
		}
	}
	return out
}

// views are what is written: tiles, tiles with a secondary key, and rows.
func views() []feature.View {
	tiles := newView("tiles", eventSchema[:2])
	tiles.AggregationInterval = feature.Duration(interval)
	tiles.Aggregations = aggregations(eventSchema[keyColumns:]...)

	keyed := newView("keyed", eventSchema[:1])
	keyed.AggregationInterval = feature.Duration(interval)
	keyed.AggregationSecondaryKey = "label"
	keyed.Aggregations = aggregations(slices.DeleteFunc(slices.Clone(eventSchema[keyColumns:]), func(f feature.Field) bool {
		return f.Name != "n" && f.Name != "amount"
	})...)

	return []feature.View{tiles, keyed, newView("rows", eventSchema[:2])}
}

func newView(name string, keys feature.Schema) feature.View {
	return feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: name}, Entities: []string{"user"},
			Sources: []feature.ViewSource{{Source: "events"}}, Mode: "sql", Transformation: "SELECT * FROM events",
			TimestampField: "ts", Schema: eventSchema, BatchSchedule: feature.Duration(schedule),
			FeatureStartTime: start, Offline: true,
		},
		Entities: []feature.Entity{{Metadata: feature.Metadata{Name: "user"}, JoinKeys: keys}},
		Sources: []feature.Source{{BatchSource: feature.BatchSource{
			Metadata:    feature.Metadata{Name: "events"},
			BatchConfig: feature.FileConfig{URI: "events-*.parquet", FileFormat: feature.Parquet, TimestampField: "ts"},
			Schema:      eventSchema,
		}}},
	}
}
