package duckdb_test

import (
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform/duckdb"
)

// BenchmarkRun delivers 10M rows of (varchar, timestamp, double, bigint) from
// Parquet as Arrow records.
func BenchmarkRun(b *testing.B) {
	const rows = 10_000_000
	file := filepath.Join(b.TempDir(), "events.parquet")
	writeParquet(b, file, `SELECT 'user-' || i % 100000 AS id, TIMESTAMP '2001-01-01' + INTERVAL 1 SECOND * i AS ts,
		i / 7 AS x, i AS n FROM range(10000000) r(i)`)
	schema := append(events[:2:2], feature.Field{Name: "x", Type: feature.Float64}, events[2])
	q := query("SELECT * FROM events", schema, file)
	q.Tables[0].Schema = schema
	q.Limits.MemoryBytes = 2 << 30
	b.ReportAllocs()
	for b.Loop() {
		stats, err := duckdb.Engine{}.Run(b.Context(), q, func(arrow.Record) error { return nil })
		require.NoError(b, err)
		require.Equal(b, int64(rows), stats.Rows)
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// BenchmarkDescribe is the fixed cost of a call.
func BenchmarkDescribe(b *testing.B) {
	for b.Loop() {
		_, err := describe("SELECT id, count(*) AS c FROM events GROUP BY id")
		require.NoError(b, err)
	}
}
