package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNoFiles is a source whose URI matches nothing.
	ErrNoFiles = errors.New("source has no files")
	// ErrURI is a URI that cannot be used.
	ErrURI = errors.New("bad source URI")
)

// maxFiles bounds what one source may match.
const maxFiles = 100_000

// Files are the data of one source for one window.
type Files struct {
	Paths []string // local, in order
	Bytes int64    // of all files
	// Version tells two states of the source apart: a digest of names, sizes
	// and times of change. 16 hexadecimal digits.
	Version string
}

// Batch finds the files that may hold rows of a window.
type Batch interface {
	Files(ctx context.Context, s feature.BatchSource, w window.Interval) (Files, error)
}

// Local is a Batch over a directory.
type Local struct{ root string }

// NewLocal returns the sources below root.
func NewLocal(root string) (*Local, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("source root %s: %w", root, err)
	}
	if info, err := os.Stat(absolute); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("source root %s is not a directory", absolute)
	}
	return &Local{absolute}, nil
}

// Files implements Batch. All files of the source are returned; rows outside
// the window are dropped by the engine that reads them.
func (l *Local) Files(ctx context.Context, s feature.BatchSource, _ window.Interval) (Files, error) {
	uri := s.BatchConfig.URI
	if !filepath.IsLocal(uri) {
		return Files{}, fmt.Errorf("source %s: %w %q: want a path below the source root, without ..", s.Name, ErrURI, uri)
	}
	if strings.ContainsAny(filepath.Dir(uri), "*?[") {
		return Files{}, fmt.Errorf("source %s: %w %q: wildcards may stand in the last element only", s.Name, ErrURI, uri)
	}
	paths, err := filepath.Glob(filepath.Join(l.root, uri))
	if err != nil {
		return Files{}, fmt.Errorf("source %s: %w %q: %w", s.Name, ErrURI, uri, err)
	}
	if len(paths) == 0 {
		return Files{}, fmt.Errorf("source %s: %s below %s: %w", s.Name, uri, l.root, ErrNoFiles)
	}
	if len(paths) > maxFiles {
		return Files{}, fmt.Errorf("source %s: %w %q matches %d files, at most %d are allowed", s.Name, ErrURI, uri, len(paths), maxFiles)
	}
	return stat(ctx, s.Name, paths)
}

func stat(ctx context.Context, name string, paths []string) (Files, error) {
	files := Files{Paths: paths}
	digest := sha256.New()
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return Files{}, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return Files{}, fmt.Errorf("source %s: %w", name, err)
		}
		if info.IsDir() {
			return Files{}, fmt.Errorf("source %s: %w: %s is a directory", name, ErrURI, path)
		}
		files.Bytes += info.Size()
		fmt.Fprintf(digest, "%s\x00%d\x00%d\n", filepath.Base(path), info.Size(), info.ModTime().UnixNano())
	}
	files.Version = hex.EncodeToString(digest.Sum(nil)[:8])
	return files, nil
}
