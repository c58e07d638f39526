package rowsort_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/internal/rowsort"
	"github.com/tilery/tilery/pkg/record"
)

// BenchmarkSort sorts rows of ten a key, in the order of their times, those of a key in
// the order of theirs, and spilled.
func BenchmarkSort(b *testing.B) {
	const rows, perKey = 2_000_000, 10
	keys := feature.Schema{{Name: "entity", Type: feature.String}}
	values := feature.Schema{{Name: "f_sum", Type: feature.Float64}, {Name: "f_count", Type: feature.Int64}, {Name: "f_max", Type: feature.Float64}}
	fields := append(record.ArrowSchema(keys).Fields(), arrow.Field{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us})
	spec := rowsort.Spec{Keys: keys, Values: values, Schema: arrow.NewSchema(append(fields, record.ArrowSchema(values).Fields()...), nil)}
	of := func(key func(i int) int) (records []arrow.Record) {
		random := rand.New(rand.NewPCG(1, 2))
		for from := 0; from < rows; from += 32 << 10 {
			out := array.NewRecordBuilder(memory.DefaultAllocator, spec.Schema)
			for i := from; i < min(from+32<<10, rows); i++ {
				out.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("user_%d", key(i)))
				out.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(1e15 + i*1000))
				out.Field(2).(*array.Float64Builder).Append(random.Float64())
				out.Field(3).(*array.Int64Builder).Append(random.Int64N(500))
				out.Field(4).(*array.Float64Builder).Append(random.Float64())
			}
			records = append(records, out.NewRecord())
			out.Release()
		}
		return records
	}
	byTime := of(func(i int) int { return i * 7919 % (rows / perKey) })
	sorted := of(func(i int) int { return 1e6 + i/perKey })
	for _, c := range []struct {
		name     string
		records  []arrow.Record
		maxBytes int64
	}{{"by time", byTime, 1 << 30}, {"sorted", sorted, 1 << 30}, {"spilled", byTime, 64 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			s := rowsort.New(spec, c.maxBytes, newRuns(b))
			for b.Loop() {
				require.NoError(b, s.Reset())
				for _, rec := range c.records {
					require.NoError(b, s.Add(rec))
				}
				n := int64(0)
				require.NoError(b, s.Write(0, func(rec arrow.Record) error { n += rec.NumRows(); return nil }))
				require.Equal(b, int64(rows), n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
