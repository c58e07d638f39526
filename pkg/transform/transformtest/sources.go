package transformtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// testLayouts mixes files whose columns differ in type and order; the second
// holds a value that the first one's type could not.
func testLayouts(t *testing.T, engine transform.Engine) {
	narrow := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "n", Type: arrow.PrimitiveTypes.Int8},
		{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Millisecond}},
	}, nil)
	wide := arrow.NewSchema([]arrow.Field{
		{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_ns},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "other", Type: arrow.PrimitiveTypes.Float32},
	}, nil)
	q := query("SELECT * FROM events", events,
		writeJSON(t, narrow, `[{"id": "a", "n": 1, "ts": "2001-01-01"}]`),
		writeJSON(t, wide, `[{"id": "b", "n": 9000000000, "ts": "2001-01-02", "other": 1}]`),
		writeJSON(t, narrow, `[{"id": "c", "n": 3, "ts": "2001-01-03"}]`))
	require.Equal(t, []string{
		"a|2001-01-01T00:00:00Z|1",
		"b|2001-01-02T00:00:00Z|9000000000",
		"c|2001-01-03T00:00:00Z|3",
	}, rows(t, engine, q))
}

func testManyFiles(t *testing.T, engine transform.Engine) {
	files := make([]string, 150)
	for i := range files {
		files[i] = writeEvents(t, at(t, "2001-01-01"), 20)
	}
	q := query("SELECT id, MAX(ts) AS ts, SUM(n) AS n FROM events WHERE id = 'k3' GROUP BY id", events, files...)
	q.SQL = "SELECT id, ts, CAST(n AS BIGINT) AS n FROM (" + q.SQL + ") AS summed"
	require.Equal(t, []string{"k3|2001-01-01T00:00:13Z|2400"}, rows(t, engine, q))
}

func testNoFiles(t *testing.T, engine transform.Engine) {
	require.Empty(t, rows(t, engine, query("SELECT * FROM events", events)))

	q := query("SELECT 'all' AS id, TIMESTAMP '2001-01-01 00:00:00' AS ts, COUNT(*) AS n FROM events", events)
	require.Equal(t, []string{"all|2001-01-01T00:00:00Z|0"}, rows(t, engine, q))
}

func testEmptyFile(t *testing.T, engine transform.Engine) {
	empty := writeJSON(t, record.ArrowSchema(events), `[]`)
	require.Empty(t, rows(t, engine, query("SELECT * FROM events", events, empty)))
	full := writeEvents(t, at(t, "2001-01-01"), 1)
	require.Len(t, rows(t, engine, query("SELECT * FROM events", events, empty, full, empty)), 1)
}

// boundaries has one row on each side of both ends of [00:00:01, 00:00:02), and
// one without a timestamp.
func boundaries(t *testing.T) string {
	return writeJSON(t, record.ArrowSchema(events), `[
		{"id": "a", "ts": "2001-01-01 00:00:00.999999", "n": 1},
		{"id": "b", "ts": "2001-01-01 00:00:01", "n": 2},
		{"id": "c", "ts": "2001-01-01 00:00:01.999999", "n": 3},
		{"id": "d", "ts": "2001-01-01 00:00:02", "n": 4},
		{"id": "e", "ts": null, "n": 5}]`)
}

func testSourceInterval(t *testing.T, engine transform.Engine) {
	q := query("SELECT id, COALESCE(ts, TIMESTAMP '2001-01-01 00:00:00') AS ts, n FROM events", events, boundaries(t))
	q.Tables[0].Interval = window.Interval{Start: at(t, "2001-01-01 00:00:01"), End: at(t, "2001-01-01 00:00:02")}
	require.Equal(t, []string{
		"b|2001-01-01T00:00:01Z|2",
		"c|2001-01-01T00:00:01.999999Z|3",
	}, rows(t, engine, q))

	q.Tables[0].Interval.End = q.Tables[0].Interval.Start
	require.Empty(t, rows(t, engine, q))
}

func testWholeTable(t *testing.T, engine transform.Engine) {
	q := query("SELECT e.id, e.ts, d.n FROM events AS e JOIN names AS d ON e.id = d.id", events, boundaries(t))
	q.Tables = append(q.Tables, transform.Table{
		Name:   "names",
		Schema: feature.Schema{{Name: "id", Type: feature.String}, {Name: "n", Type: feature.Int64}},
		Files:  Files(writeJSON(t, record.ArrowSchema(events), `[{"id": "a", "ts": null, "n": 77}]`)),
	})
	require.Equal(t, []string{"a|2001-01-01T00:00:00.999999Z|77"}, rows(t, engine, q))
}

func testUndeclaredColumns(t *testing.T, engine transform.Engine) {
	q := query("SELECT * FROM events", events[:2], writeEvents(t, at(t, "2001-01-01"), 1))
	q.Tables[0].Schema = events[:2]
	require.Equal(t, []string{"k0|2001-01-01T00:00:00Z"}, rows(t, engine, q))

	q.SQL = "SELECT id, ts, n FROM events"
	_, err := engine.Run(t.Context(), q, refuse)
	require.ErrorIs(t, err, transform.ErrSQL)
}

func testUnfitFiles(t *testing.T, engine transform.Engine) {
	good := writeEvents(t, at(t, "2001-01-01"), 1)
	for _, c := range []struct {
		name string
		n    arrow.Field
		want []string
	}{
		{"missing", arrow.Field{Name: "m", Type: arrow.PrimitiveTypes.Int64}, []string{`"n"`, "Int64"}},
		{"text", arrow.Field{Name: "n", Type: arrow.BinaryTypes.String}, []string{`"n"`, "VARCHAR", "Int64"}},
		{"float", arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Float64}, []string{`"n"`, "DOUBLE", "Int64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := record.ArrowSchema(events[:2]).Fields()
			bad := writeJSON(t, arrow.NewSchema(append(fields, c.n), nil), `[]`)
			_, err := engine.Run(t.Context(), query("SELECT * FROM events", events, good, bad), refuse)
			require.ErrorIs(t, err, transform.ErrSQL)
			for _, part := range append(c.want, `source "events"`, bad) {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func testMissingFile(t *testing.T, engine transform.Engine) {
	torn := filepath.Join(t.TempDir(), "torn.parquet")
	require.NoError(t, os.WriteFile(torn, []byte("PAR1 and no more"), 0o600))
	for _, path := range []string{torn, filepath.Join(t.TempDir(), "gone.parquet")} {
		_, err := engine.Run(t.Context(), query("SELECT * FROM events", events, path), refuse)
		require.Error(t, err)
		require.ErrorContains(t, err, path)
		require.NotErrorIs(t, err, transform.ErrSQL)
	}
}
