// Command aggregate measures the aggregation functions alone, on one core.
//
// For each function over a typical column it prints the time to add a row, the
// time to merge one state into another, both of them full, and the allocations of
// both. Rows are seeded, of groups in random order and at random times. Groups
// exist and memory is warm: what is measured follows a Reset after the same rows.
// A ratio is the time of a row over that of a loop that sums a slice of float64 by
// group, measured in turn with it; each is the fastest of its runs.
//
// The top of a CPU profile of all runs is printed, and the last line is one JSON
// object. The command fails when adding allocates for each row: when there are
// more than -max-allocations a row.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tilery/tilery/deploy/local/bench/report"
)

type options struct {
	rows, groups   int
	repetitions    int
	maxAllocations float64
}

func main() { report.Main("bench aggregate", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("aggregate", flag.ContinueOnError)
	flags.IntVar(&o.rows, "rows", 500_000, "number of rows")
	flags.IntVar(&o.groups, "groups", 5_000, "number of groups")
	flags.IntVar(&o.repetitions, "repetitions", 5, "how often to run each")
	flags.Float64Var(&o.maxAllocations, "max-allocations", 0.001, "fail above, per row that is added")
	if err := report.Parse(flags, args); err != nil {
		return o, err
	}
	if o.rows < 1 || o.groups < 1 || o.repetitions < 1 {
		return o, errors.New("rows, groups and repetitions are at least 1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	return report.InDir("", func(dir string) error {
		var results []result
		profile := filepath.Join(dir, "cpu.pprof")
		if err := report.Profiled(profile, func() (err error) {
			results, err = o.measure(ctx, out)
			return err
		}); err != nil {
			return err
		}
		if err := printTop(ctx, out, profile); err != nil {
			return err
		}
		return o.report(out, results)
	})
}

func printTop(ctx context.Context, out io.Writer, profile string) error {
	pprof := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=30", profile)
	pprof.Stdout = out
	pprof.Stderr = os.Stderr
	if err := pprof.Run(); err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	return nil
}

// report prints the last line and judges it.
func (o options) report(out io.Writer, results []result) error {
	ratios, addRow, mergeState, allocations := map[string]json.Number{}, map[string]json.Number{}, map[string]json.Number{}, map[string]json.Number{}
	var failures []error
	for _, r := range results {
		ratios["add_over_plain_loop "+r.name] = report.Round(r.addNanos/r.loopNanos, 2)
		addRow[r.name], mergeState[r.name] = report.Round(r.addNanos, 2), report.Round(r.mergeNanos, 1)
		allocations[r.name] = report.Round(r.addAllocations, 6)
		if r.addAllocations > o.maxAllocations {
			failures = append(failures, fmt.Errorf("%s makes %.4f allocations a row, at most %g are allowed", r.name, r.addAllocations, o.maxAllocations))
		}
	}
	line := report.Line{
		Bench:  "aggregate",
		Ratios: ratios,
		Figures: map[string]any{
			"add_ns_per_row": addRow, "merge_ns_per_state": mergeState, "add_allocations_per_row": allocations,
			"rows": o.rows, "groups": o.groups, "repetitions": o.repetitions,
		},
	}
	if err := line.Print(out); err != nil {
		return err
	}
	return errors.Join(failures...)
}
