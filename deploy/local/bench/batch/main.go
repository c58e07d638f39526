// Command batch measures a backfill against the SQL engine alone.
//
// The backfill is the workflow Materialize, from its start until it has
// succeeded, on the embedded Temporal server and a worker process of its own:
// seeded events in Parquet become hourly tiles of sum, count and max in a Delta
// table, a commit for 16 daily windows. The peer is one statement of the same
// DuckDB that the worker links, GROUP BY key and hour, over the same files with
// the same number of threads, the same memory limit and the same codec. Its
// result is one file. The peer neither sorts its rows nor makes them durable, and
// knows no partitions, windows, attempts or commits; the ratio is the price of all that.
// The view is offline only: filling an online store is another measurement.
//
// Runs alternate, and the ratio is that of the medians. Nothing is printed
// before both results have been compared: as sorted rows of key, tile, sum, count
// and max, each time. The last line is one JSON object. The command fails when
// results differ, when the ratio is above -max-ratio, or when the worker's peak
// memory is above its budget plus 300 MB.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"github.com/tilery/tilery/deploy/local/bench/report"
)

// overhead is what the worker process may take beside its batch budget: the
// program itself, the online store's cache, Temporal's client.
const overhead = 300 << 20

// pair is what one run of each measured.
type pair struct{ tilery, duckdb measurement }

type measurement struct {
	seconds float64 // from the start to the end, on the wall
	bytes   int64   // of Parquet
	result  canonical
}

type options struct {
	bin         string
	dir         string
	events      int64
	keys        int64
	windows     int
	repetitions int
	memory      int64
	threads     int
	maxRatio    float64
	peer        string
}

func main() { report.Main("bench batch", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	flags.StringVar(&o.bin, "bin", "bin", "directory of tilery, tilery-worker and tilery-local")
	flags.StringVar(&o.dir, "dir", "", "where to work; empty: a temporary directory that is removed")
	flags.Int64Var(&o.events, "events", 10_000_000, "number of events")
	flags.Int64Var(&o.keys, "keys", 100_000, "number of keys, the k-th as frequent as 1/k")
	flags.IntVar(&o.windows, "windows", 30, "number of daily windows")
	flags.IntVar(&o.repetitions, "repetitions", 5, "how often to run both")
	flags.Int64Var(&o.memory, "memory", 1<<30, "budget of the worker's windows and limit of the peer, in bytes")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "windows at a time, with a thread each, and threads of the peer")
	flags.Float64Var(&o.maxRatio, "max-ratio", 2, "fail above")
	flags.StringVar(&o.peer, "peer", "", "")
	if err := report.Parse(flags, args); err != nil {
		return o, err
	}
	if o.events < 1 || o.keys < 1 || o.windows < 1 || o.repetitions < 1 || o.threads < 1 {
		return o, errors.New("events, keys, windows, repetitions and threads are at least 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.peer != "" {
		return aggregateAlone(o, out)
	}
	return report.InDir(o.dir, func(dir string) error {
		o.dir = dir
		pairs, peak, err := o.measure(ctx, out)
		if err != nil {
			return err
		}
		return o.report(out, pairs, peak)
	})
}

// measure runs both in turn, and returns the worker's peak memory in bytes.
func (o options) measure(ctx context.Context, out io.Writer) (pairs []pair, peak int64, err error) {
	fmt.Fprintf(out, "%d events of %d keys in %d daily windows\n", o.events, o.keys, o.windows)
	if err := o.generate(); err != nil {
		return nil, 0, err
	}
	s, err := o.start(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for i := range o.repetitions {
		var p pair
		if p.duckdb, err = o.runPeer(ctx, i); err != nil {
			return nil, 0, err
		}
		if p.tilery, err = s.materialize(ctx, i); err != nil {
			return nil, 0, err
		}
		if p.tilery.result != p.duckdb.result {
			return nil, 0, fmt.Errorf("the results differ: tilery made %v, DuckDB %v", p.tilery.result, p.duckdb.result)
		}
		pairs = append(pairs, p)
		fmt.Fprintf(out, "run %d: tilery %.2f s, duckdb %.2f s, equal: %v\n", i+1, p.tilery.seconds, p.duckdb.seconds, p.tilery.result)
	}
	peak, err = report.PeakMemory(strconv.Itoa(s.worker.Process.Pid))
	return pairs, peak, err
}

// report prints the last line and judges it.
func (o options) report(out io.Writer, pairs []pair, peak int64) error {
	var tilerySeconds, duckdbSeconds []float64
	for _, p := range pairs {
		tilerySeconds, duckdbSeconds = append(tilerySeconds, p.tilery.seconds), append(duckdbSeconds, p.duckdb.seconds)
	}
	tilery, duckdb := report.Median(tilerySeconds), report.Median(duckdbSeconds)
	ratio := tilery / duckdb
	line := report.Line{
		Bench:  "batch",
		Ratios: map[string]json.Number{"tilery_over_duckdb_time": report.Round(ratio, 3)},
		Figures: map[string]any{
			"tilery_seconds": report.Round(tilery, 3), "duckdb_seconds": report.Round(duckdb, 3),
			"events": o.events, "keys": o.keys, "windows": o.windows, "repetitions": o.repetitions, "threads": o.threads,
			"tiles": pairs[0].tilery.result.rows, "tilery_bytes": pairs[0].tilery.bytes, "duckdb_bytes": pairs[0].duckdb.bytes,
			"peak_memory_bytes": peak, "budget_bytes": o.memory,
		},
	}
	if err := line.Print(out); err != nil {
		return err
	}
	if ratio > o.maxRatio {
		return fmt.Errorf("a backfill takes %.2f times what DuckDB takes, at most %.2f are allowed", ratio, o.maxRatio)
	}
	if peak > o.memory+overhead {
		return fmt.Errorf("the worker used %d bytes at its peak, at most %d are allowed with a budget of %d", peak, o.memory+overhead, o.memory)
	}
	return nil
}
