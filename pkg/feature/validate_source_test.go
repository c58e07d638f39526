package feature_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

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
		"no format":             {config(func(c *feature.FileConfig) { c.FileFormat = "" }), []string{at + ".file_format: is required, one of parquet, csv, json, delta"}},
		"format":                {config(func(c *feature.FileConfig) { c.FileFormat = "orc" }), []string{at + `.file_format: "orc" is not supported, want one of parquet, csv, json, delta`}},
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
		"array in csv": {func(r *feature.Repository) {
			r.BatchSources[0].BatchConfig.FileFormat = feature.CSV
			r.BatchSources[0].Schema[2].Type = feature.ArrayOf(feature.Float32)
		}, []string{"BatchSource flights: schema[2].type: Array[Float32]: a field of a csv file holds no array: leave the column out, or use json or parquet"}},
		"array of timestamps": {func(r *feature.Repository) { r.BatchSources[0].Schema[2].Type = feature.ArrayOf(feature.Timestamp) }, []string{
			"BatchSource flights: schema[2].type: Array[Timestamp]: arrays of timestamps are not supported",
		}},
		"many columns": {func(r *feature.Repository) {
			for i := range 1000 {
				r.BatchSources[0].Schema = append(r.BatchSources[0].Schema, feature.Field{Name: fmt.Sprint("c", i), Type: feature.Bool})
			}
		}, []string{"BatchSource flights: schema: 1004 columns, at most 1000 are allowed"}},
	})
}

func TestSourcesMayHaveArraysAndNarrowNumbers(t *testing.T) {
	for format, types := range map[feature.FileFormat][]feature.Type{
		feature.CSV:     {feature.Int32, feature.Float32},
		feature.JSON:    {feature.Int32, feature.Float32, feature.ArrayOf(feature.Int64)},
		feature.Parquet: {feature.ArrayOf(feature.String), feature.ArrayOf(feature.ArrayOf(feature.Float32))},
	} {
		r := valid()
		r.BatchSources[0].BatchConfig.FileFormat = format
		for i, column := range types {
			r.BatchSources[0].Schema = append(r.BatchSources[0].Schema, feature.Field{Name: fmt.Sprint("c", i), Type: column})
		}
		require.Empty(t, problems(r), format)
	}
}

func TestValidatePartitionColumns(t *testing.T) {
	nested := func(parts ...string) []string {
		r := valid()
		for _, part := range parts {
			r.BatchSources[0].BatchConfig.DatetimePartitionColumns = append(r.BatchSources[0].BatchConfig.DatetimePartitionColumns,
				feature.DatetimePartitionColumn{ColumnName: "by_" + part, Datepart: part})
		}
		return problems(r)
	}
	for _, parts := range [][]string{{}, {"year"}, {"year", "month"}, {"year", "month", "day"}, {"year", "month", "day", "hour"}, {"date"}, {"date", "hour"}} {
		require.Empty(t, nested(parts...), "%v", parts)
	}
	for _, parts := range [][]string{{"month"}, {"year", "day"}, {"month", "year"}, {"hour", "date"}, {"date", "day"}, {"week"}, {""}} {
		require.Len(t, nested(parts...), 1, "%v", parts)
	}
}
