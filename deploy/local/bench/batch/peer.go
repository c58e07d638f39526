package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/sql"
)

// level is that of zstd in Tilery's tables.
const level = 1

const peerSQL = `COPY (
	SELECT user_id, date_trunc('hour', ts) AS tile_start,
		count(amount) AS count_amount, max(amount) AS max_amount, sum(amount)::BIGINT AS sum_amount
	FROM read_parquet('%s') GROUP BY ALL
) TO '%s' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL %d)`

// aggregateAlone is the peer's process: it writes the result to o.peer and
// prints the seconds that it took.
func aggregateAlone(o options, out io.Writer) error {
	start := time.Now()
	d, err := sql.Open(sql.Limited(o.threads, o.memory, filepath.Join(o.dir, "spill")))
	if err != nil {
		return err
	}
	err = d.Exec(peerSQL, filepath.Join(o.sources(), "*.parquet"), o.peer, level)
	d.Close()
	fmt.Fprintln(out, time.Since(start).Seconds())
	return err
}

// runPeer runs the peer in a process of its own, as the worker is.
func (o options) runPeer(ctx context.Context, repetition int) (measurement, error) {
	self, err := os.Executable()
	if err != nil {
		return measurement{}, err
	}
	file := filepath.Join(o.dir, "duckdb", strconv.Itoa(repetition)+".parquet")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return measurement{}, err
	}
	command := exec.CommandContext(ctx, self, "-peer", file, "-dir", o.dir,
		"-threads", strconv.Itoa(o.threads), "-memory", strconv.FormatInt(o.memory, 10))
	command.Stderr = os.Stderr
	printed, err := command.Output()
	if err != nil {
		return measurement{}, fmt.Errorf("run duckdb alone: %w", err)
	}
	var m measurement
	if m.seconds, err = strconv.ParseFloat(strings.TrimSpace(string(printed)), 64); err != nil {
		return measurement{}, err
	}
	return o.describe(m.seconds, []string{file})
}

// describe reads what a run made.
func (o options) describe(seconds float64, files []string) (measurement, error) {
	m := measurement{seconds: seconds}
	var err error
	if m.bytes, err = sizeOf(files); err != nil {
		return measurement{}, err
	}
	m.result, err = o.canonicalOf(files)
	return m, err
}
