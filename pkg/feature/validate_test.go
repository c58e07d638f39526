package feature_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func problems(r *feature.Repository) []string {
	var texts []string
	for _, p := range r.Validate() {
		texts = append(texts, p.String())
	}
	return texts
}

// A refusal is a change of a valid repository and all that Validate says about it.
type refusal struct {
	change func(r *feature.Repository)
	want   []string
}

func refuses(t *testing.T, refusals map[string]refusal) {
	t.Helper()
	for name, c := range refusals {
		t.Run(name, func(t *testing.T) {
			r := valid()
			c.change(r)
			require.Equal(t, c.want, problems(r))
		})
	}
}

func TestValidRepositoryHasNoProblems(t *testing.T) {
	require.Empty(t, problems(valid()))
	require.Empty(t, problems(&feature.Repository{}))
}

func TestValidateNames(t *testing.T) {
	form := " must be a letter followed by letters, digits and underscores, at most 128 in all"
	long := strings.Repeat("a", 129)
	refuses(t, map[string]refusal{
		"none": {func(r *feature.Repository) { r.Entities[0].Name = "" }, []string{
			"Entity: name: is required",
			`BatchFeatureView delays: entities[0]: no entity "airport"`,
		}},
		"form": {func(r *feature.Repository) { r.BatchFeatureViews[0].Name = "de-lays" }, []string{
			`BatchFeatureView de-lays: name: "de-lays"` + form,
		}},
		"length": {func(r *feature.Repository) { r.BatchFeatureViews[0].Name = long }, []string{
			`BatchFeatureView ` + long + `: name: "` + long + `"` + form,
		}},
		"twice": {func(r *feature.Repository) { r.Entities = append(r.Entities, r.Entities[0]) }, []string{
			"Entity airport: name: is defined twice",
		}},
		"too many": {func(r *feature.Repository) {
			for i := range 10_000 {
				e := r.Entities[0]
				e.Name = fmt.Sprint("e", i)
				r.Entities = append(r.Entities, e)
			}
		}, []string{
			"Entity: 10001 definitions, at most 10000 are allowed",
		}},
	})
}

func TestValidateEntities(t *testing.T) {
	keys := func(keys ...feature.Field) func(r *feature.Repository) {
		return func(r *feature.Repository) { r.Entities[0].JoinKeys = keys }
	}
	text := func(name string) feature.Field { return feature.Field{Name: name, Type: feature.String} }
	var many []feature.Field
	for i := range 17 {
		many = append(many, text(fmt.Sprint("k", i)))
	}
	refuses(t, map[string]refusal{
		"none": {keys(), []string{"Entity airport: join_keys: needs 1 to 16 columns, has 0"}},
		"many": {keys(many...), []string{
			"Entity airport: join_keys: needs 1 to 16 columns, has 17",
			"BatchFeatureView delays: entities: 17 join keys, at most 16 are allowed",
		}},
		"no name": {keys(feature.Field{Type: feature.String}), []string{"Entity airport: join_keys[0].name: is required"}},
		"no type": {keys(feature.Field{Name: "origin"}), []string{
			"Entity airport: join_keys[0].type: is required, one of Bool, Int64, Float64, String, Timestamp",
		}},
		"type": {keys(text("origin"), feature.Field{Name: "at", Type: feature.Float64}), []string{
			"Entity airport: join_keys[1].type: a join key is Int64 or String, not Float64",
		}},
		"no such type": {keys(feature.Field{Name: "origin", Type: 77}), []string{
			"Entity airport: join_keys[0].type: is required, one of Bool, Int64, Float64, String, Timestamp",
		}},
		"twice": {keys(text("origin"), text("origin")), []string{`Entity airport: join_keys[1].name: column "origin" is declared twice`}},
		"twice but for case": {keys(text("origin"), text("Origin")), []string{
			`Entity airport: join_keys[1].name: column "Origin" differs from "origin" in upper and lower case only`,
		}},
		"sign": {keys(text("airport code")), []string{
			`Entity airport: join_keys[0].name: "airport code" must be letters, digits and underscores, not starting with a digit: rename it in the SQL`,
		}},
		"column of the tiles": {keys(text("tile_start"), text("TIME_PARTITION")), []string{
			`Entity airport: join_keys[0].name: "tile_start" is taken by the start of the tile`,
			`Entity airport: join_keys[1].name: "TIME_PARTITION" is taken by the partition of the offline table`,
		}},
	})
}

func TestValidateSources(t *testing.T) {
	uri := func(uri string) func(r *feature.Repository) {
		return func(r *feature.Repository) { r.BatchSources[0].BatchConfig.URI = uri }
	}
	config := func(change func(c *feature.FileConfig)) func(r *feature.Repository) {
		return func(r *feature.Repository) { change(&r.BatchSources[0].BatchConfig) }
	}
	const at = "BatchSource flights: batch_config"
	refuses(t, map[string]refusal{
		"no uri":                {uri(""), []string{at + ".uri: is required: a path of files relative to the worker's source root"}},
		"uri of a parent":       {uri("../secret.parquet"), []string{at + `.uri: "../secret.parquet" leaves the worker's source root, want a path below it`}},
		"uri back to a parent":  {uri("a/../../b"), []string{at + `.uri: "a/../../b" leaves the worker's source root, want a path below it`}},
		"absolute uri":          {uri("/etc/passwd"), []string{at + `.uri: "/etc/passwd" leaves the worker's source root, want a path below it`}},
		"uri with NUL":          {uri("a\x00b"), []string{at + `.uri: "a\x00b" leaves the worker's source root, want a path below it`}},
		"uri with a scheme":     {uri("s3://b/f"), []string{at + `.uri: "s3://b/f" is not supported, want a path of files relative to the worker's source root`}},
		"wildcard in folder":    {uri("a*/b"), []string{at + `.uri: "a*/b": the wildcards * and ? may stand in the last element only`}},
		"no format":             {config(func(c *feature.FileConfig) { c.FileFormat = "" }), []string{at + ".file_format: is required, want parquet"}},
		"format":                {config(func(c *feature.FileConfig) { c.FileFormat = "csv" }), []string{at + `.file_format: "csv" is not supported, want parquet`}},
		"negative delay":        {config(func(c *feature.FileConfig) { c.DataDelay = -hour }), []string{at + ".data_delay: is -1h, want whole seconds from 0s to 366d"}},
		"long delay":            {config(func(c *feature.FileConfig) { c.DataDelay = 367 * day }), []string{at + ".data_delay: is 367d, want whole seconds from 0s to 366d"}},
		"delay in milliseconds": {config(func(c *feature.FileConfig) { c.DataDelay = 1e6 }), []string{at + ".data_delay: is 0.001s, want whole seconds from 0s to 366d"}},
		"no timestamp field":    {config(func(c *feature.FileConfig) { c.TimestampField = "" }), []string{at + ".timestamp_field: is required"}},
		"timestamp field": {config(func(c *feature.FileConfig) { c.TimestampField = "time" }), []string{
			at + `.timestamp_field: no column "time", want one of date, delay, distance, origin`,
		}},
		"timestamp field's type": {config(func(c *feature.FileConfig) { c.TimestampField = "delay" }), []string{
			at + `.timestamp_field: column "delay" is Int64, want Timestamp`,
		}},
		"no schema": {func(r *feature.Repository) { r.BatchSources[0].Schema = nil }, []string{
			"BatchSource flights: schema: is required: the columns that views may use",
		}},
		"long name": {func(r *feature.Repository) { r.BatchSources[0].Schema[3].Name = strings.Repeat("x", 129) }, []string{
			"BatchSource flights: schema[3].name: is longer than 128 bytes",
		}},
		"name with NUL": {func(r *feature.Repository) { r.BatchSources[0].Schema[3].Name = "a\x00" }, []string{
			`BatchSource flights: schema[3].name: "a\x00" is not UTF-8 text without NUL`,
		}},
		"many columns": {func(r *feature.Repository) {
			for i := range 1000 {
				r.BatchSources[0].Schema = append(r.BatchSources[0].Schema, feature.Field{Name: fmt.Sprint("c", i), Type: feature.Bool})
			}
		}, []string{"BatchSource flights: schema: 1004 columns, at most 1000 are allowed"}},
	})
}

func inView(change func(v *feature.BatchFeatureView)) func(r *feature.Repository) {
	return func(r *feature.Repository) { change(&r.BatchFeatureViews[0]) }
}

const ofView = "BatchFeatureView delays: "

func TestValidateReferences(t *testing.T) {
	refuses(t, map[string]refusal{
		"no entities": {inView(func(v *feature.BatchFeatureView) { v.Entities = nil }), []string{ofView + "entities: needs at least one entity"}},
		"unknown entity": {inView(func(v *feature.BatchFeatureView) { v.Entities = append(v.Entities, "plane") }), []string{
			ofView + `entities[1]: no entity "plane"`,
		}},
		"entity twice": {inView(func(v *feature.BatchFeatureView) { v.Entities = append(v.Entities, "airport") }), []string{
			ofView + `entities[1]: entity "airport" is named twice`,
		}},
		"shared join key": {func(r *feature.Repository) {
			r.Entities = append(r.Entities, feature.Entity{Metadata: feature.Metadata{Name: "route"},
				JoinKeys: feature.Schema{{Name: "Origin", Type: feature.String}}})
			r.BatchFeatureViews[0].Entities = append(r.BatchFeatureViews[0].Entities, "route")
		}, []string{ofView + `entities[1]: join key "Origin" belongs to another entity of the view as well`}},
		"no sources":     {inView(func(v *feature.BatchFeatureView) { v.Sources = nil }), []string{ofView + "sources: needs at least one source"}},
		"unknown source": {inView(func(v *feature.BatchFeatureView) { v.Sources[0].Source = "trips" }), []string{ofView + `sources[0]: no source "trips"`}},
		"source twice": {inView(func(v *feature.BatchFeatureView) {
			v.Sources = append(v.Sources, feature.ViewSource{Source: "flights"})
		}), []string{
			ofView + `sources[1]: source "flights" is named twice`,
		}},
		"source twice but for case": {func(r *feature.Repository) {
			other := r.BatchSources[0]
			other.Name = "Flights"
			r.BatchSources = append(r.BatchSources, other)
			r.BatchFeatureViews[0].Sources = append(r.BatchFeatureViews[0].Sources, feature.ViewSource{Source: "Flights"})
		}, []string{ofView + `sources[1]: source "Flights" differs from another in upper and lower case only, which SQL does not tell apart`}},
	})
}

func TestValidateViews(t *testing.T) {
	refuses(t, map[string]refusal{
		"no mode": {inView(func(v *feature.BatchFeatureView) { v.Mode = "" }), []string{ofView + "mode: is required, want sql"}},
		"mode":    {inView(func(v *feature.BatchFeatureView) { v.Mode = "spark_sql" }), []string{ofView + `mode: "spark_sql" is not supported, want sql`}},
		"no SQL": {inView(func(v *feature.BatchFeatureView) { v.Transformation = " \n" }), []string{
			ofView + "transformation: is required: one SELECT, or the name of a .sql file beside the definition",
		}},
		"long SQL": {inView(func(v *feature.BatchFeatureView) { v.Transformation = strings.Repeat("x", 256<<10+1) }), []string{
			ofView + "transformation: is longer than 262144 bytes",
		}},
		"SQL with NUL": {inView(func(v *feature.BatchFeatureView) { v.Transformation = "SELECT\x00" }), []string{
			ofView + "transformation: is not UTF-8 text without NUL",
		}},
		"no timestamp field": {inView(func(v *feature.BatchFeatureView) { v.TimestampField = "" }), []string{
			ofView + "timestamp_field: is required: the column of the transformation that holds the event time",
		}},
		"timestamp field is a join key": {inView(func(v *feature.BatchFeatureView) { v.TimestampField = "Origin" }), []string{
			ofView + `timestamp_field: "Origin" is a join key`,
		}},
		"no start": {inView(func(v *feature.BatchFeatureView) { v.FeatureStartTime = 0 }), []string{
			ofView + "feature_start_time: is required, for instance 2024-01-01; 1970-01-01T00:00:00Z itself is not accepted",
		}},
		"start in the Middle Ages": {inView(func(v *feature.BatchFeatureView) { v.FeatureStartTime = at("1066-10-14") }), []string{
			ofView + "feature_start_time: 1066-10-14T00:00:00Z is before 1900-01-01T00:00:00Z",
		}},
		"online alone": {inView(func(v *feature.BatchFeatureView) { v.Offline = false }), []string{
			ofView + "offline: must be true when online is: the offline store is the source of the online store",
		}},
	})
}

func TestValidateTimes(t *testing.T) {
	times := func(interval, schedule feature.Duration) func(r *feature.Repository) {
		return inView(func(v *feature.BatchFeatureView) { v.AggregationInterval, v.BatchSchedule = interval, schedule })
	}
	refuses(t, map[string]refusal{
		"no interval":       {times(0, day), []string{ofView + "aggregation_interval: is required, for instance 1h; views without are not supported yet"}},
		"short interval":    {times(30e9, day), []string{ofView + "aggregation_interval: is 30s, want whole seconds from 1m to 31d"}},
		"long interval":     {times(32*day, 0), []string{ofView + "aggregation_interval: is 32d, want whole seconds from 1m to 31d"}},
		"longest":           {times(math.MaxInt64, 0), []string{ofView + "aggregation_interval: is 106751d23h47m16.854775807s, want whole seconds from 1m to 31d"}},
		"broken interval":   {times(hour+1, day), []string{ofView + "aggregation_interval: is 1h0.000000001s, want whole seconds from 1m to 31d"}},
		"no multiple":       {times(7*hour, day), []string{ofView + "batch_schedule: 1d is not a multiple of the aggregation interval 7h"}},
		"shorter":           {times(day, hour), []string{ofView + "batch_schedule: 1h is not a multiple of the aggregation interval 1d"}},
		"negative schedule": {times(hour, -day), []string{ofView + "batch_schedule: -1d is not a multiple of the aggregation interval 1h"}},
		"long schedule":     {times(day, 32*day), []string{ofView + "batch_schedule: 32d is longer than 31d"}},
		"many tiles":        {times(minute, 2*day), []string{ofView + "batch_schedule: 2d holds 2880 tiles of 1m, at most 1440 are allowed"}},
	})
}

func TestLongestTimesDoNotOverflow(t *testing.T) {
	r := valid()
	r.BatchSources[0].BatchConfig.DataDelay = 366 * day
	v := &r.BatchFeatureViews[0]
	v.AggregationInterval, v.BatchSchedule, v.FeatureStartTime = 31*day, 0, at("1900-01-01")
	v.Aggregations = []feature.Aggregation{{Column: "delay", Function: feature.Sum, TimeWindow: 36487 * day}}
	require.Empty(t, problems(r))
	start := view(t, r).MaterializationStart()
	require.Positive(t, at("2090-01-01").Sub(start))
	require.Equal(t, at("1799-01-23"), start)
	v.Aggregations[0].TimeWindow = 36518 * day
	require.Equal(t, []string{ofView + "aggregations[0].time_window: 36518d is longer than 36500d, the longest for tiles of 31d"}, problems(r))
}

func TestValidateAggregations(t *testing.T) {
	first := func(change func(a *feature.Aggregation)) func(r *feature.Repository) {
		return inView(func(v *feature.BatchFeatureView) { change(&v.Aggregations[0]) })
	}
	const at = ofView + "aggregations[0]."
	refuses(t, map[string]refusal{
		"none": {inView(func(v *feature.BatchFeatureView) { v.Aggregations = nil }), []string{
			ofView + "aggregations: needs at least one aggregation; views without are not supported yet",
		}},
		"many": {inView(func(v *feature.BatchFeatureView) {
			for i := range 498 {
				v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: "x", Function: feature.Count, TimeWindow: day, Name: fmt.Sprint("f", i)})
			}
		}), []string{ofView + "aggregations: 501 aggregations, at most 500 are allowed"}},
		"no column":       {first(func(a *feature.Aggregation) { a.Column = "" }), []string{at + "column: is required"}},
		"join key":        {first(func(a *feature.Aggregation) { a.Column = "Origin" }), []string{at + `column: "Origin" is a join key or the timestamp field`}},
		"timestamp field": {first(func(a *feature.Aggregation) { a.Column = "departure" }), []string{at + `column: "departure" is a join key or the timestamp field`}},
		"sign": {first(func(a *feature.Aggregation) { a.Column = "max(delay)" }), []string{
			at + `column: "max(delay)" must be letters, digits and underscores, not starting with a digit: rename it in the SQL`,
		}},
		"no function": {first(func(a *feature.Aggregation) { a.Function = "" }), []string{at + "function: is required, one of count, sum, mean, min, max"}},
		"function": {first(func(a *feature.Aggregation) { a.Function = "median" }), []string{
			at + `function: unknown aggregation function "median", want one of count, sum, mean, min, max`,
		}},
		"no window":       {first(func(a *feature.Aggregation) { a.TimeWindow = 0 }), []string{at + "time_window: is required, for instance 7d"}},
		"negative window": {first(func(a *feature.Aggregation) { a.TimeWindow = -day }), []string{at + "time_window: -1d is not a multiple of the aggregation interval 1h"}},
		"window":          {first(func(a *feature.Aggregation) { a.TimeWindow = 90 * minute }), []string{at + "time_window: 1h30m is not a multiple of the aggregation interval 1h"}},
		"long window":     {first(func(a *feature.Aggregation) { a.TimeWindow = 65 * day }), []string{at + "time_window: 65d is longer than 64d, the longest for tiles of 1h"}},
		"name": {first(func(a *feature.Aggregation) { a.Name = "1st" }), []string{
			at + `name: "1st" must be a letter followed by letters, digits and underscores, at most 128 in all`,
		}},
		"name twice": {first(func(a *feature.Aggregation) { a.Name = "delay_count_7d_1h" }), []string{
			ofView + `aggregations[1].name: feature "delay_count_7d_1h" is defined twice`,
		}},
		"default name twice": {first(func(a *feature.Aggregation) { a.Function, a.TimeWindow = feature.Count, 7*day }), []string{
			ofView + `aggregations[1].name: feature "delay_count_7d_1h" is defined twice`,
		}},
	})
}

func TestValidateTileColumns(t *testing.T) {
	sums := func(key string, columns ...string) func(r *feature.Repository) {
		return func(r *feature.Repository) {
			r.Entities[0].JoinKeys[0].Name = key
			v := &r.BatchFeatureViews[0]
			v.Aggregations = nil
			for _, c := range columns {
				v.Aggregations = append(v.Aggregations, feature.Aggregation{Column: c, Function: feature.Sum, TimeWindow: day})
			}
		}
	}
	refuses(t, map[string]refusal{
		"the rest of a sum is another sum": {sums("origin", "c", "c_rest"), []string{
			ofView + `aggregations[1].column: the sum of column "c_rest" is stored as "sum_c_rest", which is taken by the sum of column "c": rename one in the SQL`,
		}},
		"in the other order": {sums("origin", "c_rest", "c"), []string{
			ofView + `aggregations[1].column: the sum of column "c" is stored as "sum_c_rest", which is taken by the sum of column "c_rest": rename one in the SQL`,
		}},
		"upper and lower case": {sums("origin", "c", "C"), []string{
			ofView + `aggregations[1].column: the sum of column "C" is stored as "sum_C", which is taken by the sum of column "c": rename one in the SQL`,
		}},
		"a join key": {sums("Sum_c", "c"), []string{
			ofView + `aggregations[0].column: the sum of column "c" is stored as "sum_c", which is taken by join key "Sum_c": rename one in the SQL`,
		}},
	})
	r := valid()
	sums("origin", "c", "d_rest", "start")(r)
	r.BatchFeatureViews[0].Aggregations = append(r.BatchFeatureViews[0].Aggregations,
		feature.Aggregation{Column: "c_rest", Function: feature.Count, TimeWindow: day})
	require.Empty(t, problems(r))
}
