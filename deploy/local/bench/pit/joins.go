package main

import (
	"fmt"
	"path/filepath"
	"slices"
)

// join is one of the two that are measured.
type join struct {
	view       string
	definition string
	features   []string
	// statements of SQL, by name: %[1]s stands for the spine's file, %[2]s for the
	// files of the table, as a list.
	statements map[string]string
	feast      bool
}

// sides lists who makes the join: Tilery, each statement by each DuckDB, and Feast.
func (j join) sides(o options) []string {
	sides := []string{"tilery"}
	for statement := range j.statements {
		sides = append(sides, statement+"-embedded")
		if o.python != "" {
			sides = append(sides, statement+"-pypi")
		}
	}
	if j.feast && o.python != "" {
		sides = append(sides, "feast")
	}
	slices.Sort(sides[1:])
	return sides
}

// A row counts from the end of its day on, so the join is one on the day's start.
const asofSQL = `SELECT s.id, s.entity, s.instant, s.label, f.f_sum AS "rows.f_sum", f.f_count AS "rows.f_count", f.f_max AS "rows.f_max"
	FROM (SELECT *, date_trunc('day', instant) AS cut FROM read_parquet('%[1]s')) s
	ASOF LEFT JOIN read_parquet([%[2]s], hive_partitioning = false) f ON s.entity = f.entity AND s.cut > f.ts`

// One pass of window functions over tiles and the spine's hours.
const framesSQL = `WITH asked AS (SELECT *, epoch_us(instant) // 3600000000 AS h FROM read_parquet('%[1]s')),
	u AS (
		SELECT entity, epoch_us(tile_start) // 3600000000 AS h, sum_amount AS s, count_amount AS c, max_amount AS m, false AS ask
		FROM read_parquet([%[2]s], hive_partitioning = false)
		UNION ALL SELECT DISTINCT entity, h, NULL, NULL, NULL, true FROM asked
	),
	w AS (
		SELECT entity, h, ask,
			sum(s) OVER a AS s6, sum(c) OVER a AS c6, max(m) OVER a AS m6,
			sum(s) OVER b AS s24, sum(c) OVER b AS c24, max(m) OVER b AS m24,
			sum(s) OVER d AS s168, sum(c) OVER d AS c168, max(m) OVER d AS m168
		FROM u WINDOW
			a AS (PARTITION BY entity ORDER BY h RANGE BETWEEN 6 PRECEDING AND 1 PRECEDING),
			b AS (PARTITION BY entity ORDER BY h RANGE BETWEEN 24 PRECEDING AND 1 PRECEDING),
			d AS (PARTITION BY entity ORDER BY h RANGE BETWEEN 168 PRECEDING AND 1 PRECEDING)
	)
	SELECT asked.id, asked.entity, asked.instant, asked.label,` + windowColumns + `
	FROM asked LEFT JOIN (FROM w WHERE ask) w ON asked.entity = w.entity AND asked.h = w.h`

// A join of each hour that is asked for with all its tiles, aggregated.
const rangeSQL = `WITH asked AS (SELECT *, epoch_us(instant) // 3600000000 AS h FROM read_parquet('%[1]s')),
	t AS (
		SELECT entity, epoch_us(tile_start) // 3600000000 AS h, sum_amount AS s, count_amount AS c, max_amount AS m
		FROM read_parquet([%[2]s], hive_partitioning = false)
	),
	w AS (
		SELECT q.entity, q.h,
			sum(s) FILTER (t.h >= q.h - 6) AS s6, sum(c) FILTER (t.h >= q.h - 6) AS c6, max(m) FILTER (t.h >= q.h - 6) AS m6,
			sum(s) FILTER (t.h >= q.h - 24) AS s24, sum(c) FILTER (t.h >= q.h - 24) AS c24, max(m) FILTER (t.h >= q.h - 24) AS m24,
			sum(s) AS s168, sum(c) AS c168, max(m) AS m168
		FROM (SELECT DISTINCT entity, h FROM asked) q JOIN t ON q.entity = t.entity AND t.h < q.h AND t.h >= q.h - 168
		GROUP BY q.entity, q.h
	)
	SELECT asked.id, asked.entity, asked.instant, asked.label,` + windowColumns + `
	FROM asked LEFT JOIN w ON asked.entity = w.entity AND asked.h = w.h`

const windowColumns = `
		s6::BIGINT AS "windows.sum_6h", c6::BIGINT AS "windows.count_6h", m6 AS "windows.max_6h",
		s24::BIGINT AS "windows.sum_1d", c24::BIGINT AS "windows.count_1d", m24 AS "windows.max_1d",
		s168::BIGINT AS "windows.sum_7d", c168::BIGINT AS "windows.count_7d", m168 AS "windows.max_7d"`

var joins = map[string]join{
	"rows": {
		view: "rows", definition: rowsDefinition, features: []string{"f_sum", "f_count", "f_max"},
		statements: map[string]string{"asof": asofSQL}, feast: true,
	},
	"windows": {
		view: "windows", definition: windowsDefinition,
		features:   []string{"sum_6h", "count_6h", "max_6h", "sum_1d", "count_1d", "max_1d", "sum_7d", "count_7d", "max_7d"},
		statements: map[string]string{"frames": framesSQL, "range": rangeSQL},
	},
}

const entityDefinition = `kind: Entity
name: entity
join_keys: [{name: entity, type: String}]
---
`

const rowsDefinition = entityDefinition + `kind: BatchSource
name: rows_source
batch_config: {uri: rows-*.parquet, file_format: parquet, timestamp_field: ts}
schema:
  - {name: entity, type: String}
  - {name: ts, type: Timestamp}
  - {name: f_sum, type: Float64}
  - {name: f_count, type: Int64}
  - {name: f_max, type: Float64}
---
kind: BatchFeatureView
name: rows
entities: [entity]
sources: [rows_source]
mode: sql
transformation: SELECT entity, ts, f_sum, f_count, f_max FROM rows_source
timestamp_field: ts
feature_start_time: 2001-01-01T00:00:00Z
batch_schedule: 1d
online: false
offline: true
`

const windowsDefinition = entityDefinition + `kind: BatchSource
name: events
batch_config: {uri: events-*.parquet, file_format: parquet, timestamp_field: ts}
schema:
  - {name: entity, type: String}
  - {name: ts, type: Timestamp}
  - {name: amount, type: Int64}
---
kind: BatchFeatureView
name: windows
entities: [entity]
sources: [events]
mode: sql
transformation: SELECT entity, ts, amount FROM events
timestamp_field: ts
feature_start_time: 2001-01-01T00:00:00Z
batch_schedule: 1h
aggregation_interval: 1h
aggregations:
  - {column: amount, function: sum, time_window: 6h, name: sum_6h}
  - {column: amount, function: count, time_window: 6h, name: count_6h}
  - {column: amount, function: max, time_window: 6h, name: max_6h}
  - {column: amount, function: sum, time_window: 1d, name: sum_1d}
  - {column: amount, function: count, time_window: 1d, name: count_1d}
  - {column: amount, function: max, time_window: 1d, name: max_1d}
  - {column: amount, function: sum, time_window: 7d, name: sum_7d}
  - {column: amount, function: count, time_window: 7d, name: count_7d}
  - {column: amount, function: max, time_window: 7d, name: max_7d}
online: false
offline: true
`

// resultFile is where a side writes what it made.
func (o options) resultFile(join, side string) string {
	return filepath.Join(o.dir, fmt.Sprintf("result-%s-%s.parquet", join, side))
}
