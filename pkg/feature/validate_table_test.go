package feature_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func TestValidateTables(t *testing.T) {
	const of = "FeatureTable risk: "
	column := func(i int, name string, columnType feature.Type) func(d *feature.FeatureTable) {
		return func(d *feature.FeatureTable) { d.Schema[i] = feature.Field{Name: name, Type: columnType} }
	}
	feature3 := func(columnType feature.Type) func(d *feature.FeatureTable) { return column(3, "embedding", columnType) }
	refused := func(columnType feature.Type) []string {
		return []string{of + `schema[3].type: feature "embedding" is ` + columnType.String() +
			", want one of Bool, Int64, Float64, String, Array[Int64], Array[Float32], Array[Float64], Array[String]"}
	}
	for name, c := range map[string]struct {
		change func(d *feature.FeatureTable)
		want   []string
	}{
		"no ttl":          {func(d *feature.FeatureTable) { d.TTL = 0 }, nil},
		"no store":        {func(d *feature.FeatureTable) { d.Online, d.Offline = false, false }, nil},
		"lists of floats": {feature3(feature.ArrayOf(feature.Float64)), nil},
		"truth":           {feature3(feature.Bool), nil},
		"name of a view": {func(d *feature.FeatureTable) { d.Name = "delays" }, []string{
			"FeatureTable delays: name: is the name of a BatchFeatureView as well: views and feature tables share one namespace",
		}},
		"no entity": {func(d *feature.FeatureTable) { d.Entities = nil }, []string{of + "entities: needs at least one entity"}},
		"unknown entity": {func(d *feature.FeatureTable) { d.Entities = []string{"plane"} }, []string{
			of + `entities[0]: no entity "plane"`,
		}},
		"negative ttl": {func(d *feature.FeatureTable) { d.TTL = -day }, []string{
			of + "ttl: is -1d, want whole seconds from 1s to 36500d, or none to serve a row for ever",
		}},
		"online alone": {func(d *feature.FeatureTable) { d.Offline = false }, []string{
			of + "offline: must be true when online is: the offline store is the source of the online store",
		}},
		"index": {func(d *feature.FeatureTable) { d.OnlineServingIndex = []string{"score"} }, []string{
			of + `online_serving_index[0]: no join key "score", want origin`,
		}},
		"no schema": {func(d *feature.FeatureTable) { d.Schema = nil }, []string{
			of + "schema: is required: the join keys, one column of type Timestamp, and the features",
		}},
		"no join key": {column(1, "Origin", feature.String), []string{of + `schema: has no column "origin" of type String, a join key`}},
		"key's type":  {column(1, "origin", feature.Int64), []string{of + `schema[1].type: join key "origin" is String in its entity, not Int64`}},
		"no time": {column(2, "scored", feature.Int64), []string{
			of + "schema: has no column of type Timestamp, want exactly one: the time of a row",
		}},
		"two times": {feature3(feature.Timestamp), []string{
			of + `schema[3].type: "scored" and "embedding" are both Timestamp, want exactly one: the time of a row`,
		}},
		"no feature": {func(d *feature.FeatureTable) { d.Schema = d.Schema[1:3] }, []string{of + "schema: has no feature, only join keys and a timestamp"}},
		"twice":      {column(3, "score", feature.Int64), []string{of + `schema[3].name: column "score" is declared twice`}},
		"twice but for case": {column(3, "Score", feature.Int64), []string{
			of + `schema[3].name: column "Score" differs from "score" in upper and lower case only`,
		}},
		"sign":      {column(3, "a-b", feature.Int64), []string{of + `schema[3].name: "a-b" must be letters, digits and underscores, not starting with a digit`}},
		"sequence":  {column(3, "Ingest_Sequence", feature.Int64), []string{of + `schema[3].name: "Ingest_Sequence" is taken by the order of what is ingested`}},
		"partition": {column(2, "time_partition", feature.Timestamp), []string{of + `schema[2].name: "time_partition" is taken by the partition of the offline table`}},
		"tile":      {column(3, "tile_start", feature.Int64), []string{of + `schema[3].name: "tile_start" is taken by the start of the tile`}},
		"no type": {feature3(feature.InvalidType), []string{
			of + "schema[3].type: is required, one of Bool, Int64, Float64, String, Timestamp, Int32, Float32",
		}},
		"narrow number":   {feature3(feature.Int32), refused(feature.Int32)},
		"narrow float":    {feature3(feature.Float32), refused(feature.Float32)},
		"lists of truths": {feature3(feature.ArrayOf(feature.Bool)), refused(feature.ArrayOf(feature.Bool))},
		"lists of times":  {feature3(feature.ArrayOf(feature.Timestamp)), refused(feature.ArrayOf(feature.Timestamp))},
		"lists of lists":  {feature3(feature.ArrayOf(feature.ArrayOf(feature.Int64))), refused(feature.ArrayOf(feature.ArrayOf(feature.Int64)))},
		"many columns": {func(d *feature.FeatureTable) {
			for i := range 1000 {
				d.Schema = append(d.Schema, feature.Field{Name: fmt.Sprint("c", i), Type: feature.Bool})
			}
		}, []string{of + "schema: 1004 columns, at most 1000 are allowed"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, problems(inTable(c.change)))
		})
	}
}

func TestATableIsDefinedOnce(t *testing.T) {
	r := ingested()
	r.FeatureTables = append(r.FeatureTables, r.FeatureTables[0])
	require.Equal(t, []string{"FeatureTable risk: name: is defined twice"}, problems(r))
}
