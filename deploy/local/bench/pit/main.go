// Command pit measures point-in-time joins against SQL engines and Feast.
//
// Two joins of a seeded spine of a million rows: with ten million rows of a view
// without aggregations, and with three windows over the hourly tiles of ten million
// events. The peers are DuckDB, the version that the worker links and the newest of
// PyPI (an ASOF join; for windows the faster of two statements of plain SQL over the same
// tiles), and Feast with its DuckDB store, of the first join only. All read the same
// Parquet files, the live ones of Tilery's table, with the same number of threads and, as
// far as they know one, the same limit of memory, and write Parquet. Each run is a
// process of its own; its time is that of the join from opening the spine to the last
// byte of the result, of Feast that of its call alone.
//
// Runs alternate, and ratios are of medians. No ratio is printed before the results
// were compared, row by row. The last line is one JSON object. The command fails when
// results differ, when Tilery is slower than -max-duckdb-ratio or -min-feast-ratio
// allow, or when its peak memory is above its budget plus 300 MB.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"

	"github.com/tilery/tilery/deploy/local/bench/report"
)

// overhead is what the process may take beside its budget.
const overhead = 300 << 20

type options struct {
	dir         string
	rows        int64 // of the view, and events
	spine       int64
	keys        int64 // of the view's rows
	users       int64 // of the events
	repetitions int
	memory      int64
	threads     int
	python      string
	maxDuckDB   float64
	minFeast    float64
	side        string
}

func main() { report.Main("bench pit", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("pit", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "where to work; empty: a temporary directory that is removed")
	flags.Int64Var(&o.rows, "rows", 10_000_000, "number of rows of the view, and of events")
	flags.Int64Var(&o.spine, "spine", 1_000_000, "number of rows of the spine")
	flags.Int64Var(&o.keys, "keys", 1_000_000, "number of keys of the view's rows")
	flags.Int64Var(&o.users, "users", 100_000, "number of users of the events, the k-th as frequent as 1/k")
	flags.IntVar(&o.repetitions, "repetitions", 3, "how often to run each")
	flags.Int64Var(&o.memory, "memory", 1<<30, "budget of a join and limit of DuckDB, in bytes")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of each")
	flags.StringVar(&o.python, "python", "", "a Python that has duckdb and feast; empty: without them")
	flags.Float64Var(&o.maxDuckDB, "max-duckdb-ratio", 1.5, "fail above")
	flags.Float64Var(&o.minFeast, "min-feast-ratio", 1.5, "fail below")
	flags.StringVar(&o.side, "side", "", "")
	if err := report.Parse(flags, args); err != nil {
		return o, err
	}
	if min(o.rows, o.spine, o.keys, o.users, int64(o.repetitions), int64(o.threads)) < 1 {
		return o, errors.New("rows, spine, keys, users, repetitions and threads are at least 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.side != "" {
		return o.runSide(ctx, out)
	}
	return report.InDir(o.dir, func(dir string) error {
		o.dir = dir
		fmt.Fprintf(out, "%d rows of %d keys, %d events of %d users; a spine of %d rows\n", o.rows, o.keys, o.rows, o.users, o.spine)
		if err := o.generate(); err != nil {
			return err
		}
		if err := o.build(ctx, out); err != nil {
			return err
		}
		results, err := o.measure(ctx, out)
		if err != nil {
			return err
		}
		return o.judge(out, results)
	})
}

// judge prints the last line and says what is too slow or too large.
func (o options) judge(out io.Writer, results map[string]result) error {
	line := report.Line{Bench: "pit", Ratios: map[string]json.Number{}, Figures: map[string]any{
		"rows": o.rows, "keys": o.keys, "users": o.users, "spine": o.spine, "repetitions": o.repetitions,
		"threads": o.threads, "budget_bytes": o.memory,
	}}
	worst, peak := 0.0, int64(0)
	for name, join := range joins {
		tilery := results[name+" tilery"]
		peer, seconds := o.fastest(name, results)
		worst, peak = max(worst, tilery.seconds/seconds), max(peak, tilery.peak)
		line.Ratios[name+"_tilery_over_duckdb_time"] = report.Round(tilery.seconds/seconds, 3)
		line.Figures[name+"_duckdb"] = peer
		for _, side := range join.sides(o) {
			line.Figures[name+"_"+side+"_seconds"] = report.Round(results[name+" "+side].seconds, 3)
		}
	}
	line.Figures["peak_memory_bytes"] = peak
	line.Ratios["tilery_over_duckdb_time"] = report.Round(worst, 3)
	feast := 0.0
	if o.python != "" {
		feast = results["rows feast"].seconds / results["rows tilery"].seconds
		line.Ratios["feast_over_tilery_time"] = report.Round(feast, 3)
	}
	if err := line.Print(out); err != nil {
		return err
	}
	switch {
	case worst > o.maxDuckDB:
		return fmt.Errorf("a join takes %.2f times what DuckDB takes, at most %.2f are allowed", worst, o.maxDuckDB)
	case o.python != "" && feast < o.minFeast:
		return fmt.Errorf("a join by Feast takes %.2f times what one takes here, at least %.2f are asked for", feast, o.minFeast)
	case peak > o.memory+overhead:
		return fmt.Errorf("a join used %d bytes at its peak, at most %d are allowed with a budget of %d", peak, o.memory+overhead, o.memory)
	}
	return nil
}
