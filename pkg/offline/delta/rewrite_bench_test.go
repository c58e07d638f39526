package delta_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

const (
	benchUsers   = 1_000_000
	benchRowsOf  = 10 // a user
	benchDeleted = 10_000
)

func benchSpec() offline.Spec {
	return offline.Spec{
		Path: "offline/erased",
		Keys: []feature.Field{{Name: "entity", Type: feature.String}},
		Time: "event_ts",
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "entity", Type: arrow.BinaryTypes.String, Nullable: true},
			{Name: "event_ts", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
			{Name: "f_sum", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
			{Name: "f_count", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
			{Name: "ingest_sequence", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		}, nil),
		Partition: window.Month,
		Sequence:  "ingest_sequence",
	}
}

// fillBench ingests ten rows of each of a million users in a month.
func fillBench(b *testing.B, table offline.Table) {
	names := make([]string, benchUsers)
	for i := range names {
		names[i] = fmt.Sprint("user_", i)
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(7, 7))
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	w, err := table.NewAppender(b.Context(), "bench")
	require.NoError(b, err)
	rows := array.NewRecordBuilder(memory.DefaultAllocator, table.Spec().Schema)
	defer rows.Release()
	times := make([]int64, benchRowsOf)
	for i, name := range names {
		for j := range times {
			times[j] = start + random.Int64N(30*24*3600*1_000_000)
		}
		slices.Sort(times)
		for _, t := range times {
			rows.Field(0).(*array.StringBuilder).Append(name)
			rows.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(t))
			rows.Field(2).(*array.Float64Builder).Append(math.Round(math.Exp(5+random.NormFloat64())*64) / 64)
			rows.Field(3).(*array.Int64Builder).Append(random.Int64N(500))
			rows.Field(4).(*array.Int64Builder).Append(1)
		}
		if (i+1)%5000 == 0 {
			rec := rows.NewRecord()
			require.NoError(b, w.Write(rec))
			rec.Release()
		}
	}
	build, err := w.Close(b.Context())
	require.NoError(b, err)
	build.Append = "bench"
	_, err = table.Commit(b.Context(), offline.Commit{ID: "bench", Builds: []offline.Build{build}})
	require.NoError(b, err)
}

func benchKeys(b *testing.B, n int) *keyset.Set {
	random := rand.New(rand.NewPCG(9, 9))
	var keys [][]byte
	for _, i := range random.Perm(benchUsers)[:n] {
		key, err := record.AppendKey(nil, benchSpec().Keys, []feature.Value{feature.StringValue(fmt.Sprint("user_", i))})
		require.NoError(b, err)
		keys = append(keys, key)
	}
	set, err := keyset.New(keys)
	require.NoError(b, err)
	return set
}

// cpuSeconds returns what this process has used of processors, which the load of others
// hardly changes.
func cpuSeconds(b *testing.B) float64 {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// BenchmarkRewrite takes keys out of ten million rows. With REWRITE_DIR set the table is
// made there once.
func BenchmarkRewrite(b *testing.B) {
	dir := os.Getenv("REWRITE_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	disk, err := file.Open(dir)
	require.NoError(b, err)
	table, err := delta.New(disk, delta.Options{}).Open(b.Context(), benchSpec())
	require.NoError(b, err)
	s, err := table.Snapshot(b.Context())
	require.NoError(b, err)
	if len(s.Files) == 0 {
		fillBench(b, table)
		s, err = table.Snapshot(b.Context())
		require.NoError(b, err)
	}
	for _, n := range []int{1, 100, benchDeleted} {
		keys := benchKeys(b, n)
		b.Run(fmt.Sprint(n, " keys"), func(b *testing.B) {
			before := cpuSeconds(b)
			for range b.N {
				erased := int64(0)
				for _, f := range table.MayHold(s, keys, 1) {
					r, err := table.Rewrite(b.Context(), f, keys, 1, nil)
					require.NoError(b, err)
					erased += r.Erased
					if r.File != nil {
						require.NoError(b, disk.Delete(b.Context(), table.Spec().Path+"/"+r.File.Path))
					}
				}
				require.EqualValues(b, n*benchRowsOf, erased)
			}
			b.ReportMetric((cpuSeconds(b)-before)/float64(b.N), "cpu-s/op")
		})
	}
}
