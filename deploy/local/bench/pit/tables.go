package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/stored"
	"github.com/tilery/tilery/pkg/window"
)

func (o options) open(ctx context.Context, j join) (*stored.View, error) {
	return stored.Open(ctx, o.dir, o.sources(), j.definition, j.view, o.threads)
}

// build makes the tables and writes which files they live in. Windows of an hour
// become one file a day, as maintenance would have it.
func (o options) build(ctx context.Context, out io.Writer) error {
	for name, j := range joins {
		start := time.Now()
		v, err := o.open(ctx, j)
		if err != nil {
			return err
		}
		for day := range days {
			from := window.FromTime(firstDay.AddDate(0, 0, day))
			if err := v.Build(ctx, window.Interval{Start: from, End: from.Add(24 * time.Hour)}, true); err != nil {
				return err
			}
		}
		if err := v.Compact(ctx); err != nil {
			return err
		}
		files, err := v.Files(ctx)
		if err != nil {
			return err
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
