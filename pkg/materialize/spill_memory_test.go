//go:build !race

// The race detector multiplies what a process takes.

package materialize_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/transform"
)

// besideBuilder is what a process may take beside the memory of the builder: itself
// with its SQL engine, a Parquet row group, and what the garbage collector has not yet taken.
const besideBuilder = 300 << 20

// besideHeap is what a worker lets the heap have beside its builders.
const besideHeap = 192 << 20

const aloneVariable = "MATERIALIZE_TEST_ALONE"

// alone reports whether the test has a process of its own. If not it runs in one
// first, and has nothing else to do: the peak of a process is that of all its tests.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) != "" {
		debug.SetMemoryLimit(64<<20 + besideHeap)
		return true
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	t.Logf("%s", out)
	return false
}

// peakBytes is the most memory that the process ever had.
func peakBytes(t *testing.T) int64 {
	status, err := os.Open("/proc/self/status")
	require.NoError(t, err)
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if kib, found := strings.CutPrefix(lines.Text(), "VmHWM:"); found {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kib, "kB")), 10, 64)
			require.NoError(t, err)
			return n << 10
		}
	}
	require.Fail(t, "no VmHWM")
	return 0
}

// generator is an SQL engine whose result is made as it is read.
type generator struct {
	memoryEngine
	rows int
	row  func(i int) event
}

func (g generator) Run(ctx context.Context, q transform.Query, fn func(arrow.Record) error) (transform.Stats, error) {
	const most = 8 << 10
	events := make([]event, 0, most)
	for i := range g.rows {
		if events = append(events, g.row(i)); len(events) < most && i+1 < g.rows {
			continue
		}
		if _, err := (memoryEngine{&events}).Run(ctx, q, fn); err != nil {
			return transform.Stats{}, err
		}
		q.OnProgress(transform.Progress{Rows: int64(i + 1)})
		events = events[:0]
	}
	return transform.Stats{Rows: int64(g.rows)}, nil
}

// spillingScene builds a day of hourly tiles with the sum of n and the least label.
func spillingScene(t *testing.T, g generator) *scene {
	view := newView(hour, day)
	view.Aggregations = nil
	for _, a := range []feature.Aggregation{{Column: "n", Function: feature.Mean}, {Column: "label", Function: feature.Min}} {
		a.TimeWindow = feature.Trailing(feature.Duration(day))
		view.Aggregations = append(view.Aggregations, a)
	}
	var none []event
	s := newMemoryScene(t, view, &none)
	s.engine.Transform = g
	s.engine.Offline = delta.New(s.bucket, delta.Options{ScratchDir: t.TempDir()}) // with row groups as long as in production
	var err error
	s.table, err = s.engine.Table(t.Context(), s.target, start)
	require.NoError(t, err)
	return s
}

// buildSpilling builds the day, and returns what it spilled.
func (s *scene) buildSpilling() (b offline.Build, spilled int64) {
	b = s.buildReporting(span(0, day), false, func(p materialize.Progress) { spilled = p.SpilledBytes })[0]
	s.t.Logf("%d tiles, %d MiB spilled, %d MiB at the peak", b.Rows, spilled>>20, peakBytes(s.t.(*testing.T))>>20)
	return b, spilled
}

// tileTotals is what the tiles of a build add up to.
type tileTotals struct{ tiles, rows, sum, labelBytes int64 }

// totals adds up the tiles of a build whose user is wanted.
func (s *scene) totals(b offline.Build, wanted func(user int64) bool) (out tileTotals) {
	for _, f := range b.Files {
		reader, err := s.table.OpenFile(s.t.Context(), f)
		require.NoError(s.t, err)
		for {
			rec, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(s.t, err)
			at := func(name string) arrow.Array { return rec.Column(rec.Schema().FieldIndices(name)[0]) }
			users, labels := at("user").(*array.Int64), at("min_label").(*array.String)
			counts, sums := at("count_n").(*array.Int64), at("sum_n").(*array.Int64)
			for row := range int(rec.NumRows()) {
				if wanted(users.Value(row)) {
					out.tiles++
					out.rows += counts.Value(row)
					out.sum += sums.Value(row)
					out.labelBytes += int64(len(labels.Value(row)))
				}
			}
		}
		require.NoError(s.t, reader.Close())
	}
	return out
}

// TestAWindowTwentyTimesTheBudgetCompletes has tiles whose labels alone take 20 times
// what the builder may have. Every fourth gets another row when it has long been spilled.
func TestAWindowTwentyTimesTheBudgetCompletes(t *testing.T) {
	if !alone(t) {
		return
	}
	const (
		budget     = 32 << 20
		labelBytes = 512
		tiles      = 20 * budget / labelBytes
		again      = tiles / 4
		step       = 1_000_003 // a prime, which scatters the tiles
	)
	seed := maphash.MakeSeed()
	label := make([]byte, labelBytes)
	s := spillingScene(t, generator{rows: tiles + again, row: func(i int) event {
		tile := int64(i) * step % tiles
		for at := range labelBytes / 32 { // a quarter of it compresses badly
			binary.LittleEndian.PutUint64(label[32*at:], maphash.Comparable(seed, [2]int64{tile, int64(at)})&0x7f7f7f7f7f7f7f7f)
		}
		return event{user: ptr(tile / 24), at: start.Add(hour * time.Duration(tile%24)), n: ptr(int64(i)), label: ptr(string(label))}
	}})
	s.engine.Options.BuilderBytes = budget
	b, spilled := s.buildSpilling()
	require.Greater(t, spilled, int64(budget))
	require.Less(t, peakBytes(t), int64(budget+besideBuilder))

	rows := int64(tiles + again)
	got := s.totals(b, func(int64) bool { return true })
	require.Equal(t, tileTotals{tiles: tiles, rows: rows, sum: rows * (rows - 1) / 2, labelBytes: tiles * labelBytes}, got)
}

// TestOneKeyOfHalfOfAllRowsCompletes alternates it with keys of one row each.
func TestOneKeyOfHalfOfAllRowsCompletes(t *testing.T) {
	if !alone(t) {
		return
	}
	const (
		budget = 8 << 20
		rows   = 2_000_000
		half   = rows / 2
	)
	s := spillingScene(t, generator{rows: rows, row: func(i int) event {
		user := int64(-1)
		if i%2 == 1 {
			user = int64(i) * 1_000_003 % rows
		}
		return event{user: &user, at: start.Add(hour * time.Duration(i/2%24)), n: ptr(int64(i)), label: ptr(fmt.Sprint(i % 10))}
	}})
	s.engine.Options.BuilderBytes = budget
	b, spilled := s.buildSpilling()
	require.Greater(t, spilled, int64(budget))
	require.Less(t, peakBytes(t), int64(budget+besideBuilder))

	hot := s.totals(b, func(user int64) bool { return user == -1 })
	require.Equal(t, tileTotals{tiles: 24, rows: half, sum: half * (half - 1), labelBytes: 24}, hot)
	others := s.totals(b, func(user int64) bool { return user != -1 })
	require.Equal(t, tileTotals{tiles: half, rows: half, sum: half * half, labelBytes: half}, others)
}
