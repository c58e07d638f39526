package duckdb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
)

// attacks are statements that reach outside their sources. DIR is a directory
// that must stay empty, FILE the source's own file.
var attacks = []string{
	"SELECT * FROM read_csv('/etc/passwd')",
	"SELECT * FROM read_text('/etc/passwd')",
	"SELECT * FROM '/etc/passwd'",
	"SELECT * FROM glob('/etc/*')",
	"SELECT * FROM read_parquet('FILE')",
	"SELECT * FROM 'FILE'",
	"WITH \"FILE\" AS (SELECT 1) SELECT * FROM \"FILE\", read_blob('/etc/passwd')",
	"SELECT (SELECT content FROM read_text('/etc/passwd')) AS id FROM events",
	"COPY (SELECT 1) TO 'DIR/out.csv'",
	"COPY events TO 'FILE'",
	"EXPORT DATABASE 'DIR/export'",
	"ATTACH 'DIR/other.db'",
	"INSTALL httpfs",
	"LOAD httpfs",
	"LOAD 'DIR/x.duckdb_extension'",
	"SET enable_external_access = true",
	"SET threads = 64",
	"RESET memory_limit",
	"PRAGMA enable_profiling",
	"CALL enable_logging('QueryLog', storage = 'file', storage_path = 'DIR/log')",
	"SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = 'DIR/log')",
	"SELECT * FROM enable_profiling(save_location = 'DIR/profile.json')",
	"SELECT * FROM query('COPY (SELECT 1) TO ''DIR/out.csv''')",
	"SELECT * FROM query('SELECT random()')",
	"SELECT * FROM query_table('events')",
	"SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
	"SELECT * FROM arrow_scan(1, 2, 3)",
	"SELECT * FROM duckdb_settings()",
	"SELECT * FROM duckdb_views",
	"SELECT * FROM information_schema.tables",
	"SELECT * FROM tilery.result",
	"SELECT current_setting('allowed_paths') AS s",
	"DESCRIBE events",
	"SUMMARIZE events",
	"FROM (SHOW TABLES)",
	"CREATE OR REPLACE VIEW events AS SELECT 1",
	"SELECT * FROM events; COPY events TO 'DIR/out.csv'",
	"SELECT 1 AS a; DROP VIEW events; --",
	"BEGIN",
	"PREPARE p AS SELECT 1",
	"CHECKPOINT",
	"CREATE SECRET (TYPE s3)",
}

func TestStatementsReachTheirSourcesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "events.parquet")
	writeParquet(t, file, "SELECT 'a' AS id, TIMESTAMP '2001-01-01' AS ts, 1::BIGINT AS n")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, attack := range attacks {
		sql := strings.NewReplacer("DIR", dir, "FILE", file).Replace(attack)
		_, err := describe(sql)
		require.ErrorIs(t, err, transform.ErrSQL, sql)
		q := query(sql, events, file)
		q.Limits.TempDir = t.TempDir()
		_, err = duckdb.Engine{}.Run(t.Context(), q, func(arrow.Record) error { return nil })
		require.ErrorIs(t, err, transform.ErrSQL, sql)
	}
	written, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, written)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestUnstableChoicesAreRefused(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT * FROM events LIMIT 10":                                   "LIMIT without ORDER BY",
		"SELECT * FROM events LIMIT 10%":                                  "LIMIT without ORDER BY",
		"SELECT (SELECT n FROM events LIMIT 1) AS n FROM events":          "LIMIT without ORDER BY",
		"SELECT DISTINCT ON (id) * FROM events":                           "DISTINCT ON without ORDER BY",
		"SELECT * FROM events USING SAMPLE 10%":                           "a sample differs",
		"SELECT * FROM events TABLESAMPLE reservoir(20)":                  "a sample differs",
		"SELECT age(ts) AS a FROM events":                                 "age of one timestamp",
		"SELECT ts - localtimestamp AS a FROM events":                     "localtimestamp",
		"SELECT CURRENT_DATE AS a FROM events":                            "current_date",
		"SELECT system.main.now() AS a":                                   "function now",
		"SELECT list_transform([n], lambda x: random()) AS a FROM events": "function random",
		"SELECT id FROM events ORDER BY random()":                         "function random",
		"SELECT sum(n) FILTER (WHERE random() < 0.5) AS a FROM events":    "function random",
		"SELECT sum(random()) OVER () AS a FROM events":                   "function random",
		"SELECT n FROM events GROUP BY n, uuid() HAVING 1 = 1":            "function uuid",
		"SELECT ago(INTERVAL 1 DAY) AS a":                                 "function ago",
		"SELECT nextval('s') AS a":                                        "function nextval",
	} {
		_, err := describe(sql)
		require.ErrorIs(t, err, transform.ErrSQL, sql)
		require.ErrorContains(t, err, want, sql)
	}
}

// A column may be called like a function that needs no parentheses.
func TestColumnsMayHaveTheNamesOfFunctions(t *testing.T) {
	t.Parallel()
	tables := query("", nil).Tables
	tables[0].Schema = append(events[:3:3], events[0])
	tables[0].Schema[3].Name = "current_date"
	described, err := duckdb.Engine{}.Describe(t.Context(), `SELECT "current_date" FROM events`, tables)
	require.NoError(t, err)
	require.Equal(t, tables[0].Schema[3:], described.Schema)
}
