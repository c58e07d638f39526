package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/report"
	"github.com/tilery/tilery/deploy/local/bench/sql"
)

// result is the median of a side's runs.
type result struct {
	seconds float64 // on the wall
	cpu     float64 // seconds of all processors
	peak    int64   // of memory, in bytes, the most of all runs
}

// measure runs all sides in turn.
func (o options) measure(ctx context.Context, out io.Writer) (map[string]result, error) {
	sides := []string{"tilery"}
	if o.python != "" {
		sides = append(sides, "feast")
	}
	runs, results := map[string][]result{}, map[string]result{}
	for i := range o.repetitions {
		for _, side := range sides {
			r, err := o.start(ctx, side)
			if err != nil {
				return nil, fmt.Errorf("load by %s: %w", side, err)
			}
			if err := o.compare(ctx, side); err != nil {
				return nil, err
			}
			runs[side] = append(runs[side], r)
			results[side] = median(runs[side])
			fmt.Fprintf(out, "run %d: %-6s %6.2f s, %6.2f s of processors, %4d MB\n", i+1, side, r.seconds, r.cpu, r.peak>>20)
		}
	}
	return results, nil
}

func median(runs []result) (out result) {
	var seconds, cpu []float64
	for _, r := range runs {
		seconds, cpu = append(seconds, r.seconds), append(cpu, r.cpu)
		out.peak = max(out.peak, r.peak)
	}
	out.seconds, out.cpu = report.Median(seconds), report.Median(cpu)
	return out
}

func (o options) sideDir(side string) string { return filepath.Join(o.dir, side) }

// start fills an empty online store once.
func (o options) start(ctx context.Context, side string) (result, error) {
	if err := os.RemoveAll(o.sideDir(side)); err != nil {
		return result{}, err
	}
	if err := os.MkdirAll(o.sideDir(side), 0o700); err != nil {
		return result{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	args := []string{
		"-side", side, "-dir", o.dir, "-threads", strconv.Itoa(o.threads), "-memory", strconv.FormatInt(o.memory, 10), "-profile", o.profile,
	}
	if side == "feast" {
		if err := o.peer(ctx, "apply", o.sourceFile()); err != nil {
			return result{}, err
		}
		// As the program feast does, which knows its Python by where it was installed.
		program = o.python
		args = []string{"-c", "from feast.cli.cli import cli; cli()", "-c", o.sideDir(side), "materialize", at(0), at(days)}
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Env, command.Stderr = append(os.Environ(), "PYTHONWARNINGS=ignore", "FEAST_USAGE=False"), os.Stderr
	if side == "tilery" {
		command.Stdout = os.Stdout
	}
	begin := time.Now()
	if err := command.Start(); err != nil {
		return result{}, err
	}
	peak := watch(command.Process.Pid)
	err = command.Wait()
	r := result{seconds: time.Since(begin).Seconds(), peak: peak()}
	if state := command.ProcessState; state != nil {
		r.cpu = (state.UserTime() + state.SystemTime()).Seconds()
	}
	return r, err
}

// at is when a day begins, as Feast wants it.
func at(day int) string { return firstDay.AddDate(0, 0, day).Format("2006-01-02T15:04:05") }

// peer runs what is not measured of Feast's side.
func (o options) peer(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, o.python, append([]string{"bench/online/peer.py", o.sideDir("feast")}, args...)...)
	command.Env, command.Stdout, command.Stderr = append(os.Environ(), "PYTHONWARNINGS=ignore", "FEAST_USAGE=False"), os.Stderr, os.Stderr
	return command.Run()
}

// newestSQL counts the rows of a file of entities that are those of the newest source rows.
const newestSQL = `WITH newest AS (
		SELECT entity, max(ts) AS ts, arg_max(f_sum, ts) AS f_sum, arg_max(f_count, ts) AS f_count, arg_max(f_max, ts) AS f_max
		FROM read_parquet('%[1]s') GROUP BY entity
	)
	SELECT (SELECT count(*) FROM newest), (SELECT count(*) FROM read_parquet('%[2]s')), count(*)
	FROM newest JOIN read_parquet('%[2]s') stored USING (entity, f_sum, f_count, f_max)`

// sampled is how many entities Feast is asked for.
const sampled = 10_000

// compare fails unless a side's store has the newest row of each entity.
func (o options) compare(ctx context.Context, side string) error {
	stored, want := filepath.Join(o.dir, side+".parquet"), int64(0)
	if side == "feast" {
		want = min(sampled, o.keys)
		if err := o.peer(ctx, "read", filepath.Join(o.dir, "tilery.parquet"), strconv.FormatInt(want, 10), stored); err != nil {
			return err
		}
	} else if err := o.export(ctx, stored); err != nil {
		return err
	}
	d, err := sql.Open(nil)
	if err != nil {
		return err
	}
	defer d.Close()
	row, err := d.Row(o.dir, newestSQL, o.sourceFile(), stored)
	if err != nil {
		return err
	}
	if side == "feast" {
		row[0] = strconv.FormatInt(want, 10)
	}
	if row[0] != row[1] || row[0] != row[2] {
		return fmt.Errorf("%s has %s rows of %s, of which %s are the newest of their entity", side, row[1], row[0], row[2])
	}
	return nil
}
