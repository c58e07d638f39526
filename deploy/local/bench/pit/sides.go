package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/report"
	"github.com/tilery/tilery/deploy/local/bench/sql"
	"github.com/tilery/tilery/pkg/retrieve"
)

// result is the median of a side's runs.
type result struct {
	seconds float64
	peak    int64 // of memory, in bytes
}

// measure runs all sides in turn.
func (o options) measure(ctx context.Context, out io.Writer) (map[string]result, error) {
	seconds, results := map[string][]float64{}, map[string]result{}
	for i := range o.repetitions {
		for _, name := range slices.Sorted(maps.Keys(joins)) {
			j := joins[name]
			for _, side := range j.sides(o) {
				r, err := o.start(ctx, name, side)
				if err != nil {
					return nil, fmt.Errorf("%s by %s: %w", name, side, err)
				}
				if side != "tilery" {
					if err := o.compare(name, side); err != nil {
						return nil, err
					}
				}
				key := name + " " + side
				seconds[key] = append(seconds[key], r.seconds)
				results[key] = result{report.Median(seconds[key]), max(results[key].peak, r.peak)}
				fmt.Fprintf(out, "run %d: %-7s %-15s %6.2f s, %4d MB\n", i+1, name, side, r.seconds, r.peak>>20)
			}
		}
	}
	return results, nil
}

// fastest returns the DuckDB and the statement that took the least time, and that time.
func (o options) fastest(name string, results map[string]result) (side string, seconds float64) {
	for _, candidate := range joins[name].sides(o) {
		if candidate == "tilery" || candidate == "feast" {
			continue
		}
		if r := results[name+" "+candidate]; side == "" || r.seconds < seconds {
			side, seconds = candidate, r.seconds
		}
	}
	return side, seconds
}

// start makes a join once, in a process of its own that prints its seconds and its peak memory.
func (o options) start(ctx context.Context, name, side string) (result, error) {
	program, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	args := []string{"-side", name + " " + side, "-dir", o.dir, "-threads", strconv.Itoa(o.threads), "-memory", strconv.FormatInt(o.memory, 10)}
	if side == "feast" || strings.HasSuffix(side, "-pypi") {
		statement, err := o.statement(name, side)
		if err != nil {
			return result{}, err
		}
		program, args = o.python, []string{"bench/pit/peer.py", side, o.spineFile(name), o.filesOf(name), o.resultFile(name, side),
			statement, strconv.Itoa(o.threads), strconv.FormatInt(o.memory, 10)}
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Env, command.Stderr = append(os.Environ(), "PYTHONWARNINGS=ignore"), os.Stderr
	printed, err := command.Output()
	if err != nil {
		return result{}, err
	}
	var r result
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	_, err = fmt.Sscan(lines[len(lines)-1], &r.seconds, &r.peak)
	return r, err
}

// statement is the SQL of a side; empty for Feast.
func (o options) statement(name, side string) (string, error) {
	statement, _, _ := strings.Cut(side, "-")
	text, ok := joins[name].statements[statement]
	if !ok {
		return "", nil
	}
	data, err := os.ReadFile(o.filesOf(name))
	if err != nil {
		return "", err
	}
	var files []string
	if err := json.Unmarshal(data, &files); err != nil {
		return "", err
	}
	for i, f := range files {
		files[i] = "'" + f + "'"
	}
	return fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
		fmt.Sprintf(text, o.spineFile(name), strings.Join(files, ", ")), o.resultFile(name, side)), nil
}

// runSide is what the process of a side does.
func (o options) runSide(ctx context.Context, out io.Writer) error {
	name, side, _ := strings.Cut(o.side, " ")
	start := time.Now()
	var err error
	if side == "tilery" {
		err = o.runTilery(ctx, name)
	} else {
		err = o.runDuckDB(name, side)
	}
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	peak, err := report.PeakMemory("self")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, seconds, peak)
	return nil
}

func (o options) runDuckDB(name, side string) error {
	statement, err := o.statement(name, side)
	if err != nil {
		return err
	}
	d, err := sql.Open(sql.Limited(o.threads, o.memory, filepath.Join(o.dir, "spill")))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Exec("%s", statement)
}

func (o options) runTilery(ctx context.Context, name string) error {
	v, err := o.open(ctx, joins[name])
	if err != nil {
		return err
	}
	limits := retrieve.Options{MemoryBytes: o.memory, Threads: o.threads, ScratchDir: v.Scratch()}
	return v.Join(ctx, limits, o.spineFile(name), "instant", o.resultFile(name, "tilery"))
}

// compare fails unless a side made the rows that Tilery made, whatever their order.
func (o options) compare(name, side string) error {
	d, err := sql.Open(nil)
	if err != nil {
		return err
	}
	defer d.Close()
	var list []string
	for _, f := range joins[name].features {
		list = append(list, `"`+joins[name].view+"."+f+`"`)
	}
	row, err := d.Row(o.dir, `SELECT (SELECT count(*) FROM read_parquet('%[1]s')), (SELECT count(*) FROM read_parquet('%[2]s')), count(*)
		FROM read_parquet('%[1]s') a JOIN read_parquet('%[2]s') b ON a.id = b.id AND a.entity = b.entity
		WHERE (%[3]s) IS NOT DISTINCT FROM (%[4]s)`,
		o.resultFile(name, "tilery"), o.resultFile(name, side), "a."+strings.Join(list, ", a."), "b."+strings.Join(list, ", b."))
	if err != nil {
		return err
	}
	if row[0] != row[1] || row[0] != row[2] {
		return fmt.Errorf("%s: Tilery has %s rows, %s has %s, of which %s are equal", name, row[0], side, row[1], row[2])
	}
	return nil
}
