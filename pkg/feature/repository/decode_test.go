package repository_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/window"
)

func TestFieldsOfEveryFormAreRead(t *testing.T) {
	parsed, err := repository.Parse([]repository.File{{Path: "a/b.yaml", Content: `kind: BatchSource
name: flights
prevent_destroy: true
batch_config:
  uri: flights
  file_format: delta
  timestamp_field: date
  delta_version: 0
schema: [{name: date, type: Timestamp}, {name: delay, type: Int64}, {name: origin, type: String}]
---
kind: BatchSource
name: weather
batch_config:
  uri: weather
  file_format: delta
  timestamp_field: date
  delta_version: ~
  delta_timestamp: 2001-02-01
schema: [{name: date, type: Timestamp}]
---
kind: BatchSource
name: prices
batch_config:
  uri: prices/*.csv
  file_format: csv
  timestamp_field: date
  datetime_partition_columns:
    - {column_name: year, datepart: year}
    - {column_name: m, datepart: month, zero_padded: true}
schema: [{name: date, type: Timestamp}]
---
kind: BatchFeatureView
name: delays
entities: [airport]
sources: [flights, {source: weather, start_time_offset: -1h30m}, {source: prices, start_time_offset: unbounded}]
mode: sql
transformation: SELECT 1
timestamp_field: date
feature_start_time: 2001-01-01
batch_schedule: 1d
batch_trigger: MANUAL
manual_trigger_backfill_end_time: 2002-01-01
online_serving_index: [origin]
ttl: 30d
---
kind: FeatureService
name: model
features:
  - delays
  - {feature_view: delays, features: [delay], join_key_map: {origin: hub}, namespace: first}
---
` + entity}})
	require.NoError(t, err)

	require.True(t, parsed.BatchSources[0].PreventDestroy)
	require.Equal(t, "a/b.yaml", parsed.BatchSources[0].DefinedIn)
	require.Equal(t, feature.FileConfig{URI: "flights", FileFormat: feature.Delta, TimestampField: "date", DeltaVersion: new(int64)}, parsed.BatchSources[0].BatchConfig)
	require.Equal(t, feature.FileConfig{URI: "weather", FileFormat: feature.Delta, TimestampField: "date", DeltaTimestamp: at(t, "2001-02-01")}, parsed.BatchSources[1].BatchConfig)
	require.Equal(t, []feature.DatetimePartitionColumn{
		{ColumnName: "year", Datepart: "year"}, {ColumnName: "m", Datepart: "month", ZeroPadded: true},
	}, parsed.BatchSources[2].BatchConfig.DatetimePartitionColumns)

	view := parsed.BatchFeatureViews[0]
	require.Equal(t, []feature.ViewSource{
		{Source: "flights"}, {Source: "weather", StartTimeOffset: -feature.Offset(90 * time.Minute)}, {Source: "prices", StartTimeOffset: feature.Unbounded},
	}, view.Sources)
	require.Equal(t, feature.Manual, view.BatchTrigger)
	require.Equal(t, at(t, "2002-01-01"), view.ManualTriggerBackfillEndTime)
	require.Equal(t, []string{"origin"}, view.OnlineServingIndex)
	require.Equal(t, 30*24*time.Hour, time.Duration(view.TTL))

	require.Equal(t, []feature.ServiceFeatures{
		{FeatureView: "delays"},
		{FeatureView: "delays", Features: []string{"delay"}, JoinKeyMap: map[string]string{"origin": "hub"}, Namespace: "first"},
	}, parsed.FeatureServices[0].Features)
}

func at(t *testing.T, text string) window.Time {
	parsed, err := window.Parse(text)
	require.NoError(t, err)
	return parsed
}
