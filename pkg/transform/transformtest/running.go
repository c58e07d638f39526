package transformtest

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// endless returns a query that would take hours before its first row.
func endless(t *testing.T) transform.Query {
	return query(`SELECT 'all' AS id, TIMESTAMP '2001-01-01 00:00:00' AS ts, COUNT(*) AS n
		FROM events AS a, events AS b, events AS c, events AS d WHERE a.n * b.n + c.n * d.n = -1`,
		events, writeEvents(t, at(t, "2001-01-01"), 10_000))
}

func testCancel(t *testing.T, engine transform.Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	q := endless(t)
	var canceled time.Time
	reports := 0
	q.OnProgress = func(transform.Progress) {
		if reports++; reports == 2 { // the statement is under way
			canceled = time.Now()
			cancel()
		}
	}
	_, err := engine.Run(ctx, q, refuse)
	require.Equal(t, context.Canceled, err)
	require.Less(t, time.Since(canceled), 2*time.Second)

	_, err = engine.Run(ctx, q, refuse)
	require.Equal(t, context.Canceled, err, "an ended context starts nothing")
	_, err = engine.Describe(ctx, q.SQL, q.Tables)
	require.Equal(t, context.Canceled, err)
}

func testCancelInCallback(t *testing.T, engine transform.Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := query("SELECT a.* FROM events AS a, events AS b, events AS c", events, writeEvents(t, at(t, "2001-01-01"), 10_000))
	_, err := engine.Run(ctx, q, func(arrow.Record) error {
		cancel()
		return nil
	})
	require.Equal(t, context.Canceled, err)
}

func testCallbackError(t *testing.T, engine transform.Engine) {
	failure := errors.New("no space left in the test")
	q := query("SELECT a.* FROM events AS a, events AS b, events AS c", events, writeEvents(t, at(t, "2001-01-01"), 10_000))
	calls := 0
	stats, err := engine.Run(t.Context(), q, func(arrow.Record) error {
		if calls++; calls == 3 {
			return failure
		}
		return nil
	})
	require.Same(t, failure, err)
	require.Equal(t, 3, calls)
	require.Positive(t, stats.Rows)
}

func testRetain(t *testing.T, engine transform.Engine) {
	const count = 200_000
	var kept []arrow.Record
	_, err := engine.Run(t.Context(), query("SELECT * FROM events", events, writeEvents(t, at(t, "2001-01-01"), count)), func(r arrow.Record) error {
		r.Retain()
		kept = append(kept, r)
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(kept), 1)
	seen := make([]bool, count)
	for _, r := range kept {
		ids, n := r.Column(0).(*array.String), r.Column(2).(*array.Int64)
		for i := range n.Len() {
			require.Equal(t, "k"+string(rune('0'+n.Value(i)%10)), ids.Value(i))
			require.False(t, seen[n.Value(i)])
			seen[n.Value(i)] = true
		}
		r.Release()
	}
	require.NotContains(t, seen, false)
}

// testRecordSize sums a million rows, and sees wide text in records of a few megabytes.
func testRecordSize(t *testing.T, engine transform.Engine) {
	const count = 1_000_000
	file := writeEvents(t, at(t, "2001-01-01"), count)
	sum, records := int64(0), 0
	stats, err := engine.Run(t.Context(), query("SELECT * FROM events", events, file), func(r arrow.Record) error {
		require.LessOrEqual(t, r.NumRows(), int64(128<<10))
		for _, n := range r.Column(2).(*array.Int64).Int64Values() {
			sum += n
		}
		records++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(count), stats.Rows)
	require.Equal(t, int64(count)*(count-1)/2, sum)
	require.LessOrEqual(t, records, 200, "records are not tiny either")

	q := query("SELECT REPEAT(id, 10000) AS id, ts, n FROM events WHERE n < 20000", events, file)
	_, err = engine.Run(t.Context(), q, func(r arrow.Record) error {
		require.LessOrEqual(t, len(r.Column(0).(*array.String).ValueBytes()), 128<<20)
		return nil
	})
	require.NoError(t, err)
}

func testProgress(t *testing.T, engine transform.Engine) {
	var ended atomic.Bool
	var calls, last int64
	q := query("SELECT * FROM events", events, writeEvents(t, at(t, "2001-01-01"), 100_000))
	reported := make(chan struct{}, 1)
	q.OnProgress = func(p transform.Progress) {
		if ended.Load() {
			t.Error("progress after the end of the run")
		}
		calls++
		if p.Rows < last || p.Fraction < 0 || p.Fraction > 1 {
			t.Errorf("progress %+v after %d rows", p, last)
		}
		if last = p.Rows; last > 0 {
			select {
			case reported <- struct{}{}:
			default:
			}
		}
	}
	records := 0
	_, err := engine.Run(t.Context(), q, func(arrow.Record) error {
		if records++; records == 2 {
			select {
			case <-reported: // a slow consumer is reported too
			case <-time.After(10 * time.Second):
				return errors.New("no progress was reported")
			}
		}
		return nil
	})
	ended.Store(true)
	require.NoError(t, err)
	require.GreaterOrEqual(t, calls, int64(2))
}

// testSpill sorts about 90 MB in 48 MB.
func testSpill(t *testing.T, engine transform.Engine) {
	file := writeEvents(t, at(t, "2001-01-01"), 500_000)
	output := feature.Schema{{Name: "ts", Type: feature.Timestamp}, {Name: "r", Type: feature.Int64}, {Name: "wide", Type: feature.String}}
	q := query(`SELECT ts, wide, ROW_NUMBER() OVER (ORDER BY wide, n) AS r
		FROM (SELECT ts, n, REPEAT(id, 40) || CAST(n * 7919 % 500000 AS VARCHAR) AS wide FROM events) AS t`, output, file)
	q.Limits = transform.Limits{MemoryBytes: 48 << 20, Threads: 1, TempDir: t.TempDir()}
	stats, err := engine.Run(t.Context(), q, func(arrow.Record) error { return nil })
	if err == nil {
		require.Equal(t, int64(500_000), stats.Rows)
	} else {
		require.ErrorIs(t, err, transform.ErrOutOfMemory)
	}
	left, err := os.ReadDir(q.Limits.TempDir)
	require.NoError(t, err)
	require.Empty(t, left, "spilled files go with the run")

	q.Limits = transform.Limits{MemoryBytes: 16 << 20, Threads: 1}
	_, err = engine.Run(t.Context(), q, func(arrow.Record) error { return nil })
	require.ErrorIs(t, err, transform.ErrOutOfMemory)
}

func testConcurrentRuns(t *testing.T, engine transform.Engine) {
	file := writeEvents(t, at(t, "2001-01-01"), 5000)
	temp := t.TempDir()
	var group errgroup.Group
	group.SetLimit(8)
	for i := range 16 {
		group.Go(func() error {
			q := query("SELECT * FROM events", events, file)
			q.Limits = transform.Limits{MemoryBytes: 64 << 20, Threads: 1, TempDir: temp}
			start := at(t, "2001-01-01")
			q.Interval = window.Interval{Start: start, End: start.Add(time.Duration(i) * time.Minute)}
			stats, err := engine.Run(t.Context(), q, func(arrow.Record) error { return nil })
			if err == nil && stats.Rows != int64(i)*60 {
				err = errors.New("rows of another run")
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
}
