package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

// end is where the data ends.
var end = window.FromTime(firstDay.AddDate(0, 0, days))

// engine is one over the bucket in dir.
func (o options) engine() (*materialize.Engine, error) {
	scratch := filepath.Join(o.dir, "scratch")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	bucket, err := file.Open(filepath.Join(o.dir, "bucket"))
	if err != nil {
		return nil, err
	}
	sources, err := source.NewLocal(o.sources())
	if err != nil {
		return nil, err
	}
	return &materialize.Engine{
		Bucket: bucket, Sources: sources, Transform: duckdb.Engine{},
		Offline: delta.New(bucket, delta.Options{ScratchDir: scratch}),
		Options: materialize.Options{ScratchDir: scratch, Threads: o.threads},
	}, nil
}

// table opens the table of a join's view.
func (o options) table(ctx context.Context, e *materialize.Engine, j join) (*materialize.Target, offline.Table, error) {
	parsed, err := repository.Parse([]repository.File{{Path: "view.yaml", Content: []byte(j.definition)}})
	if err != nil {
		return nil, nil, err
	}
	view, err := parsed.Repository.View(j.view)
	if err != nil {
		return nil, nil, err
	}
	s := view.Sources[0]
	described, err := e.Transform.Describe(ctx, view.Transformation, []transform.Table{
		{Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField, Format: s.BatchConfig.FileFormat},
	})
	if err != nil {
		return nil, nil, err
	}
	view.Schema = described.Schema
	target, err := materialize.NewTarget("prod", 1, view)
	if err != nil {
		return nil, nil, err
	}
	table, err := e.Table(ctx, target, end)
	return target, table, err
}

// build makes the tables and writes which files they live in. Windows of an hour
// become one file a day, as maintenance would have it.
func (o options) build(ctx context.Context, out io.Writer) error {
	e, err := o.engine()
	if err != nil {
		return err
	}
	for name, j := range joins {
		start := time.Now()
		target, table, err := o.table(ctx, e, j)
		if err != nil {
			return err
		}
		for day := range days {
			if err := buildDay(ctx, e, target, table, window.FromTime(firstDay.AddDate(0, 0, day))); err != nil {
				return err
			}
		}
		if _, err := table.Compact(ctx, offline.CompactRequest{ID: "compact", Job: "bench", MaxBytes: 1 << 40}); err != nil {
			return err
		}
		snapshot, err := table.Snapshot(ctx)
		if err != nil {
			return err
		}
		var files []string
		for _, f := range snapshot.Files {
			files = append(files, filepath.Join(o.dir, "bucket", table.Spec().Path, f.Path))
		}
		data, err := json.Marshal(files)
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.filesOf(name), data, 0o600); err != nil {
			return err
		}
		fmt.Fprintf(out, "table of %s: %d files, made in %.1f s\n", name, len(files), time.Since(start).Seconds())
	}
	return nil
}

// filesOf lists the live files of a join's table.
func (o options) filesOf(join string) string { return filepath.Join(o.dir, "files-"+join+".json") }

func buildDay(ctx context.Context, e *materialize.Engine, target *materialize.Target, table offline.Table, day window.Time) error {
	builds, err := e.Build(ctx, target, table, materialize.BuildRequest{
		Range: window.Interval{Start: day, End: day.Add(24 * time.Hour)}, OneRun: true,
		ReadAt: window.FromTime(time.Now()), Attempt: "1",
	})
	if err != nil {
		return err
	}
	_, err = table.Commit(ctx, offline.Commit{ID: day.String(), Job: "bench", Generation: 1, Builds: builds})
	return err
}

// columns are a view's features as the result has them.
func columns(view feature.View) (feature.Schema, error) {
	features, err := view.Features()
	if err != nil {
		return nil, err
	}
	out := make(feature.Schema, len(features))
	for i, f := range features {
		out[i] = feature.Field{Name: view.Name + "." + f.Name, Type: f.Type}
	}
	return out, nil
}
