package feature_test

import (
	"fmt"
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
			"Entity airport: join_keys[0].type: is required, one of Bool, Int64, Float64, String, Timestamp, Int32, Float32",
		}},
		"type": {keys(text("origin"), feature.Field{Name: "at", Type: feature.Float64}), []string{
			"Entity airport: join_keys[1].type: a join key is Int64 or String, not Float64",
		}},
		"no such type": {keys(feature.Field{Name: "origin", Type: 77}), []string{
			"Entity airport: join_keys[0].type: is required, one of Bool, Int64, Float64, String, Timestamp, Int32, Float32",
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
		"no source's name": {inView(func(v *feature.BatchFeatureView) { v.Sources[0].Source = "" }), []string{
			ofView + "sources[0].source: is required: the name of a source",
		}},
		"look ahead": {inView(func(v *feature.BatchFeatureView) { v.Sources[0].StartTimeOffset = feature.Offset(hour) }), []string{
			ofView + "sources[0].start_time_offset: is 1h, want whole seconds from -36500d to 0s, or unbounded",
		}},
		"look back by a millisecond": {inView(func(v *feature.BatchFeatureView) { v.Sources[0].StartTimeOffset = -1e6 }), []string{
			ofView + "sources[0].start_time_offset: is -0.001s, want whole seconds from -36500d to 0s, or unbounded",
		}},
		"no such join key": {inView(func(v *feature.BatchFeatureView) { v.OnlineServingIndex = []string{"airport"} }), []string{
			ofView + `online_serving_index[0]: no join key "airport", want origin`,
		}},
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
		"ttl of tiles": {inView(func(v *feature.BatchFeatureView) { v.TTL = day }), []string{
			ofView + "ttl: is for views without aggregations: leave it out, an aggregated value ends with its time_window",
		}},
		"trigger": {inView(func(v *feature.BatchFeatureView) { v.BatchTrigger = "NEVER" }), []string{
			ofView + `batch_trigger: "NEVER" is unknown, want SCHEDULED or MANUAL`,
		}},
		"end of a schedule": {inView(func(v *feature.BatchFeatureView) { v.ManualTriggerBackfillEndTime = at("2001-02-01") }), []string{
			ofView + "manual_trigger_backfill_end_time: needs batch_trigger MANUAL: scheduled jobs have no end",
		}},
		"end before the start": {inView(func(v *feature.BatchFeatureView) {
			v.BatchTrigger, v.ManualTriggerBackfillEndTime = feature.Manual, at("2000-02-01")
		}), []string{
			ofView + "manual_trigger_backfill_end_time: 2000-02-01T00:00:00Z is not after the feature_start_time 2001-01-01T00:00:00Z",
		}},
		"end within a window": {inView(func(v *feature.BatchFeatureView) {
			v.BatchTrigger, v.ManualTriggerBackfillEndTime = feature.Manual, at("2001-02-01T01:00")
		}), []string{
			ofView + "manual_trigger_backfill_end_time: 2001-02-01T01:00:00Z is not the end of a window of 1d, the nearest are 2001-02-01T00:00:00Z and 2001-02-02T00:00:00Z",
		}},
		"backfill interval": {inView(func(v *feature.BatchFeatureView) { v.MaxBackfillInterval = hour }), []string{
			ofView + "max_backfill_interval: is 1h, want a multiple of the batch schedule 1d, up to 36500d",
		}},
		"negative backfill interval": {inView(func(v *feature.BatchFeatureView) { v.MaxBackfillInterval = -day }), []string{
			ofView + "max_backfill_interval: is -1d, want a multiple of the batch schedule 1d, up to 36500d",
		}},
		"long backfill interval": {inView(func(v *feature.BatchFeatureView) { v.MaxBackfillInterval = 40_000 * day }), []string{
			ofView + "max_backfill_interval: is 40000d, want a multiple of the batch schedule 1d, up to 36500d",
		}},
		"online alone": {inView(func(v *feature.BatchFeatureView) { v.Offline = false }), []string{
			ofView + "offline: must be true when online is: the offline store is the source of the online store",
		}},
	})
}
