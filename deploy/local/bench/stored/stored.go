// Package stored builds the offline table of one view with the engine alone, without
// Temporal, for programs that measure or compare what reads it.
package stored

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/source"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/transform/duckdb"
	"github.com/tilery/tilery/pkg/window"
)

// View is a view and its table.
type View struct {
	Target *materialize.Target
	Table  offline.Table

	dir    string
	engine *materialize.Engine
}

// Open opens the table of the view of that name among definitions, in YAML, and makes
// it if it is not there. Its bucket and scratch are below dir; sources are read below
// another directory.
func Open(ctx context.Context, dir, sources, definitions, name string, threads int) (*View, error) {
	v := &View{dir: dir}
	scratch := v.Scratch()
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	bucket, err := file.Open(filepath.Join(dir, "bucket"))
	if err != nil {
		return nil, err
	}
	local, err := source.NewLocal(sources)
	if err != nil {
		return nil, err
	}
	v.engine = &materialize.Engine{
		Bucket: bucket, Sources: local, Transform: duckdb.Engine{},
		Offline: delta.New(bucket, delta.Options{ScratchDir: scratch}),
		Options: materialize.Options{ScratchDir: scratch, Threads: threads},
	}
	view, err := v.describe(ctx, definitions, name)
	if err != nil {
		return nil, err
	}
	if v.Target, err = materialize.NewTarget("prod", 1, view); err != nil {
		return nil, err
	}
	v.Table, err = v.engine.Table(ctx, v.Target, view.FeatureStartTime.Add(31*24*time.Hour))
	return v, err
}

// Scratch is a directory for files of a moment.
func (v *View) Scratch() string { return filepath.Join(v.dir, "scratch") }

// describe returns the view with the schema of its transformation's result.
func (v *View) describe(ctx context.Context, definitions, name string) (feature.View, error) {
	parsed, err := repository.Parse([]repository.File{{Path: "view.yaml", Content: definitions}})
	if err != nil {
		return feature.View{}, err
	}
	view, err := parsed.View(name)
	if err != nil {
		return feature.View{}, err
	}
	s := view.Sources[0]
	described, err := v.engine.Transform.Describe(ctx, view.Transformation, []transform.Table{
		{Name: s.Name, Schema: s.Schema, TimestampField: s.BatchConfig.TimestampField, Format: s.BatchConfig.FileFormat},
	})
	view.Schema = described.Schema
	return view, err
}

// Build fills the windows of a range, by one run of the SQL if it is row-wise.
func (v *View) Build(ctx context.Context, r window.Interval, rowWise bool) error {
	builds, err := v.engine.Build(ctx, v.Target, v.Table, materialize.BuildRequest{
		Range: r, OneRun: rowWise, ReadAt: window.FromTime(time.Now()), Attempt: "1",
	})
	if err != nil {
		return err
	}
	_, err = v.Table.Commit(ctx, offline.Commit{ID: r.String(), Job: "stored", Generation: 1, Builds: builds})
	return err
}

// Serve brings what serving needs of the table into an online store.
func (v *View) Serve(ctx context.Context, store online.Store) (materialize.ApplyResult, error) {
	e := *v.engine
	e.Online = store
	return e.Serve(ctx, v.Target, v.Table, nil)
}

// Compact makes one file of those of a partition, as maintenance does.
func (v *View) Compact(ctx context.Context) error {
	_, err := v.Table.Compact(ctx, offline.CompactRequest{ID: "compact", Job: "stored", MaxBytes: 1 << 40})
	return err
}

// Files returns the paths of the table's live files.
func (v *View) Files(ctx context.Context) ([]string, error) {
	snapshot, err := v.Table.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, f := range snapshot.Files {
		files = append(files, filepath.Join(v.dir, "bucket", v.Table.Spec().Path, f.Path))
	}
	return files, nil
}

// Join joins all features with a spine, both files of Parquet. The spine has the join
// keys under their own names.
func (v *View) Join(ctx context.Context, o retrieve.Options, spineFile, timestamp, resultFile string) (err error) {
	part, added, err := v.part(ctx)
	if err != nil {
		return err
	}
	input, err := os.Open(spineFile)
	if err != nil {
		return err
	}
	defer input.Close()
	info, err := input.Stat()
	if err != nil {
		return err
	}
	spine, err := frame.Open(input, info.Size(), frame.Parquet, frame.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spine.Close()) }()
	return write(resultFile, append(spine.Schema(), added...), func(w frame.Writer) error {
		_, err := retrieve.Join(ctx, o, retrieve.Spine{Schema: spine.Schema(), Time: timestamp, Next: spine.Next}, []retrieve.Part{part}, w.Write)
		return err
	})
}

// part is all that the view contributes, as columns view.feature.
func (v *View) part(ctx context.Context) (retrieve.Part, feature.Schema, error) {
	snapshot, err := v.Table.Snapshot(ctx)
	if err != nil {
		return retrieve.Part{}, nil, err
	}
	part := retrieve.Part{Target: v.Target, Table: v.Table, Snapshot: snapshot}
	for _, key := range v.Target.View.JoinKeys() {
		part.Keys = append(part.Keys, key.Name)
	}
	features, err := v.Target.View.Features()
	if err != nil {
		return retrieve.Part{}, nil, err
	}
	var added feature.Schema
	for i, f := range features {
		column := fmt.Sprintf("%s.%s", v.Target.View.Name, f.Name)
		part.Features = append(part.Features, retrieve.Column{Feature: i, Name: column})
		added = append(added, feature.Field{Name: column, Type: f.Type})
	}
	return part, added, nil
}
