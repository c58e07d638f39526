// Command readers has other programs read Tilery's tables after all the
// maintenance that there is: delta-rs and Spark, neither of which shares code with
// Tilery or with the other.
//
// It writes three tables with Tilery's own engine: tiles with every aggregation
// function of every column that takes it, tiles with an aggregation_secondary_key,
// and rows with arrays. Their logs hold commits of several windows, windows without
// rows, and overwrites. Then the tables are compacted, get a checkpoint, lose the
// versions before it and the files that no version needs, and are written again.
//
// What Tilery reads of each table is written down row by row: at the head, and at
// the version after the checkpoint. Both readers must see the same columns and rows
// with every bit of every value, skip the same files, and compute the same sums.
// Spark also computes counts, sums, extremes and last values of the raw events by
// tile, which must be those of the tiles; the rows must be those of the raw events.
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tilery/tilery/deploy/local/bench/report"
)

//go:embed *.py
var scripts embed.FS

type options struct {
	deltaRS string
	spark   string
	dir     string
	seed    uint64
}

func main() { report.Main("readers", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("readers", flag.ContinueOnError)
	flags.StringVar(&o.deltaRS, "delta-rs", "", "the Python that has delta-rs; empty: leave it out")
	flags.StringVar(&o.spark, "spark", "", "the Python that has Spark; empty: leave it out")
	flags.StringVar(&o.dir, "dir", "", "where to work; empty: a temporary directory that is removed")
	flags.Uint64Var(&o.seed, "seed", 20010104, "of the events")
	err := report.Parse(flags, args)
	return o, err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	return report.InDir(o.dir, func(dir string) error {
		o.dir = dir
		fmt.Fprintf(out, "seed %d\n", o.seed)
		if err := writeTables(ctx, o, out); err != nil {
			return err
		}
		if err := os.CopyFS(o.dir, scripts); err != nil {
			return err
		}
		if o.deltaRS != "" {
			if err := o.read(ctx, out, o.deltaRS, "delta_rs.py"); err != nil {
				return err
			}
		}
		if o.spark != "" {
			return o.read(ctx, out, o.spark, "spark.py")
		}
		return nil
	})
}

// read runs a script over the tables. Spark's Java ends when the script does.
func (o options) read(ctx context.Context, out io.Writer, python, script string) error {
	command := exec.CommandContext(ctx, python, filepath.Join(o.dir, script), o.dir)
	command.Stdout = out
	command.Stderr = os.Stderr
	command.Env = append(os.Environ(), "TZ=UTC", "PYTHONDONTWRITEBYTECODE=1")
	if err := command.Run(); err != nil {
		return fmt.Errorf("run %s: %w", script, err)
	}
	return nil
}
