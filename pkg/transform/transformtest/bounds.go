package transformtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

func testBounds(t *testing.T, engine transform.Engine) {
	q := query(`SELECT '$start_time' AS id, $START_TIME AS ts, -- the $end_time
			CAST(COUNT(*) FILTER (WHERE ts >= $start_time AND ts < $end_time) AS BIGINT) AS n FROM events`,
		events, writeEvents(t, at(t, "2001-01-01"), 100))
	q.Interval = window.Interval{Start: at(t, "2001-01-01 00:00:10"), End: at(t, "2001-01-01 00:00:20")}
	q.Tables[0].Interval.Start = at(t, "2001-01-01")
	require.Equal(t, []string{"$start_time|2001-01-01T00:00:10Z|10"}, rows(t, engine, q))

	described, err := engine.Describe(t.Context(), q.SQL, q.Tables)
	require.NoError(t, err)
	require.Equal(t, events, described.Schema)
	require.True(t, described.UsesBounds)
	require.False(t, described.RowWise)

	described, err = engine.Describe(t.Context(), "SELECT '$start_time' AS id, ts, n FROM events", q.Tables)
	require.NoError(t, err)
	require.False(t, described.UsesBounds)

	described, err = engine.Describe(t.Context(), "SELECT id, ts, n FROM events WHERE ts >= $start_time", q.Tables)
	require.NoError(t, err)
	require.False(t, described.RowWise)
	require.Contains(t, described.NotRowWise, "$start_time")

	_, err = engine.Describe(t.Context(), "SELECT id, ts, n FROM events WHERE ts >= $begin", q.Tables)
	require.ErrorIs(t, err, transform.ErrSQL)
	require.ErrorContains(t, err, "$begin")
	require.ErrorContains(t, err, "$start_time")
}

// rowWise are statements over events of which every engine knows that they are
// row-wise, and others that must never pass for it.
var rowWise = map[string]bool{
	"SELECT * FROM events": true,
	"SELECT id, ts, n FROM events AS e WHERE e.n > 3 AND id LIKE 'k%'":                                                     true,
	"SELECT UPPER(id) AS id, ts, n * 2 + 1 AS n FROM events":                                                               true,
	"SELECT ts, CASE WHEN n BETWEEN 1 AND 2 THEN 1 WHEN n IN (5, 7) THEN NULL ELSE CAST(n AS BIGINT) END AS n FROM events": true,
	"SELECT COALESCE(id, 'none') AS id, ts, NULLIF(n, 0) AS n FROM events WHERE n IS NOT NULL OR NOT n = 4":                true,

	"SELECT DISTINCT id, ts, n FROM events":                                            false,
	"SELECT id, ts, n FROM events ORDER BY ts, id, n LIMIT 10":                         false,
	"SELECT id, MAX(ts) AS ts, COUNT(*) AS n FROM events GROUP BY id":                  false,
	"SELECT MAX(ts) AS ts FROM events":                                                 false,
	"SELECT id, ts, n FROM events GROUP BY id, ts, n HAVING n > 1":                     false,
	"SELECT id, ts, ROW_NUMBER() OVER (PARTITION BY id ORDER BY ts) AS n FROM events":  false,
	"SELECT a.id, a.ts, b.n FROM events AS a JOIN events AS b ON a.id = b.id":          false,
	"SELECT a.id, a.ts, b.n FROM events AS a, events AS b WHERE a.n = b.n":             false,
	"SELECT id, ts, (SELECT MAX(n) FROM events) AS n FROM events":                      false,
	"SELECT id, ts, n FROM events WHERE n IN (SELECT n FROM events WHERE n > 3)":       false,
	"SELECT id, ts, n FROM events UNION ALL SELECT id, ts, n FROM events":              false,
	"SELECT 'a' AS id, TIMESTAMP '2001-01-01 00:00:00' AS ts, CAST(1 AS BIGINT) AS n":  false,
	"SELECT id, ts + INTERVAL '1' HOUR AS ts, n FROM events":                           false,
	"SELECT id, TIMESTAMP '2001-01-01 00:00:00' AS ts, n FROM events":                  false,
	"SELECT id, ts AS before, ts + INTERVAL '1' HOUR AS ts, n FROM events":             false,
	"SELECT id, ts, n FROM (SELECT id, MAX(ts) AS ts, 1 AS n FROM events GROUP BY id)": false,
}

func testRowWise(t *testing.T, engine transform.Engine) {
	tables := query("", nil).Tables
	for sql, want := range rowWise {
		described, err := engine.Describe(t.Context(), sql, tables)
		require.NoError(t, err, sql)
		require.Equal(t, want, described.RowWise, "%s: %s", sql, described.NotRowWise)
		require.Equal(t, want, described.NotRowWise == "", sql)
		require.False(t, described.UsesBounds)
	}
}

// testSplit runs what is row-wise over a range at once and window by window.
func testSplit(t *testing.T, engine transform.Engine) {
	start := at(t, "2001-01-01")
	file := writeEvents(t, start, 60)
	run := func(sql string, i window.Interval) []string {
		q := query(sql, nil, file)
		described, err := engine.Describe(t.Context(), sql, q.Tables)
		require.NoError(t, err)
		q.Output, q.Interval, q.Tables[0].Interval = described.Schema, i, i
		return rows(t, engine, q)
	}
	for sql, splits := range rowWise {
		if !splits {
			continue
		}
		whole := run(sql, window.Interval{Start: start, End: start.Add(time.Minute)})
		require.NotEmpty(t, whole, sql)
		var parts []string
		for _, w := range (window.Interval{Start: start, End: start.Add(time.Minute)}).Split(20 * time.Second) {
			parts = append(parts, run(sql, w)...)
		}
		require.ElementsMatch(t, whole, parts, sql)
	}
}
