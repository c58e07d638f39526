package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// buildFormat of build-<attempt>.json.
const buildFormat = 1

type buildDocument struct {
	Format int           `json:"format"`
	Built  Built         `json:"built"`
	Build  offline.Build `json:"build"`
}

// saveBuild keeps a build for the commit. What a second call of the same attempt built
// is as good as the first, which stays.
func (e *Engine) saveBuild(ctx context.Context, key string, built Built, build offline.Build) (Built, error) {
	built.Manifest = key
	data, err := json.Marshal(buildDocument{buildFormat, built, build})
	if err != nil {
		return Built{}, fmt.Errorf("encode %s: %w", key, err)
	}
	err = bucket.Claim(ctx, e.Bucket, key, data) // the files' names make it unique
	if errors.Is(err, bucket.ErrExists) {
		first, err := e.loadBuild(ctx, key)
		return first.Built, err
	}
	if err != nil {
		return Built{}, fmt.Errorf("save %s: %w", key, err)
	}
	return built, nil
}

func (e *Engine) loadBuild(ctx context.Context, key string) (buildDocument, error) {
	data, err := e.Bucket.Get(ctx, key)
	if err != nil {
		return buildDocument{}, fmt.Errorf("load %s: %w", key, err)
	}
	var d buildDocument
	if err := json.Unmarshal(data, &d); err != nil {
		return buildDocument{}, fmt.Errorf("load %s: %w", key, err)
	}
	if d.Format != buildFormat {
		return buildDocument{}, fmt.Errorf("load %s: format %d is not known to this version of tilery", key, d.Format)
	}
	return d, nil
}

// Commit makes a built frame visible offline. id is unique to the call; the rows of a
// frame are added once, whatever is committed of it and how often. offline.ErrStale: its
// files are too old or were discarded, and it must be built by another attempt. Where
// that would not help, since its ticket is too old, it is ErrRefused.
func (e *Engine) Commit(ctx context.Context, t Ticket, manifest, id, job string, now window.Time) (offline.CommitResult, error) {
	target, err := e.accepted(ctx, t)
	if err != nil {
		return offline.CommitResult{}, err
	}
	d, err := e.loadBuild(ctx, manifest)
	if errors.Is(err, bucket.ErrNotFound) {
		err = fmt.Errorf("%w: %w", offline.ErrStale, err)
	}
	if err == nil && d.Build.Append != t.name() {
		err = fmt.Errorf("%s is of ingest %s", manifest, d.Build.Append)
	}
	if err != nil {
		return offline.CommitResult{}, fmt.Errorf("commit %s: %w", t.Path, err)
	}
	table, err := e.Tables.Table(ctx, target, now)
	if err != nil {
		return offline.CommitResult{}, fmt.Errorf("commit %s: %w", t.Path, err)
	}
	result, err := table.Commit(ctx, offline.Commit{
		ID: id, Job: job, Generation: target.Generation, Online: target.View.Online, Builds: []offline.Build{d.Build},
	})
	if errors.Is(err, offline.ErrFenceGone) { // each build of the frame has the ticket's fence
		err = fmt.Errorf("%w into %s: keys were erased since the data frame was accepted, and it is forgotten which: ingest it anew, from another path",
			ErrRefused, t.Table)
	}
	if err != nil {
		return offline.CommitResult{}, fmt.Errorf("commit %s: %w", t.Path, err)
	}
	return result, nil
}
