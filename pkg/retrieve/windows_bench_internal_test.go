package retrieve

import (
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
)

// BenchmarkWindows joins 4,096 instants at a time with three windows over hourly tiles
// of sum, count and max, of keys with 1,680 tiles and 400 instants each, and of keys
// with 168 tiles and one instant.
func BenchmarkWindows(b *testing.B) {
	for _, c := range []struct {
		name                  string
		keys, tiles, instants int
	}{{"dense", 10, 1680, 400}, {"sparse", 4096, 168, 1}} {
		b.Run(c.name, func(b *testing.B) {
			var aggregations []feature.Aggregation
			for _, length := range []time.Duration{hour, 24 * hour, 168 * hour} {
				for _, function := range []feature.Function{feature.Sum, feature.Count, feature.Max} {
					aggregations = append(aggregations, aggregation(function, "n", feature.Trailing(feature.Duration(length))))
				}
			}
			target := newTarget(b, playView(aggregations...))
			var tiles []tile
			var asks []ask
			var rows, numbers []int32
			for key := range int32(c.keys) {
				for i := range c.tiles {
					rows, numbers = append(rows, int32(len(tiles))), append(numbers, key)
					tiles = append(tiles, tile{key: key, start: at(time.Duration(i) * hour), values: []int64{int64(i)}})
				}
				for i := range c.instants {
					asks = append(asks, ask{key, at(time.Duration((i+1)*c.tiles/c.instants)*hour + time.Minute)})
				}
			}
			j, err := newWindows(target, []int{0, 1, 2, 3, 4, 5, 6, 7, 8})
			require.NoError(b, err)
			batch, _ := batchOf(asks)
			rec := recordOf(target, tiles, j.columns())
			var out []arrow.Array
			b.ReportAllocs()
			for b.Loop() {
				j.begin(batch)
				// As a cursor does, some rows at a time.
				for from := 0; from < len(rows); from += 16 << 10 {
					to := min(from+16<<10, len(rows))
					require.NoError(b, j.add(rec, rows[from:to], numbers[from:to]))
				}
				out, err = j.end()
				require.NoError(b, err)
				for _, column := range out {
					column.Release()
				}
			}
			perOp := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(perOp/float64(len(tiles)), "ns/tile")
			b.ReportMetric(perOp/float64(9*len(asks)), "ns/cell")
		})
	}
}
