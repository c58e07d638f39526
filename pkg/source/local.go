package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/source/deltalog"
	"github.com/tilery/tilery/pkg/window"
)

// parallelFiles bounds how many files of one call are open at a time.
const parallelFiles = 8

// Local is a Batch over a directory.
type Local struct {
	root      string
	footers   *cache[footerKey, footer]
	snapshots *cache[snapshotKey, deltalog.Snapshot]
}

// NewLocal returns the sources below root.
func NewLocal(root string) (*Local, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("source root %s: %w", root, err)
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return nil, fmt.Errorf("source root: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("source root %s is not a directory", absolute)
	}
	return &Local{root: absolute, footers: newFooterCache(), snapshots: newSnapshotCache()}, nil
}

// candidate is a file that may have rows of the interval.
type candidate struct {
	File
	size     int64
	modified time.Time
	// Estimates of what a reader takes from it; rows is negative if unknown.
	rows, bytes int64
}

// Files implements Batch. Hidden files match a wildcard only where the pattern
// begins with a dot too: they are being written.
func (l *Local) Files(ctx context.Context, s feature.BatchSource, i window.Interval) (Files, error) {
	found, err := l.find(ctx, s, i)
	if err != nil {
		return Files{}, err
	}
	files := Files{Files: make([]File, len(found))}
	digest := sha256.New()
	for n, c := range found {
		files.Files[n] = c.File
		files.Bytes += c.size
		fmt.Fprintf(digest, "%s\x00%d\x00%d\n", strings.TrimPrefix(c.Path, l.root), c.size, c.modified.UnixNano())
	}
	files.Version = hex.EncodeToString(digest.Sum(nil)[:8])
	return files, nil
}

// Scan implements Batch. Rows and bytes are those of the row groups (Parquet) or
// files (Delta) that may have rows of the interval; CSV and JSON files do not tell
// how many rows they have.
func (l *Local) Scan(ctx context.Context, s feature.BatchSource, i window.Interval) (Scan, error) {
	found, err := l.find(ctx, s, i)
	if err != nil {
		return Scan{}, err
	}
	scan := Scan{Files: len(found), RowsKnown: true}
	for _, c := range found {
		scan.Bytes += c.bytes
		if c.rows < 0 {
			scan.RowsKnown = false
			continue
		}
		scan.Rows += c.rows
	}
	return scan, nil
}

func (l *Local) find(ctx context.Context, s feature.BatchSource, i window.Interval) ([]candidate, error) {
	config := s.BatchConfig
	if err := config.CheckURI(); err != nil {
		return nil, fmt.Errorf("source %s: %w: %w", s.Name, ErrURI, err)
	}
	config.URI = path.Clean(config.URI)
	var found []candidate
	var err error
	if config.FileFormat == feature.Delta {
		found, err = l.findInTable(ctx, s, i)
	} else {
		found, err = l.findFiles(ctx, config, i)
	}
	switch {
	case err == nil && len(found) > maxFiles:
		return nil, fmt.Errorf("source %s: %w %q: %d files have rows of %v, at most %d are read: compact them", s.Name, ErrURI, config.URI, len(found), i, maxFiles)
	case errors.Is(err, ErrNoFiles):
		return nil, fmt.Errorf("source %s: %s below %s: %w", s.Name, config.URI, l.root, ErrNoFiles)
	case err != nil:
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return found, nil
}

func (l *Local) findFiles(ctx context.Context, config feature.FileConfig, i window.Interval) ([]candidate, error) {
	paths, err := l.list(ctx, config, i)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoFiles
	}
	if err != nil {
		return nil, err
	}
	found := make([]candidate, len(paths))
	keep := make([]bool, len(paths))
	err = inParallel(ctx, len(paths), func(n int) error {
		info, err := os.Stat(paths[n])
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%w: %s is not a regular file", ErrURI, paths[n])
		}
		found[n] = candidate{File: File{Path: paths[n]}, size: info.Size(), modified: info.ModTime(), rows: -1, bytes: info.Size()}
		if config.FileFormat != feature.Parquet {
			keep[n] = true
			return nil
		}
		keep[n], err = l.narrow(&found[n], config.TimestampField, i)
		return err
	})
	if err != nil {
		return nil, err
	}
	return kept(found, keep), nil
}

// inParallel calls do for 0 to n-1, a bounded number at a time.
func inParallel(ctx context.Context, n int, do func(i int) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(parallelFiles)
	for i := range n {
		if working.Err() != nil {
			break
		}
		group.Go(func() error { return do(i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func kept(found []candidate, keep []bool) []candidate {
	out := make([]candidate, 0, len(found))
	for n, c := range found {
		if keep[n] {
			out = append(out, c)
		}
	}
	return out
}
