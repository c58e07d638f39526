package duckdb_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/transform/transformtest"
	"github.com/tilery/tilery/pkg/window"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	transformtest.Run(t, duckdb.Engine{})
}

var events = feature.Schema{
	{Name: "id", Type: feature.String},
	{Name: "ts", Type: feature.Timestamp},
	{Name: "n", Type: feature.Int64},
}

// query returns a query over "events" of the given files, without bounds of time.
func query(sql string, output feature.Schema, files ...string) transform.Query {
	always := window.Interval{Start: window.MinTime, End: window.MaxTime}
	return transform.Query{
		SQL:            sql,
		Tables:         []transform.Table{{Name: "events", Schema: events, TimestampField: "ts", Interval: always, Files: transformtest.Files(files...)}},
		Output:         output,
		TimestampField: "ts",
		Interval:       always,
		Limits:         transform.Limits{MemoryBytes: 256 << 20, Threads: 2},
	}
}

func describe(sql string) (transform.Description, error) {
	return duckdb.Engine{}.Describe(context.Background(), sql, query("", nil).Tables)
}

func count(t *testing.T, q transform.Query) int64 {
	t.Helper()
	stats, err := duckdb.Engine{}.Run(t.Context(), q, func(arrow.Record) error { return nil })
	require.NoError(t, err)
	return stats.Rows
}

func TestDialectIsAccepted(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"FROM events",
		"/* first */ SELECT * FROM events; -- last",
		"(SELECT * FROM events)",
		"VALUES (1, 'a')",
		"SELECT * EXCLUDE (n) FROM Events",
		"SELECT id, sum(n) OVER (PARTITION BY id ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)::BIGINT AS s FROM events",
		"SELECT id, ts FROM events QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC, n) = 1",
		"SELECT DISTINCT ON (id) * FROM events ORDER BY id, ts DESC, n",
		"SELECT * FROM events ORDER BY ts, id, n LIMIT 10 OFFSET 2",
		"SELECT a.id, b.n FROM events a ASOF LEFT JOIN events b ON a.id = b.id AND a.ts >= b.ts",
		"WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 10) SELECT i, id FROM r, events",
		"SELECT id, len(list_transform([n], lambda x: x + 1)) AS l, len([x FOR x IN [n] IF x > 1]) AS m FROM events",
		"SELECT id, unnest(range(3)) AS i, g.generate_series FROM events, generate_series(1, 2) AS g",
		"SELECT id, epoch_ms(time_bucket(INTERVAL 1 HOUR, ts)) AS h, hash(id) % 10 = 1 AS sampled FROM events",
		"SELECT * FROM events PIVOT (max(n) FOR id IN ('a', 'b'))",
		"SELECT id, ts, age(ts, TIMESTAMP '2001-01-01')::VARCHAR AS a FROM events GROUP BY ALL",
		"SELECT id, json_extract_string(id, '$.random') AS j, 'now() random()' AS text FROM events",
		"SELECT CASE WHEN n < 0 THEN error('negative')::BIGINT ELSE n END AS n FROM events",
	} {
		_, err := describe(sql)
		require.False(t, err != nil && !strings.Contains(err.Error(), "no feature has"), "%s: %v", sql, err)
	}
}

func TestDescribeSaysWhichCastToWrite(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"sum(n)":                              `CAST("v" AS BIGINT)`,
		"n::UBIGINT":                          `CAST("v" AS BIGINT)`,
		"1.50":                                `CAST("v" AS DOUBLE)`,
		"max(ts)::DATE":                       `CAST("v" AS TIMESTAMP)`,
		"max(ts)::TIME":                       `CAST("v" AS VARCHAR)`,
		"md5(id)::UUID":                       `CAST("v" AS VARCHAR)`,
		"id::BLOB":                            `hex("v")`,
		"list(1.50)":                          `CAST("v" AS DOUBLE[])`,
		"list([n::HUGEINT])":                  `CAST("v" AS BIGINT[][])`,
		"list(ts)":                            `CAST("v" AS VARCHAR[])`,
		"list({'a': n})":                      `CAST(to_json("v") AS VARCHAR)`,
		"[[[[n]]]]":                           `CAST(to_json("v") AS VARCHAR)`,
		"{'a': n}":                            `CAST(to_json("v") AS VARCHAR)`,
		"MAP {id: n}":                         `CAST(to_json("v") AS VARCHAR)`,
		"id::JSON":                            `CAST("v" AS VARCHAR)`,
		"ts - ts":                             `CAST("v" AS VARCHAR)`,
		"id::ENUM ('a')":                      `CAST("v" AS VARCHAR)`,
		"histogram(n)":                        `CAST(to_json("v") AS VARCHAR)`,
		"quantile_disc(n::DECIMAL(9,2), 0.5)": `CAST("v" AS DOUBLE)`,
	} {
		_, err := describe("SELECT " + expression + " AS v FROM events")
		require.ErrorIs(t, err, transform.ErrSQL, expression)
		require.ErrorContains(t, err, "write "+want+` AS "v"`, expression)

		// The advice is SQL that works.
		fixed := `SELECT ` + want + ` AS v FROM (SELECT ` + expression + ` AS v FROM events)`
		_, err = describe(fixed)
		require.NoError(t, err, fixed)
	}
}

func TestErrorsTellWhereTheStatementIsWrong(t *testing.T) {
	t.Parallel()
	_, err := describe("SELECT id,\n  nn FROM events")
	require.ErrorIs(t, err, transform.ErrSQL)
	require.ErrorContains(t, err, "LINE 2:   nn FROM events")
	require.ErrorContains(t, err, `Candidate bindings: "n"`)
}

// TestPathsAreLiteral stores one row under a name that DuckDB would read as a
// pattern or as SQL, beside a decoy that the pattern matches.
func TestPathsAreLiteral(t *testing.T) {
	t.Parallel()
	for name, decoy := range map[string]string{
		`plain.parquet`:              `other.parquet`,
		`it's "quoted".parquet`:      `its quoted.parquet`,
		`day[12].parquet`:            `day1.parquet`,
		`day*.parquet`:               `day2.parquet`,
		`day?.parquet`:               `day3.parquet`,
		`**.parquet`:                 `a.parquet`,
		`{a,b}.parquet`:              `a.parquet`,
		`50% off; -- $x {y}.parquet`: `50.parquet`,
		`é 表.parquet`:                `e.parquet`,
		`id=other/ts=2001/x.parquet`: `y.parquet`,
		`no suffix`:                  `no`,
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		writeParquet(t, file, "SELECT 'a' AS id, TIMESTAMP '2001-01-01' AS ts, 1::BIGINT AS n")
		writeParquet(t, filepath.Join(dir, decoy), "SELECT 'b' AS id, TIMESTAMP '2001-01-01' AS ts, i AS n FROM range(5) r(i)")
		require.Equal(t, int64(1), count(t, query("SELECT * FROM events WHERE id = 'a' AND n = 1", events, file)), name)
		require.Equal(t, int64(1), count(t, query("SELECT * FROM events", events, file)), name)
	}
}

func TestSourceNamesAreLiteral(t *testing.T) {
	t.Parallel()
	q := query(`SELECT "a ""b"".c" AS id, ts, n FROM "select; -- ""x"""`, events)
	q.Tables[0].Name = `select; -- "x"`
	q.Tables[0].Schema = feature.Schema{{Name: `a "b".c`, Type: feature.String}, events[1], events[2]}
	require.Zero(t, count(t, q))
}

func TestSpillLetsABigSortFinish(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "wide.parquet")
	writeParquet(t, file, `SELECT repeat(md5(i::VARCHAR), 4) AS id, TIMESTAMP '2001-01-01' AS ts, i AS n FROM range(1500000) r(i)`)
	q := query("SELECT id, ts, row_number() OVER (ORDER BY id) AS n FROM events", events, file)
	q.Limits = transform.Limits{MemoryBytes: 300 << 20, Threads: 1, TempDir: t.TempDir()}
	spilled := false
	stats, err := duckdb.Engine{}.Run(t.Context(), q, func(arrow.Record) error {
		files, err := filepath.Glob(filepath.Join(q.Limits.TempDir, "*", "*"))
		spilled = spilled || len(files) > 0
		return err
	})
	require.NoError(t, err)
	require.True(t, spilled)
	require.Equal(t, int64(1_500_000), stats.Rows)
}

// A damaged page far into a file ends the run with an error, not with fewer rows.
func TestDamagedFilesAreErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "damaged.parquet")
	writeParquet(t, file, "SELECT md5(i::VARCHAR) AS id, TIMESTAMP '2001-01-01' AS ts, i AS n FROM range(1000000) r(i)")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	damage := len(content) * 3 / 4
	for i := range 4096 {
		content[damage+i] ^= 0xa5
	}
	require.NoError(t, os.WriteFile(file, content, 0o600))
	records := 0
	_, err = duckdb.Engine{}.Run(t.Context(), query("SELECT * FROM events", events, file), func(arrow.Record) error {
		records++
		return nil
	})
	require.Error(t, err)
	require.Positive(t, records)
	require.ErrorContains(t, err, file)
}

// TestVectorsOfEveryKindArrive runs results whose vectors DuckDB holds as
// constants, sequences and dictionaries.
func TestVectorsOfEveryKindArrive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "repeated.parquet")
	writeParquet(t, file, `SELECT CASE WHEN i % 3 = 2 THEN NULL ELSE 'a long key of number ' || i % 3 END AS id,
		TIMESTAMP '2001-01-01' + INTERVAL 1 SECOND * i AS ts, i AS n FROM range(100000) r(i)`)
	schema := append(events[:3:3], feature.Field{Name: "same", Type: feature.String}, feature.Field{Name: "none", Type: feature.Int64})
	q := query("SELECT *, 'a constant beyond twelve bytes' AS same, NULL AS none FROM events", schema, file)
	rows := 0
	_, err := duckdb.Engine{}.Run(t.Context(), q, func(r arrow.Record) error {
		for i := range int(r.NumRows()) {
			n := r.Column(2).(*array.Int64).Value(i)
			want := [3]string{"a long key of number 0", "a long key of number 1", "(null)"}[n%3]
			if r.Column(0).ValueStr(i) != want || r.Column(3).ValueStr(i) != "a constant beyond twelve bytes" || r.Column(4).IsValid(i) {
				return fmt.Errorf("row %d is wrong", n)
			}
			rows++
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 100_000, rows)
}
