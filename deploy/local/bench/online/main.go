// Command online measures how an online store is filled, beside Feast.
//
// Ten million rows of a million entities lie in one Parquet file, in the order of their
// times. Tilery runs the SQL of a BatchFeatureView over them, a day of rows at a time,
// makes the files of its offline table, commits them, and brings the newest row of each
// entity into the embedded store. `feast materialize` reads the same file with its DuckDB
// store and writes the same rows to SQLite. Feast keeps no table of the rows.
//
// Each run is a process of its own that begins with empty stores; its time is that of the
// process, its memory the most that it and its children had resident together. Definitions
// are applied before. Runs alternate, and ratios are of medians. No ratio is printed before
// the rows were compared: all of Tilery's with what DuckDB finds, and a sample of Feast's
// with Tilery's. The last line is one JSON object. The command fails when rows differ, when
// Feast takes less than -min-ratio times what Tilery takes, or when Tilery needs more than
// -max-memory-ratio of Feast's memory.
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

type options struct {
	dir         string
	rows        int64
	keys        int64
	repetitions int
	memory      int64
	threads     int
	python      string
	minRatio    float64
	maxMemory   float64
	side        string
	profile     string
}

func main() { report.Main("bench online", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("online", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "where to work; empty: a temporary directory that is removed")
	flags.Int64Var(&o.rows, "rows", 10_000_000, "number of rows")
	flags.Int64Var(&o.keys, "keys", 1_000_000, "number of entities")
	flags.IntVar(&o.repetitions, "repetitions", 3, "how often to run each")
	flags.Int64Var(&o.memory, "memory", 256<<20, "budget of a build, in bytes")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "builds at a time, with a thread each; Feast takes what there are")
	flags.StringVar(&o.python, "python", "", "a Python that has feast; empty: without Feast")
	flags.Float64Var(&o.minRatio, "min-ratio", 10, "fail when Feast takes less than so many times as long")
	flags.Float64Var(&o.maxMemory, "max-memory-ratio", 0.2, "fail above this part of Feast's memory")
	flags.StringVar(&o.profile, "profile", "", "where to write a profile of Tilery's last run; empty: nowhere")
	flags.StringVar(&o.side, "side", "", "")
	if err := report.Parse(flags, args); err != nil {
		return o, err
	}
	if min(o.rows, o.keys, int64(o.repetitions), int64(o.threads)) < 1 {
		return o, errors.New("rows, keys, repetitions and threads are at least 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.side != "" {
		return report.Profiled(o.profile, func() error { return o.load(ctx, out) })
	}
	return report.InDir(o.dir, func(dir string) error {
		o.dir = dir
		fmt.Fprintf(out, "%d rows of %d entities\n", o.rows, o.keys)
		if err := o.generate(); err != nil {
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
	tilery := results["tilery"]
	line := report.Line{Bench: "online-load", Ratios: map[string]json.Number{}, Figures: map[string]any{
		"rows": o.rows, "keys": o.keys, "repetitions": o.repetitions, "threads": o.threads, "budget_bytes": o.memory,
		"tilery_seconds": report.Round(tilery.seconds, 3), "tilery_cpu_seconds": report.Round(tilery.cpu, 3), "tilery_peak_memory_bytes": tilery.peak,
	}}
	feast, compared := results["feast"]
	ratio, memory := 0.0, 0.0
	if compared {
		ratio, memory = feast.seconds/tilery.seconds, float64(tilery.peak)/float64(feast.peak)
		line.Ratios["feast_over_tilery_time"] = report.Round(ratio, 3)
		line.Ratios["tilery_over_feast_memory"] = report.Round(memory, 3)
		line.Figures["feast_seconds"], line.Figures["feast_cpu_seconds"] = report.Round(feast.seconds, 3), report.Round(feast.cpu, 3)
		line.Figures["feast_peak_memory_bytes"] = feast.peak
	}
	if err := line.Print(out); err != nil {
		return err
	}
	switch {
	case compared && ratio < o.minRatio:
		return fmt.Errorf("a load by Feast takes %.2f times what one takes here, at least %.2f are asked for", ratio, o.minRatio)
	case compared && memory > o.maxMemory:
		return fmt.Errorf("a load takes %.2f of the memory that Feast takes, at most %.2f are allowed", memory, o.maxMemory)
	}
	return nil
}
