package duckdb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
)

func TestRowWiseReasonsNameTheConstruct(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"FROM events": "",
		"SELECT * EXCLUDE (n), n::VARCHAR AS v FROM events WHERE ts >= TIMESTAMP '2001-01-01' ORDER BY n":                         "",
		"SELECT id, ts, len(list_transform([n], lambda x: x + 1)) AS l, split_part(id, 'k', 1) AS s, fdiv(n, 2) AS q FROM events": "",
		"SELECT id, ts, n IS DISTINCT FROM 3 AS a, id SIMILAR TO 'k.*' AS b, NOT contains(id, 'a') AS c FROM events":              "",
		"SELECT events.ts AS at, hash(id) % 10 = 1 AS sampled, id COLLATE NOCASE AS id FROM events":                               "",
		"SELECT json_extract_string(id, '$.a') AS a, list_sum([n, 2])::BIGINT AS s, #1 AS again FROM events":                      "",

		"SELECT id,\n ts,\n sum(n)::BIGINT AS n FROM events GROUP BY ALL":                      "it has a GROUP BY",
		"SELECT 1 AS a,\n max(ts) AS ts\nFROM events":                                          "line 2: function max is not of one row",
		"SELECT geomean(n) AS g FROM events":                                                   "line 1: function geomean is not of one row",
		"SELECT wavg(n, n) AS g FROM events":                                                   "line 1: function wavg is not of one row",
		"SELECT id, ts, unnest([1, 2]) AS n FROM events":                                       "line 1: function unnest is not of one row",
		"SELECT id, ts,\n lag(n) OVER (ORDER BY ts) AS n FROM events":                          "line 2: window function lag",
		"SELECT id FROM events QUALIFY row_number() OVER (ORDER BY ts) = 1":                    "it has a QUALIFY",
		"SELECT DISTINCT id FROM events":                                                       "it has a DISTINCT",
		"SELECT id FROM events ORDER BY id LIMIT 1":                                            "it has a LIMIT",
		"SELECT a.id FROM events a\nJOIN events b USING (id)":                                  "line 2: a join",
		"SELECT a.id FROM events a, generate_series(1, 2) b":                                   "a join",
		"SELECT id FROM (FROM events) AS e":                                                    "a subquery",
		"WITH e AS (FROM events) FROM e":                                                       "it has a WITH",
		"FROM events UNION BY NAME FROM events":                                                "it is a set operation (union by name)",
		"FROM events INTERSECT FROM events":                                                    "it is a set operation (intersect)",
		"VALUES (1)":                                                                           "it does not read one source alone",
		"SELECT 1 AS a":                                                                        "it does not read one source alone",
		"FROM range(3)":                                                                        "it does not read one source alone",
		"SELECT id, n = $end_time::VARCHAR::BIGINT AS x FROM events":                           "it uses $end_time",
		"SELECT b AS ts FROM events AS e(a, b)":                                                "line 1: columns are renamed in FROM",
		"SELECT * REPLACE (ts + INTERVAL 1 HOUR AS ts) FROM events":                            "its columns cannot be told apart: write them with one * at most, without COLUMNS, REPLACE and RENAME",
		"SELECT * EXCLUDE (ts, n), ts + INTERVAL 1 HOUR AS ts, * EXCLUDE (ts, id) FROM events": `column "ts" is another timestamp than "ts" of events, so that rows may move between windows`,
		"SELECT COLUMNS('n|ts') FROM events":                                                   "its columns cannot be told apart: write them with one * at most, without COLUMNS, REPLACE and RENAME",
		"SELECT * EXCLUDE (ts, n), n, * EXCLUDE (id, n) FROM events":                           "its columns cannot be told apart: write them with one * at most, without COLUMNS, REPLACE and RENAME",
		"SELECT *, ts AS same, ts::TIMESTAMPTZ AS zoned FROM events":                           `column "zoned" is another timestamp than "ts" of events, so that rows may move between windows`,
	} {
		t.Run(sql, func(t *testing.T) {
			described, err := describe(sql)
			require.NoError(t, err)
			require.Equal(t, want, described.NotRowWise)
			require.Equal(t, want == "", described.RowWise)
		})
	}
}

// Without a timestamp the source is the same for every window, so that the
// result's alone decides.
func TestTimestampsMayMoveOverAWholeSource(t *testing.T) {
	t.Parallel()
	tables := query("", nil).Tables
	tables[0].TimestampField = ""
	described, err := duckdb.Engine{}.Describe(t.Context(), "SELECT id, ts + INTERVAL 1 HOUR AS ts FROM events", tables)
	require.NoError(t, err)
	require.True(t, described.RowWise, described.NotRowWise)
}

func TestASecondTimestampOfTheSourceMayBeTheResults(t *testing.T) {
	t.Parallel()
	tables := query("", nil).Tables
	tables[0].Schema = append(events[:3:3], feature.Field{Name: "arrived", Type: feature.Timestamp})
	for sql, want := range map[string]bool{
		"FROM events":                                false,
		"SELECT * EXCLUDE (arrived) FROM events":     true,
		"SELECT id, ts, n FROM events":               true,
		"SELECT id, arrived AS ts, n FROM events":    false,
		"SELECT id, ts, arrived AS n FROM events":    false,
		"SELECT id, events.arrived AS x FROM events": false,
	} {
		described, err := duckdb.Engine{}.Describe(t.Context(), sql, tables)
		require.NoError(t, err)
		require.Equal(t, want, described.RowWise, sql)
	}
}

func TestBoundsAreFoundWhereTheyStand(t *testing.T) {
	t.Parallel()
	q := query("", feature.Schema{{Name: "a", Type: feature.String}, {Name: "ts", Type: feature.Timestamp}})
	q.SQL = `/* $start_time */ SELECT 'it''s $start_time' || "$end_time" AS a, -- $end_time
		$start_time::TIMESTAMP AS ts FROM (SELECT n$start_time::VARCHAR AS "$end_time" FROM (SELECT 1 AS n$start_time)) WHERE $END_time > $start_time`
	require.Equal(t, int64(1), count(t, q))

	for _, sql := range []string{
		"SELECT $$ $start_time $$ AS a, $start_time AS ts",
		`SELECT E'\' $start_time' AS a, $start_time AS ts`,
		"SELECT 'a' AS a, $1 AS ts",
		"SELECT 'a' AS a, ? AS ts",
		"SELECT 'a' AS a, $start_time AS ts WHERE $2 = 1",
		"SELECT 'a' AS a, $start_times AS ts",
	} {
		q.SQL = sql
		_, err := duckdb.Engine{}.Run(t.Context(), q, nil)
		require.ErrorIs(t, err, transform.ErrSQL, sql)
	}
}
