package retrievetest

import (
	"time"

	"pgregory.net/rapid"

	functions "github.com/tilery/tilery/pkg/aggregate/oracle"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/retrieve/oracle"
)

// View is a view and what the oracle is told of it.
type View struct {
	feature.View
	Oracle oracle.Definition
}

// DrawRowView draws a view that stores rows.
func DrawRowView(t *rapid.T) *View {
	v := drawView(t)
	keys := feature.Schema(v.JoinKeys())
	for _, f := range Columns {
		if _, isKey := keys.Lookup(f.Name); !isKey && f.Name != TimeColumn {
			v.Oracle.Columns = append(v.Oracle.Columns, f.Name)
		}
	}
	ttl := rapid.SampledFrom([]time.Duration{0, time.Second, 90 * time.Minute, v.Schedule(), 3*v.Schedule() + time.Hour}).Draw(t, "ttl")
	v.TTL, v.Oracle.TTL = feature.Duration(ttl), ttl.Microseconds()
	return v
}

// DrawTileView draws a view with aggregations, over windows of all kinds, or with a
// secondary key of those that go with one.
func DrawTileView(t *rapid.T, secondary bool) *View {
	v := drawView(t)
	parts := rapid.SampledFrom([]int{1, 2, 3, 6}).Draw(t, "tiles of a window")
	interval := v.Schedule() / time.Duration(parts)
	v.AggregationInterval, v.Oracle.Interval = feature.Duration(interval), interval.Microseconds()
	if secondary {
		v.AggregationSecondaryKey = rapid.SampledFrom([]string{"category", "code"}).Draw(t, "secondary key")
		v.Oracle.SecondaryKey = v.AggregationSecondaryKey
	}
	windows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) feature.TimeWindow { return drawWindow(t, interval, !secondary) }), 1, 4).Draw(t, "windows")
	named := map[string]bool{}
	for range rapid.IntRange(1, 8).Draw(t, "aggregations") {
		f := rapid.SampledFrom(aggregations).Draw(t, "function")
		a := feature.Aggregation{
			Function: f.function, Column: rapid.SampledFrom(f.columns).Draw(t, "column"),
			TimeWindow: rapid.SampledFrom(windows).Draw(t, "window"),
		}
		if name := a.FeatureName(v.AggregationInterval); !named[name] {
			named[name] = true
			v.add(a, f.oracle)
		}
	}
	if v.HasLifetime() {
		v.LifetimeStartTime = Start.Add(rapid.SampledFrom([]time.Duration{0, -v.Schedule() / 3, 2*v.Schedule() + time.Minute}).Draw(t, "lifetime"))
		v.Oracle.LifetimeStart = int64(v.LifetimeStartTime)
	}
	return v
}

// drawView draws what all views have.
func drawView(t *rapid.T) *View {
	schedule := rapid.SampledFrom([]time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}).Draw(t, "schedule")
	delay := rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour, 25*time.Hour + time.Minute}).Draw(t, "delay")
	after := rapid.SampledFrom([]time.Duration{0, schedule/2 + time.Second, schedule + 25*time.Minute}).Draw(t, "start")
	keys := rapid.SampledFrom([]feature.Schema{Columns[:1], Columns[1:2], Columns[:2]}).Draw(t, "keys")
	return newView(keys, schedule, delay, after)
}

// newView returns a view that lacks what makes it one of rows or of tiles.
func newView(keys feature.Schema, schedule, delay, after time.Duration) *View {
	v := &View{
		View: feature.View{
			BatchFeatureView: feature.BatchFeatureView{
				Metadata: feature.Metadata{Name: "spending"}, Mode: "sql", Transformation: "SELECT * FROM events",
				Sources: []feature.ViewSource{{Source: "events"}}, TimestampField: TimeColumn, Schema: Columns,
				BatchSchedule: feature.Duration(schedule), FeatureStartTime: Start.Add(after), Online: true, Offline: true,
			},
			Sources: []feature.Source{{BatchSource: feature.BatchSource{
				Metadata: feature.Metadata{Name: "events"}, Schema: Columns,
				BatchConfig: feature.FileConfig{
					URI: "events.parquet", FileFormat: feature.Parquet, TimestampField: TimeColumn, DataDelay: feature.Duration(delay),
				},
			}}},
		},
		Oracle: oracle.Definition{
			Schedule: schedule.Microseconds(), Delay: delay.Microseconds(), FeatureStart: int64(Start.Add(after)),
		},
	}
	for _, key := range keys { // an entity each: a view may have several
		v.BatchFeatureView.Entities = append(v.BatchFeatureView.Entities, key.Name)
		v.Entities = append(v.Entities, feature.Entity{Metadata: feature.Metadata{Name: key.Name}, JoinKeys: feature.Schema{key}})
	}
	return v
}

// add adds an aggregation whose function the oracle calls otherwise.
func (v *View) add(a feature.Aggregation, function functions.Function) {
	v.Aggregations = append(v.Aggregations, a)
	v.Oracle.Aggregations = append(v.Oracle.Aggregations, oracle.Aggregation{Function: function, Column: a.Column, Window: windowOf(a.TimeWindow)})
}

// drawWindow draws a window whose lengths are multiples of an interval.
func drawWindow(t *rapid.T, interval time.Duration, series bool) feature.TimeWindow {
	tiles := func(label string, least, most int) time.Duration {
		return time.Duration(rapid.IntRange(least, most).Draw(t, label)) * interval
	}
	kinds := []string{"trailing", "offset", "lifetime", "series"}
	if !series {
		kinds = kinds[:3]
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "lifetime":
		return feature.Lifetime
	case "offset":
		return feature.TimeWindow{WindowSize: feature.Duration(tiles("size", 1, 6)), Offset: feature.Offset(-tiles("offset", 1, 6))}
	case "series":
		return feature.TimeWindow{
			WindowSize: feature.Duration(tiles("size", 1, 3)), StepSize: feature.Duration(tiles("step", 1, 4)),
			SeriesStart: feature.Offset(-tiles("start", 9, 24)), SeriesEnd: feature.Offset(-tiles("end", 0, 2)),
		}
	}
	return feature.Trailing(feature.Duration(tiles("size", 1, 12)))
}

func windowOf(w feature.TimeWindow) oracle.Window {
	micros := func(d time.Duration) int64 { return d.Microseconds() }
	return oracle.Window{
		Size: micros(time.Duration(w.WindowSize)), Offset: micros(time.Duration(w.Offset)), Lifetime: w.Lifetime,
		SeriesStart: micros(time.Duration(w.SeriesStart)), SeriesEnd: micros(time.Duration(w.SeriesEnd)), Step: micros(time.Duration(w.StepSize)),
	}
}

// aggregation is a function as both sides know it.
type aggregation struct {
	function feature.Function
	oracle   functions.Function
	columns  []string
}

var (
	numbers  = []string{"n", "amount", "small", "ratio"}
	sortable = append([]string{"label"}, numbers...)
	listable = append([]string{"flag", "tags"}, sortable...)

	aggregations = []aggregation{
		{feature.Count, functions.Function{Name: "count"}, append([]string{"seen_at"}, listable...)},
		{feature.Sum, functions.Function{Name: "sum"}, numbers},
		{feature.Mean, functions.Function{Name: "mean"}, numbers},
		{feature.Min, functions.Function{Name: "min"}, sortable},
		{feature.Max, functions.Function{Name: "max"}, sortable},
		{feature.VarPop, functions.Function{Name: "var_pop"}, numbers},
		{feature.VarSamp, functions.Function{Name: "var_samp"}, numbers},
		{feature.StddevPop, functions.Function{Name: "stddev_pop"}, numbers},
		{feature.StddevSamp, functions.Function{Name: "stddev_samp"}, numbers},
		{feature.Last, functions.Function{Name: "last"}, listable},
		{feature.LastN(3), functions.Function{Name: "last", N: 3}, listable},
		{feature.FirstN(2), functions.Function{Name: "first", N: 2}, listable},
		{feature.LastDistinct(2), functions.Function{Name: "last_distinct", N: 2}, []string{"n", "label"}},
		{feature.FirstDistinct(3), functions.Function{Name: "first_distinct", N: 3}, []string{"n", "label"}},
		{feature.ApproxCountDistinct, functions.Function{Name: "approx_count_distinct", Precision: 8}, []string{"n", "small", "label"}},
		{feature.ApproxPercentile(0.5, 0), functions.Function{Name: "approx_percentile", P: 0.5, Precision: 100}, numbers},
	}
)

// step is the length of a tile, or of a window of rows; a table has none.
func (v *View) step() time.Duration {
	switch {
	case v.Ingested:
		return time.Hour
	case v.Aggregated():
		return v.Interval()
	}
	return v.Schedule()
}

// Key returns the key that an event or a row of a spine has for the oracle.
func (v *View) Key(values map[string]any) any {
	var key [2]any
	for i, f := range v.JoinKeys() {
		key[i] = values[f.Name]
	}
	return key
}
