package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/deploy/local/bench/stored"
	"github.com/tilery/tilery/pkg/online/pebble"
	"github.com/tilery/tilery/pkg/window"
)

const definition = `kind: Entity
name: entity
join_keys: [{name: entity, type: String}]
---
kind: BatchSource
name: rows
batch_config: {uri: rows.parquet, file_format: parquet, timestamp_field: ts}
schema:
  - {name: entity, type: String}
  - {name: ts, type: Timestamp}
  - {name: f_sum, type: Float64}
  - {name: f_count, type: Int64}
  - {name: f_max, type: Float64}
---
kind: BatchFeatureView
name: rows
entities: [entity]
sources: [rows]
mode: sql
transformation: SELECT entity, ts, f_sum, f_count, f_max FROM rows
timestamp_field: ts
feature_start_time: 2001-01-01
batch_schedule: 1d
ttl: 4000d
online: true
offline: true
`

const (
	// daysPerBuild is how many windows a backfill of 30 has in one build.
	daysPerBuild = 3
	// besideBuilds is what a worker lets the heap have beside its builds.
	besideBuilds = 192 << 20
)

func (o options) open(ctx context.Context) (*stored.View, error) {
	return stored.Open(ctx, o.sideDir("tilery"), o.sources(), definition, "rows", 1)
}

func (o options) openStore() (*pebble.Store, error) {
	return pebble.Open(filepath.Join(o.sideDir("tilery"), "online"), pebble.Options{})
}

// load is what Tilery's process does: builds as the slots of a worker would make them,
// then the newest rows into the online store.
func (o options) load(ctx context.Context, out io.Writer) error {
	debug.SetMemoryLimit(o.memory/2*int64(o.threads) + besideBuilds)
	v, err := o.open(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	builds, buildCtx := errgroup.WithContext(ctx)
	builds.SetLimit(o.threads)
	for day := 0; day < days; day += daysPerBuild {
		from := window.FromTime(firstDay.AddDate(0, 0, day))
		builds.Go(func() error {
			return v.Build(buildCtx, window.Interval{Start: from, End: from.Add(daysPerBuild * 24 * time.Hour)}, true)
		})
	}
	if err := builds.Wait(); err != nil {
		return err
	}
	built := time.Since(begin)
	store, err := o.openStore()
	if err != nil {
		return err
	}
	applied, err := v.Serve(ctx, store)
	fmt.Fprintf(out, "built in %.2f s, %d cells written in %.2f s\n", built.Seconds(), applied.Cells, (time.Since(begin) - built).Seconds())
	return errors.Join(err, store.Close())
}
