package retrieve_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

const day = 24 * time.Hour

var benchStart = window.FromTime(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))

// benchTable has a file for each of some days, whose rows are of keys by chance.
type benchTable struct {
	days, rows, keys int // rows: of all files
}

func benchView() feature.View {
	schema := feature.Schema{
		{Name: "user", Type: feature.String}, {Name: "ts", Type: feature.Timestamp},
		{Name: "clicks", Type: feature.Int64}, {Name: "amount", Type: feature.Float64}, {Name: "score", Type: feature.Float64},
	}
	return feature.View{
		BatchFeatureView: feature.BatchFeatureView{
			Metadata: feature.Metadata{Name: "clicks"}, Entities: []string{"user"}, TimestampField: "ts", Schema: schema,
			BatchSchedule: feature.Duration(day), FeatureStartTime: benchStart, Offline: true,
		},
		Entities: []feature.Entity{{Metadata: feature.Metadata{Name: "user"}, JoinKeys: schema[:1]}},
	}
}

// write makes the table and returns all its features as a part of a join.
func (bt benchTable) write(t testing.TB) retrieve.Part {
	target, err := materialize.NewTarget("bench", 1, benchView())
	require.NoError(t, err)
	bucket, err := file.Open(t.TempDir())
	require.NoError(t, err)
	table, err := delta.New(bucket, delta.Options{ScratchDir: t.TempDir()}).Open(t.Context(), target.Table(benchStart))
	require.NoError(t, err)
	commit := offline.Commit{ID: "1", Job: "bench", Generation: 1}
	for n := range bt.days {
		w := window.Interval{Start: benchStart.Add(time.Duration(n) * day), End: benchStart.Add(time.Duration(n+1) * day)}
		commit.Builds = append(commit.Builds, bt.writeDay(t, table, w))
	}
	_, err = table.Commit(t.Context(), commit)
	require.NoError(t, err)
	snapshot, err := table.Snapshot(t.Context())
	require.NoError(t, err)
	return retrieve.Part{
		Target: target, Table: table, Snapshot: snapshot, Keys: []string{"who"},
		Features: []retrieve.Column{{Feature: 0, Name: "clicks"}, {Feature: 1, Name: "amount"}, {Feature: 2, Name: "score"}},
	}
}

// writeDay gives each key the same chance of a row, and of a second one.
func (bt benchTable) writeDay(t testing.TB, table offline.Table, w window.Interval) offline.Build {
	writer, err := table.NewWriter(t.Context(), w, benchStart.Add(365*day), "attempt")
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(uint64(w.Start), 1))
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Spec().Schema)
	defer b.Release()
	flush := func() {
		rec := b.NewRecord()
		defer rec.Release()
		require.NoError(t, writer.Write(rec))
	}
	rows := bt.rows / bt.days
	for i := range rows {
		key := int(int64(i)*int64(bt.keys)/int64(rows)) + random.IntN(max(1, bt.keys/rows))
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("user_%08d", key))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(w.Start) + arrow.Timestamp(int64(i)*int64(day/time.Microsecond)/int64(rows)))
		b.Field(2).(*array.Int64Builder).Append(random.Int64N(1000))
		b.Field(3).(*array.Float64Builder).Append(random.NormFloat64())
		b.Field(4).(*array.Float64Builder).Append(random.Float64() * 100)
		if i%(1<<16) == 1<<16-1 {
			flush()
		}
	}
	flush()
	build, err := writer.Close(t.Context())
	require.NoError(t, err)
	return build
}

var benchSpineSchema = feature.Schema{{Name: "who", Type: feature.String}, {Name: "at", Type: feature.Timestamp}, {Name: "label", Type: feature.Int64}}

// spine returns records of a spine of keys and times by chance.
func (bt benchTable) spine(rows int) []arrow.Record {
	random := rand.New(rand.NewPCG(1, 2))
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(benchSpineSchema))
	defer b.Release()
	var out []arrow.Record
	for i := range rows {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("user_%08d", random.IntN(bt.keys)))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(benchStart) + arrow.Timestamp(random.Int64N(int64(time.Duration(bt.days)*day/time.Microsecond))))
		b.Field(2).(*array.Int64Builder).Append(int64(i))
		if i%2048 == 2047 || i == rows-1 {
			out = append(out, b.NewRecord())
		}
	}
	return out
}

// spineOf returns a spine of records.
func spineOf(schema feature.Schema, at string, records ...arrow.Record) retrieve.Spine {
	return retrieve.Spine{Schema: schema, Time: at, Next: func() (arrow.Record, error) {
		if len(records) == 0 {
			return nil, io.EOF
		}
		rec := records[0]
		records = records[1:]
		return rec, nil
	}}
}

// BenchmarkJoinLatest joins a million instants with the rows of 30 daily files, of a
// million keys.
func BenchmarkJoinLatest(b *testing.B) {
	for _, rows := range []int{1_000_000, 10_000_000} {
		bt := benchTable{days: 30, rows: rows, keys: 1_000_000}
		part, records := bt.write(b), bt.spine(1_000_000)
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("rows=%d/threads=%d", rows, threads), func(b *testing.B) {
				b.ReportAllocs()
				before := cpuTime(b)
				for b.Loop() {
					total, found := int64(0), 0
					_, err := retrieve.Join(b.Context(), retrieve.Options{Threads: threads, ScratchDir: b.TempDir()},
						spineOf(benchSpineSchema, "at", records...), []retrieve.Part{part}, func(rec arrow.Record) error {
							total += rec.NumRows()
							found += rec.Column(3).Len() - rec.Column(3).NullN()
							return nil
						})
					require.NoError(b, err)
					require.Equal(b, int64(1_000_000), total)
					require.Greater(b, found, 100_000)
				}
				b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// cpuTime is that of the process, which others on the machine change less than the time that passes.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
