package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source/deltalog"
	"github.com/tilery/tilery/pkg/window"
)

type snapshotKey struct {
	directory string
	version   int64
	written   time.Time
}

// maxCachedTableFiles bounds the memory of snapshots to some ten megabytes.
const maxCachedTableFiles = 50_000

func newSnapshotCache() *cache[snapshotKey, deltalog.Snapshot] {
	return newCache[snapshotKey](maxCachedTableFiles, func(s deltalog.Snapshot) int { return 1 + len(s.Files) })
}

// findInTable returns the files of a Delta table that may have rows of i.
func (l *Local) findInTable(ctx context.Context, s feature.BatchSource, i window.Interval) ([]candidate, error) {
	snapshot, err := l.snapshot(ctx, s.BatchConfig)
	if err != nil {
		return nil, err
	}
	for _, f := range s.Schema {
		if !snapshot.HasColumn(f.Name) {
			return nil, fmt.Errorf("%w: version %d has no column %q, only %s", ErrTable, snapshot.Version, f.Name, strings.Join(snapshot.Columns, ", "))
		}
	}
	var found []candidate
	for _, f := range snapshot.Files {
		if times, known := f.Times(s.BatchConfig.TimestampField); known && !times.Overlaps(i) {
			continue
		}
		found = append(found, candidate{File: File{f.Path, f.PartitionValues}, rows: f.Rows, bytes: f.Size})
	}
	if len(found) > maxFiles {
		return found, nil // the caller refuses them
	}
	err = inParallel(ctx, len(found), func(n int) error {
		info, err := os.Stat(found[n].Path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: version %d has file %s, which is gone: vacuumed?", ErrTable, snapshot.Version, found[n].Path)
		}
		if err != nil {
			return err
		}
		found[n].size, found[n].modified = info.Size(), info.ModTime()
		return nil
	})
	return found, err
}

func (l *Local) snapshot(ctx context.Context, config feature.FileConfig) (deltalog.Snapshot, error) {
	directory := filepath.Join(l.root, filepath.FromSlash(config.URI))
	log, err := deltalog.Open(directory)
	if errors.Is(err, deltalog.ErrNoTable) {
		return deltalog.Snapshot{}, ErrNoFiles
	}
	if err != nil {
		return deltalog.Snapshot{}, tableError(err)
	}
	version := log.Last()
	switch {
	case config.DeltaVersion != nil:
		version = *config.DeltaVersion
	case config.DeltaTimestamp != 0:
		version, err = log.At(ctx, config.DeltaTimestamp)
	}
	if err != nil {
		return deltalog.Snapshot{}, tableError(err)
	}
	key := snapshotKey{directory, version, log.Written(version)}
	if snapshot, ok := l.snapshots.get(key); ok {
		return snapshot, nil
	}
	snapshot, err := log.Snapshot(ctx, version)
	if err != nil {
		return deltalog.Snapshot{}, tableError(err)
	}
	l.snapshots.put(key, snapshot)
	return snapshot, nil
}

// tableError marks what a retry cannot mend.
func tableError(err error) error {
	for _, lasting := range []error{deltalog.ErrUnsupported, deltalog.ErrVersion, deltalog.ErrDamaged} {
		if errors.Is(err, lasting) {
			return fmt.Errorf("%w: %w", ErrTable, err)
		}
	}
	return err
}
