// Command delete measures the erasure of keys against delta-rs.
//
// A seeded table of ten million rows of a million keys, sorted as Tilery keeps it, loses
// ten thousand keys. The peer deletes them from a table of the same rows in the same
// order by delta-rs, with an IN list, which is what Delta has for it. Each run is a
// process of its own on a fresh copy; its time is from the open table to the commit, and
// for Tilery includes the fence and the fsync of what was written.
//
// Runs alternate, and the ratio is of medians. No ratio is printed unless both have
// removed the same number of rows and a scan found none of the keys in Tilery's table.
// The last line is one JSON object. The command fails when Tilery is slower than
// -max-ratio allows.
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
	"strconv"
	"strings"

	"github.com/tilery/tilery/deploy/local/bench/report"
)

type options struct {
	dir         string
	rows        int // of a key
	keys        int
	deleted     int
	repetitions int
	python      string
	maxRatio    float64
	side        string
	profile     string
}

func main() { report.Main("bench delete", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("delete", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "where to work; empty: a temporary directory that is removed")
	flags.IntVar(&o.keys, "keys", 1_000_000, "number of keys")
	flags.IntVar(&o.rows, "rows", 10, "number of rows of a key")
	flags.IntVar(&o.deleted, "deleted", 10_000, "number of keys that are deleted")
	flags.IntVar(&o.repetitions, "repetitions", 3, "how often to run each")
	flags.StringVar(&o.python, "python", "", "a Python that has duckdb and deltalake")
	flags.Float64Var(&o.maxRatio, "max-ratio", 1.5, "fail above")
	flags.StringVar(&o.profile, "profile", "", "where to write a profile of Tilery's last run; empty: nowhere")
	flags.StringVar(&o.side, "side", "", "")
	if err := report.Parse(flags, args); err != nil {
		return o, err
	}
	switch {
	case min(o.keys, o.rows, o.deleted, o.repetitions) < 1 || o.deleted > o.keys:
		return o, errors.New("keys, rows, deleted and repetitions are at least 1, and no more keys are deleted than there are")
	case o.python == "" && o.side == "":
		return o, errors.New("-python is required")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.side != "" {
		return o.erase(ctx, out)
	}
	return report.InDir(o.dir, func(dir string) error {
		o.dir = dir
		return o.measure(ctx, out)
	})
}

// measure erases on both sides in turn.
func (o options) measure(ctx context.Context, out io.Writer) error {
	if err := o.generate(ctx); err != nil {
		return err
	}
	if _, err := o.peer(ctx, "write"); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d rows of %d keys, of which %d are deleted\n", o.keys*o.rows, o.keys, o.deleted)
	seconds := map[string][]float64{}
	for n := range o.repetitions {
		for side, start := range map[string]func(context.Context) (result, error){"tilery": o.self, "deltars": o.deltars} {
			r, err := start(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", side, err)
			}
			if want := o.deleted * o.rows; r.rows != want {
				return fmt.Errorf("%s has deleted %d rows, want %d", side, r.rows, want)
			}
			seconds[side] = append(seconds[side], r.seconds)
			fmt.Fprintf(out, "run %d, %s: %.2f s\n", n+1, side, r.seconds)
		}
	}
	return o.judge(out, report.Median(seconds["tilery"]), report.Median(seconds["deltars"]))
}

func (o options) judge(out io.Writer, tilery, deltars float64) error {
	ratio := tilery / deltars
	line := report.Line{
		Bench:  "delete",
		Ratios: map[string]json.Number{"tilery_over_deltars_time": report.Round(ratio, 3)},
		Figures: map[string]any{
			"rows": o.keys * o.rows, "keys": o.keys, "deleted": o.deleted, "repetitions": o.repetitions,
			"tilery_seconds": report.Round(tilery, 3), "deltars_seconds": report.Round(deltars, 3),
		},
	}
	if err := line.Print(out); err != nil {
		return err
	}
	if ratio > o.maxRatio {
		return fmt.Errorf("an erasure takes %.2f times what delta-rs takes, at most %.2f are allowed", ratio, o.maxRatio)
	}
	return nil
}

// result is what a run prints.
type result struct {
	seconds float64
	rows    int
}

// self runs Tilery on a copy of its table.
func (o options) self(ctx context.Context) (result, error) {
	program, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	return o.onCopy("tilery", func() (result, error) {
		return measured(exec.CommandContext(ctx, program, "-side", "tilery", "-dir", o.dir, "-profile", o.profile,
			"-keys", strconv.Itoa(o.keys), "-rows", strconv.Itoa(o.rows), "-deleted", strconv.Itoa(o.deleted)))
	})
}

func (o options) deltars(ctx context.Context) (result, error) {
	return o.onCopy("deltars", func() (result, error) { return o.peer(ctx, "delete") })
}

func (o options) peer(ctx context.Context, what string) (result, error) {
	return measured(exec.CommandContext(ctx, o.python, "bench/delete/peer.py", what, o.dir, o.keysFile()))
}

// onCopy calls run with a fresh copy of a side's table in place.
func (o options) onCopy(side string, run func() (result, error)) (r result, err error) {
	work := filepath.Join(o.dir, "run")
	if err := os.CopyFS(work, os.DirFS(filepath.Join(o.dir, side))); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	return run()
}

func measured(command *exec.Cmd) (r result, err error) {
	command.Stderr = os.Stderr
	printed, err := command.Output()
	if err != nil {
		return r, err
	}
	_, err = fmt.Sscan(strings.TrimSpace(string(printed)), &r.seconds, &r.rows)
	return r, err
}

// keysFile lists the keys to delete, one a line.
func (o options) keysFile() string { return filepath.Join(o.dir, "keys.txt") }
