// Command feast compares point-in-time joins with Feast's, on real flights.
//
// A view without aggregations over the flights of a month, with a ttl of two days, is
// built into a table. A seeded spine of airports and instants (among them airports that
// are not there, instants before the first flight, and those a microsecond after rows begin and end to
// count) is joined by Tilery, and by Feast over the same rows. Feast knows no effective
// times, so its rows have Tilery's as their timestamps, and the departure as the time
// of their creation. Not one cell may differ.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/report"
	"github.com/tilery/tilery/deploy/local/bench/sql"
	"github.com/tilery/tilery/deploy/local/bench/stored"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

const definitions = `kind: Entity
name: airport
join_keys: [{name: origin, type: String}]
---
kind: BatchSource
name: flights
batch_config: {uri: flights-*.parquet, file_format: parquet, timestamp_field: date}
schema:
  - {name: date, type: Timestamp}
  - {name: delay, type: Int64}
  - {name: distance, type: Int64}
  - {name: origin, type: String}
  - {name: destination, type: String}
---
kind: BatchFeatureView
name: departures
entities: [airport]
sources: [flights]
mode: sql
transformation: |
  SELECT origin, date AS departure, count(*) AS flights, avg(delay) AS delay, max(distance) AS distance, min(destination) AS destination
  FROM flights GROUP BY origin, date
timestamp_field: departure
feature_start_time: 2001-01-01T00:00:00Z
batch_schedule: 1d
ttl: 2d
online: false
offline: true
`

// Midnight itself is left out: at the instant at which a row expires Feast still has it,
// while to Tilery and Tecton the instant before is the last.
const spineSQL = `COPY (
	SELECT i AS id, CASE hash(i, 1) %% 10 WHEN 0 THEN 'nowhere' ELSE airports[1 + (hash(i, 2) %% len(airports))::BIGINT] END AS origin,
		TIMESTAMP '2000-12-30' + CASE hash(i, 3) %% 4
			WHEN 0 THEN to_microseconds(((hash(i, 4) %% 36) * 86400000000 + 1)::BIGINT)
			ELSE to_microseconds((1 + hash(i, 4) %% 86399999999 + 86400000000 * (hash(i, 5) %% 36))::BIGINT) END AS instant
	FROM range(%[2]d) r(i), (SELECT list(DISTINCT origin ORDER BY origin) AS airports FROM read_parquet('%[1]s'))
) TO '%[3]s' (FORMAT parquet)`

// rowsSQL is what Feast reads: the table's rows with their effective times.
const rowsSQL = `COPY (
	SELECT origin, flights, delay, distance, destination, departure AS created, date_trunc('day', departure) + INTERVAL 1 DAY AS event_timestamp
	FROM read_parquet([%[1]s], hive_partitioning = false)
) TO '%[2]s' (FORMAT parquet)`

const compareSQL = `SELECT
		(SELECT count(*) FROM read_parquet('%[1]s')), (SELECT count(*) FROM read_parquet('%[2]s')),
		count(*) FILTER ((a."departures.flights", a."departures.delay", a."departures.distance", a."departures.destination")
			IS NOT DISTINCT FROM (b.flights, b.delay, b.distance, b.destination)),
		count(b.flights)
	FROM read_parquet('%[1]s') a JOIN read_parquet('%[2]s') b ON a.id = b.id`

type options struct {
	python  string
	flights string
	spine   int
}

func main() { report.Main("feast", run) }

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("feast", flag.ContinueOnError)
	flags.StringVar(&o.python, "python", "python3", "a Python that has feast and duckdb")
	flags.StringVar(&o.flights, "flights", "../../examples/flights/data", "directory of the flights")
	flags.IntVar(&o.spine, "spine", 50_000, "number of rows of the spine")
	err := report.Parse(flags, args)
	return o, err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	return report.InDir("", func(dir string) error { return o.compare(ctx, dir, out) })
}

// compare joins on both sides, with all files in dir.
func (o options) compare(ctx context.Context, dir string, out io.Writer) error {
	at := func(name string) string { return filepath.Join(dir, name) }

	d, err := sql.Open(nil)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Exec(spineSQL, filepath.Join(o.flights, "*.parquet"), o.spine, at("spine.parquet")); err != nil {
		return err
	}
	v, err := stored.Open(ctx, dir, o.flights, definitions, "departures", 1)
	if err != nil {
		return err
	}
	january := window.Interval{Start: window.FromTime(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)), End: window.FromTime(time.Date(2001, 2, 1, 0, 0, 0, 0, time.UTC))}
	if err := v.Build(ctx, january, false); err != nil {
		return err
	}
	if err := v.Join(ctx, retrieve.Options{ScratchDir: v.Scratch()}, at("spine.parquet"), "instant", at("tilery.parquet")); err != nil {
		return err
	}
	files, err := v.Files(ctx)
	if err != nil {
		return err
	}
	if err := d.Exec(rowsSQL, "'"+strings.Join(files, "', '")+"'", at("rows.parquet")); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, o.python, "feast/join.py", at("rows.parquet"), at("spine.parquet"), at("feast.parquet"))
	command.Env = append(os.Environ(), "PYTHONWARNINGS=ignore")
	command.Stdout, command.Stderr = out, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("join with Feast: %w", err)
	}
	row, err := d.Row(dir, compareSQL, at("tilery.parquet"), at("feast.parquet"))
	if err != nil {
		return err
	}
	if row[0] != row[1] || row[0] != row[2] {
		return fmt.Errorf("tilery has %s rows, Feast has %s, and %s are equal", row[0], row[1], row[2])
	}
	fmt.Fprintf(out, "no difference from Feast in %s rows, %s of them with features\n", row[0], row[3])
	return nil
}
