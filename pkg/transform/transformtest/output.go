package transformtest

import (
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// refuse is the callback of runs that must fail before it is called.
func refuse(arrow.Record) error { return errors.New("no record was expected") }

func testOutputInterval(t *testing.T, engine transform.Engine) {
	q := query("SELECT * FROM events", events, boundaries(t))
	q.Interval = window.Interval{Start: at(t, "2001-01-01 00:00:01"), End: at(t, "2001-01-01 00:00:02")}
	want := []string{"b|2001-01-01T00:00:01Z|2", "c|2001-01-01T00:00:01.999999Z|3"}
	require.Equal(t, want, rows(t, engine, q))

	q.SQL = "SELECT id, CASE WHEN n = 2 THEN NULL ELSE ts END AS ts, n FROM events"
	require.Equal(t, want[1:], rows(t, engine, q), "a row without a timestamp belongs to no window")
}

func testOutputColumns(t *testing.T, engine transform.Engine) {
	q := query("SELECT * FROM events", events, boundaries(t))
	q.SQL = "SELECT n AS N, id AS \"key of it\", ts, n = 2 AS two FROM events -- with a remark"
	q.Output = feature.Schema{
		{Name: "two", Type: feature.Bool},
		{Name: "ts", Type: feature.Timestamp},
		{Name: "key of it", Type: feature.String},
	}
	require.Equal(t, []string{
		"false|2001-01-01T00:00:00.999999Z|a",
		"false|2001-01-01T00:00:01.999999Z|c",
		"false|2001-01-01T00:00:02Z|d",
		"true|2001-01-01T00:00:01Z|b",
	}, rows(t, engine, q))

	for _, wrong := range []feature.Field{
		{Name: "n", Type: feature.Int64},      // it is N
		{Name: "two", Type: feature.Int64},    // it is Bool
		{Name: "N", Type: feature.Float64},    // it is Int64
		{Name: "absent", Type: feature.Int64}, // it is not there
	} {
		q.Output = feature.Schema{{Name: "ts", Type: feature.Timestamp}, wrong}
		_, err := engine.Run(t.Context(), q, refuse)
		require.ErrorIs(t, err, transform.ErrSQL)
		require.ErrorContains(t, err, wrong.Name)
	}
}

func testDescribe(t *testing.T, engine transform.Engine) {
	q := query("", nil)
	described, err := engine.Describe(t.Context(), `
		SELECT id AS user_id, ts, n, n / 2.5e0 AS half, n > 1 AS "more", COUNT(*) OVER (PARTITION BY id) AS c,
			CAST(n AS INTEGER) AS small
		FROM events`, q.Tables)
	require.NoError(t, err)
	require.Equal(t, feature.Schema{
		{Name: "user_id", Type: feature.String},
		{Name: "ts", Type: feature.Timestamp},
		{Name: "n", Type: feature.Int64},
		{Name: "half", Type: feature.Float64},
		{Name: "more", Type: feature.Bool},
		{Name: "c", Type: feature.Int64},
		{Name: "small", Type: feature.Int64},
	}, described.Schema)

	for _, sql := range []string{
		"SELECT CAST(n AS DECIMAL(10, 2)) AS v FROM events",
		"SELECT CAST(ts AS DATE) AS v FROM events",
	} {
		_, err := engine.Describe(t.Context(), sql, q.Tables)
		require.ErrorIs(t, err, transform.ErrSQL)
		require.ErrorContains(t, err, "CAST(")
	}
}

func testDescribeWithoutFiles(t *testing.T, engine transform.Engine) {
	q := query("", nil, "/no/such/file.parquet")
	described, err := engine.Describe(t.Context(), "SELECT * FROM events", q.Tables)
	require.NoError(t, err)
	require.Equal(t, events, described.Schema)
}

func testWrongSQL(t *testing.T, engine transform.Engine) {
	tables := query("", nil).Tables
	for _, sql := range []string{
		"",
		"-- nothing",
		"SELEC * FROM events",
		"SELECT * FROM events WHERE",
		"SELECT nothing FROM events",
		"SELECT * FROM elsewhere",
		"SELECT nofunction(n) FROM events",
		"SELECT id + ts FROM events",
		"SELECT id, id FROM events",
		"SELECT 1 AS a) UNION (SELECT 2 AS a",
		"SELECT * FROM events; SELECT * FROM events",
		"SELECT * FROM events WHERE ts > $begin",
		"SELECT * FROM events WHERE n > ?",
		"SELECT * FROM events WHERE ts > $start_time AND n > $1",
		"DROP TABLE events",
		"INSERT INTO events VALUES ('a', NULL, 1)",
		"CREATE TABLE t (a INTEGER)",
		"EXPLAIN SELECT * FROM events",
	} {
		_, err := engine.Describe(t.Context(), sql, tables)
		require.ErrorIs(t, err, transform.ErrSQL, sql)
		_, err = engine.Run(t.Context(), query(sql, events), refuse)
		require.ErrorIs(t, err, transform.ErrSQL, sql)
	}
}

func testWrongValues(t *testing.T, engine transform.Engine) {
	q := query("SELECT id, ts, CAST(id AS BIGINT) AS n FROM events", events, writeEvents(t, at(t, "2001-01-01"), 10))
	_, err := engine.Describe(t.Context(), q.SQL, q.Tables)
	require.NoError(t, err)
	_, err = engine.Run(t.Context(), q, refuse)
	require.ErrorIs(t, err, transform.ErrSQL)
}

// testLateError meets a bad value after a million good ones have been handed out.
func testLateError(t *testing.T, engine transform.Engine) {
	good := writeEvents(t, at(t, "2001-01-01"), 1_000_000)
	bad := writeJSON(t, record.ArrowSchema(events), `[{"id": "k1000000", "ts": "2002-01-01", "n": -1}]`)
	for _, threads := range []int{1, 2} {
		q := query("SELECT id, ts, CASE WHEN n < 0 THEN CAST(id AS BIGINT) ELSE n END AS n FROM events", events, good, bad)
		q.Limits.Threads = threads
		_, err := engine.Run(t.Context(), q, func(arrow.Record) error { return nil })
		require.ErrorIs(t, err, transform.ErrSQL)
		require.ErrorContains(t, err, "k1000000")
	}
}

func testVolatile(t *testing.T, engine transform.Engine) {
	tables := query("", nil).Tables
	for _, sql := range []string{
		"SELECT current_timestamp AS v FROM events",
		"SELECT n FROM events WHERE ts < current_timestamp",
		"SELECT current_date AS v FROM events",
		"WITH w AS (SELECT rand.v FROM (SELECT random() AS v) AS rand) SELECT * FROM w",
		"SELECT uuid() AS v FROM events",
		"SELECT now() AS v FROM events",
	} {
		_, err := engine.Describe(t.Context(), sql, tables)
		require.ErrorIs(t, err, transform.ErrSQL, sql)
		require.ErrorContains(t, err, "run again", sql)
	}
}
