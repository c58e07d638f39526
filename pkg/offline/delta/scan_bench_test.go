package delta_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/window"
)

// scanSpec is a table of daily files like those of features: a text key, an
// integer and doubles that seldom repeat.
func scanSpec() offline.Spec {
	return offline.Spec{
		Path: "offline/scanned",
		Keys: []feature.Field{{Name: "user", Type: feature.String}},
		Time: "at",
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "user", Type: arrow.BinaryTypes.String, Nullable: true},
			{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
			{Name: "clicks", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
			{Name: "amount", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
			{Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		}, nil),
		Step:      24 * time.Hour,
		Partition: window.Day,
	}
}

// writeScanned writes a file for each of some days, all with the same users.
func writeScanned(t testing.TB, table offline.Table, days, rows int) []offline.File {
	var files []offline.File
	for n := range days {
		start := window.FromTime(time.Date(2001, 1, 1+n, 0, 0, 0, 0, time.UTC))
		w, err := table.NewWriter(t.Context(), window.Interval{Start: start, End: start.Add(24 * time.Hour)}, readAt(1), "attempt")
		require.NoError(t, err)
		for from := 0; from < rows; from += 1 << 16 {
			require.NoError(t, w.Write(scannedRecord(table.Spec().Schema, start, from, min(rows, from+1<<16))))
		}
		built, err := w.Close(t.Context())
		require.NoError(t, err)
		files = append(files, built.Files...)
	}
	return files
}

func scannedRecord(schema *arrow.Schema, start window.Time, from, to int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := from; i < to; i++ {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("user-%08d", i/2))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(start.Add(time.Duration(i%2) * time.Hour)))
		b.Field(2).(*array.Int64Builder).Append(int64(i * 7919 % 1000))
		b.Field(3).(*array.Float64Builder).Append(math.Sqrt(float64(i)))
		if i%10 == 0 {
			b.Field(4).AppendNull()
		} else {
			b.Field(4).(*array.Float64Builder).Append(float64(i) / 100)
		}
	}
	return b.NewRecord()
}

// drain reads all records of a file.
func drain(ctx context.Context, table offline.Table, f offline.File, s offline.Selection) (rows int64, err error) {
	r, err := table.Scan(ctx, f, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += rec.NumRows()
	}
}

// BenchmarkScan reads ten million rows of thirty files. With SCAN_DIR set the files
// are made there once.
func BenchmarkScan(b *testing.B) {
	dir := os.Getenv("SCAN_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	disk, err := file.Open(dir)
	require.NoError(b, err)
	table, err := delta.New(disk, delta.Options{}).Open(b.Context(), scanSpec())
	require.NoError(b, err)
	s, err := table.Snapshot(b.Context())
	require.NoError(b, err)
	if len(s.Files) == 0 {
		const days, rows = 30, 333_333
		var builds []offline.Build
		for _, f := range writeScanned(b, table, days, rows) {
			day := window.Interval{Start: f.MinTime, End: f.MinTime.Add(24 * time.Hour)}
			builds = append(builds, offline.Build{Window: day, ReadAt: readAt(1), Files: []offline.File{f}, Rows: f.Rows, Bytes: f.Size})
		}
		_, err := table.Commit(b.Context(), offline.Commit{ID: "scanned", Builds: builds})
		require.NoError(b, err)
		s, err = table.Snapshot(b.Context())
		require.NoError(b, err)
	}
	for name, columns := range map[string][]string{"all": nil, "keys": {"user", "at"}, "number": {"amount"}, "nulls": {"score"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			total := int64(0)
			for range b.N {
				for _, f := range s.Files {
					rows, err := drain(b.Context(), table, f, offline.Selection{Columns: columns})
					require.NoError(b, err)
					total += rows
				}
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
