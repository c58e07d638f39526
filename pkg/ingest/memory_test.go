//go:build !race

// The race detector multiplies what a process takes.

package ingest_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	filebucket "github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/ingest"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
)

var (
	rowsFlag   = flag.Int64("rows", 1_000_000, "of the frame that does not fit into memory")
	memoryFlag = flag.Int64("memory", 8<<20, "bytes of its rows that are sorted in memory")
)

// besideRows is what a process may take beside the rows that it sorts: itself, what is
// read of the frame, row groups that are written, and what the garbage collector has not
// yet taken.
const besideRows = 300 << 20

// besideHeap is what a worker lets the heap have beside the rows.
const besideHeap = 192 << 20

// aloneVariable names the directory of the bucket to a process that only ingests.
const aloneVariable = "INGEST_TEST_BUCKET"

// TestAFrameOfManyTimesTheBudgetIsIngested measures a process that does nothing else. A
// tenth of the rows replaces others of the frame.
func TestAFrameOfManyTimesTheBudgetIsIngested(t *testing.T) {
	if dir := os.Getenv(aloneVariable); dir != "" {
		ingestAlone(t, dir)
		return
	}
	dir, scratch := t.TempDir(), t.TempDir()
	s := &scene{t: t, ctx: t.Context(), name: "clicks", engine: largeEngine(t, dir, scratch)}
	_, err := s.engine.Tables.Registry.Apply(t.Context(), workspace, 0, repository(s.name), now)
	require.NoError(t, err)
	path, err := s.engine.Reserve(t.Context(), workspace, s.name)
	require.NoError(t, err)
	f, err := s.engine.Stage(t.Context(), path, frame.Parquet, largeFrame(t))
	require.NoError(t, err)
	t.Logf("a frame of %d rows and %d MiB", *rowsFlag, f.Bytes>>20)

	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v",
		fmt.Sprint("-rows=", *rowsFlag), fmt.Sprint("-memory=", *memoryFlag))
	cmd.Env = append(os.Environ(), aloneVariable+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	t.Logf("%s", out)

	ticket := s.accept(f)
	require.Equal(t, int64(1), ticket.Sequence)
	require.Equal(t, total{rows: *rowsFlag * 9 / 10, sum: largeSum()}, s.total())
}

func ingestAlone(t *testing.T, dir string) {
	debug.SetMemoryLimit(*memoryFlag + besideHeap)
	s := &scene{t: t, ctx: t.Context(), name: "clicks", engine: largeEngine(t, dir, t.TempDir())}
	paths, err := filepath.Glob(filepath.Join(dir, "ingest/prod/clicks/frames/*"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	path, err := filepath.Rel(dir, paths[0])
	require.NoError(t, err)
	f, err := s.engine.Find(t.Context(), workspace, s.name, path)
	require.NoError(t, err)
	began := time.Now()
	r, spilled := s.request(s.accept(f)), int64(0)
	r.OnProgress = func(_, bytes int64) { spilled = bytes }
	built, err := s.engine.Build(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, offline.Committed, s.commit(r.Ticket, built))
	require.Equal(t, *rowsFlag*9/10, built.Rows)
	require.Equal(t, *rowsFlag-built.Rows, built.Duplicates)
	require.Positive(t, spilled)
	peak := peakBytes(t)
	t.Logf("%d rows in %v, %d MiB spilled, %d MiB at the peak", built.Rows, time.Since(began), spilled>>20, peak>>20)
	require.Less(t, peak, *memoryFlag+besideRows)
}

func largeEngine(t *testing.T, dir, scratch string) *ingest.Engine {
	b, err := filebucket.Open(dir)
	require.NoError(t, err)
	tables := &materialize.Engine{Bucket: b, Registry: registry.New(b), Offline: delta.New(b, delta.Options{ScratchDir: scratch})}
	return &ingest.Engine{Bucket: b, Tables: tables, Options: ingest.Options{ScratchDir: scratch, MemoryBytes: *memoryFlag}}
}

// largeFrame writes rows as it is read.
func largeFrame(t *testing.T) io.Reader {
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeLarge(t, w)) }()
	return r
}

// original returns which row comes first with the keys and time of a row.
func original(i int64) int64 { return i % (*rowsFlag * 9 / 10) }

func largeSum() (sum int64) {
	for i := *rowsFlag / 10; i < *rowsFlag; i++ {
		sum += i
	}
	return sum
}

func writeLarge(t *testing.T, out io.Writer) error {
	w, err := frame.NewWriter(out, frame.Parquet, schema)
	require.NoError(t, err)
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	for i := range *rowsFlag {
		of := original(i)
		b.Field(0).(*array.Int64Builder).Append(of * 1_000_003 % 1_000_000)
		b.Field(1).(*array.StringBuilder).Append("shop_" + strconv.FormatInt(of%1000, 10))
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(now) - arrow.Timestamp(of*1_000_000/4))
		b.Field(3).(*array.Int64Builder).Append(i)
		b.Field(4).(*array.Float64Builder).Append(float64(i) / 7)
		b.Field(5).(*array.StringBuilder).Append("label of " + strconv.FormatInt(i, 36))
		b.Field(6).(*array.ListBuilder).AppendNull()
		if i%(64<<10) == 0 || i == *rowsFlag-1 {
			if err := w.Write(b.NewRecord()); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

// total is what the rows of a table add up to.
type total struct{ rows, sum int64 }

func (s *scene) total() (out total) {
	table := s.table()
	snapshot, err := table.Snapshot(s.ctx)
	require.NoError(s.t, err)
	for _, f := range snapshot.Files {
		reader, err := table.OpenFile(s.ctx, f)
		require.NoError(s.t, err)
		for {
			rec, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(s.t, err)
			out.rows += rec.NumRows()
			for _, n := range rec.Column(3).(*array.Int64).Int64Values() {
				out.sum += n
			}
		}
		require.NoError(s.t, reader.Close())
	}
	return out
}

// peakBytes is the most memory that the process ever had.
func peakBytes(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(status), "VmHWM:")
	require.True(t, found)
	kib, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
	require.NoError(t, err)
	return kib << 10
}
