package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const deviceReadings = "device_readings"

// deviceDefinitions are those of a small view; the verbs stand for more of the
// source's configuration and of the view.
const deviceDefinitions = `
kind: Entity
name: device
join_keys: [{name: device, type: String}]
---
kind: BatchSource
name: readings
batch_config: {uri: "*.parquet", file_format: parquet, timestamp_field: ts%s}
schema: [{name: device, type: String}, {name: ts, type: Timestamp}, {name: reading, type: Int64}]
---
kind: BatchFeatureView
name: device_readings
entities: [device]
sources: [readings]
mode: sql
transformation: SELECT device, ts, reading FROM readings
timestamp_field: ts
aggregation_interval: 1h
feature_start_time: 2001-01-02T00:00:00Z
online: true
offline: true
aggregations:
  - {column: reading, function: count, time_window: 1d}
  - {column: reading, function: sum, time_window: 1d}
  - {column: reading, function: max, time_window: 1h}
%s
`

// deviceRepository makes a directory with the definitions.
func deviceRepository(t *testing.T, source, view string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "features.yaml"), fmt.Appendf(nil, deviceDefinitions, source, view), 0o600))
	return dir
}
