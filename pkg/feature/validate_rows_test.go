package feature_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

func inRows(change func(v *feature.BatchFeatureView)) []string {
	r := rows()
	change(&r.BatchFeatureViews[0])
	return problems(r)
}

func TestValidateRows(t *testing.T) {
	result := func(names ...string) func(v *feature.BatchFeatureView) {
		return func(v *feature.BatchFeatureView) {
			v.Schema = v.Schema[:2:2]
			for _, name := range names {
				v.Schema = append(v.Schema, feature.Field{Name: name, Type: feature.Int64})
			}
		}
	}
	var many []string
	for i := range 1001 {
		many = append(many, fmt.Sprint("c", i))
	}
	sql := ofView + "transformation: "
	for name, c := range map[string]struct {
		change func(v *feature.BatchFeatureView)
		want   []string
	}{
		"valid":              {func(*feature.BatchFeatureView) {}, nil},
		"unknown columns":    {func(v *feature.BatchFeatureView) { v.Schema = nil }, nil},
		"no ttl":             {func(v *feature.BatchFeatureView) { v.TTL = 0 }, nil},
		"shortest schedule":  {func(v *feature.BatchFeatureView) { v.BatchSchedule = minute }, nil},
		"column tile_start":  {result("tile_start", "_a"), nil},
		"manual":             {func(v *feature.BatchFeatureView) { v.BatchTrigger, v.MaxBackfillInterval = feature.Manual, 30*day }, nil},
		"no schedule":        {func(v *feature.BatchFeatureView) { v.BatchSchedule = 0 }, []string{ofView + "batch_schedule: is required, for instance 1d: only with aggregations it has a default"}},
		"short schedule":     {func(v *feature.BatchFeatureView) { v.BatchSchedule = 30e9 }, []string{ofView + "batch_schedule: is 30s, want whole seconds from 1m to 31d"}},
		"long schedule":      {func(v *feature.BatchFeatureView) { v.BatchSchedule = 32 * day }, []string{ofView + "batch_schedule: is 32d, want whole seconds from 1m to 31d"}},
		"negative ttl":       {func(v *feature.BatchFeatureView) { v.TTL = -hour }, []string{ofView + "ttl: is -1h, want whole seconds from 1s to 36500d, or none to serve a row for ever"}},
		"ttl of less":        {func(v *feature.BatchFeatureView) { v.TTL = 1 }, []string{ofView + "ttl: is 0.000000001s, want whole seconds from 1s to 36500d, or none to serve a row for ever"}},
		"keys and time only": {result(), []string{sql + "the SQL returns no feature: without aggregations, features are its columns other than origin, departure"}},
		"sign":               {result("count(1)"), []string{sql + `"count(1)" must be letters, digits and underscores, not starting with a digit: rename it in the SQL`}},
		"reserved":           {result("time_partition"), []string{sql + `"time_partition" is taken by the partition of the offline table: rename it in the SQL`}},
		"upper and lower case": {result("a", "A", "Origin"), []string{
			sql + `the SQL returns "a" and "A", which stores do not tell apart: rename one`,
			sql + `the SQL returns "origin" and "Origin", which stores do not tell apart: rename one`,
		}},
		"arrays": {func(v *feature.BatchFeatureView) {
			v.Schema[2].Type, v.Schema[3].Type = feature.ArrayOf(feature.Int64), feature.ArrayOf(feature.ArrayOf(feature.Float32))
		}, nil},
		"array of timestamps": {func(v *feature.BatchFeatureView) { v.Schema[2].Type = feature.ArrayOf(feature.Timestamp) }, []string{
			sql + `the SQL returns "delay" as Array[Timestamp]: arrays of timestamps are not supported`,
		}},
		"many": {result(many...), []string{sql + "the SQL returns 1001 features, at most 1000 are allowed"}},
		"timestamp": {func(v *feature.BatchFeatureView) { v.TimestampField, v.Schema = "date of flight", nil }, []string{
			ofView + `timestamp_field: "date of flight" must be letters, digits and underscores, not starting with a digit: rename it in the SQL`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, inRows(c.change))
		})
	}
}
