package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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

// maxFiles bounds what one source may match: as many files as one query reads.
const maxFiles = 10_000

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
	info, err := os.Stat(absolute)
	if err != nil {
		return nil, fmt.Errorf("source root: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("source root %s is not a directory", absolute)
	}
	return &Local{absolute}, nil
}

// Files implements Batch. All files of the source are returned; rows outside
// the window are dropped by the engine that reads them. Hidden files match a
// wildcard only where the pattern begins with a dot too: they are being written.
func (l *Local) Files(ctx context.Context, s feature.BatchSource, _ window.Interval) (Files, error) {
	if err := s.BatchConfig.CheckURI(); err != nil {
		return Files{}, fmt.Errorf("source %s: %w: %w", s.Name, ErrURI, err)
	}
	uri := path.Clean(s.BatchConfig.URI)
	paths, err := l.match(ctx, uri)
	switch {
	case err == nil && len(paths) == 0, errors.Is(err, fs.ErrNotExist):
		return Files{}, fmt.Errorf("source %s: %s below %s: %w", s.Name, uri, l.root, ErrNoFiles)
	case err != nil:
		return Files{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	files, err := stat(ctx, paths)
	if err != nil {
		return Files{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return files, nil
}

// literal quotes what path.Match would take for a class or an escape.
var literal = strings.NewReplacer(`\`, `\\`, "[", `\[`)

// match returns the paths that uri names, in order.
func (l *Local) match(ctx context.Context, uri string) ([]string, error) {
	folder, name := filepath.Join(l.root, filepath.FromSlash(path.Dir(uri))), path.Base(uri)
	if !strings.ContainsAny(name, "*?") {
		only := filepath.Join(folder, name)
		_, err := os.Stat(only)
		return []string{only}, err
	}
	opened, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	pattern := literal.Replace(name)
	var paths []string
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		names, err := opened.Readdirnames(1024)
		if errors.Is(err, io.EOF) {
			slices.Sort(paths)
			return paths, nil
		}
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			matched, err := path.Match(pattern, n)
			if err != nil {
				return nil, fmt.Errorf("%w %q: %w", ErrURI, uri, err)
			}
			if matched && (n[0] != '.' || pattern[0] == '.') {
				paths = append(paths, filepath.Join(folder, n))
			}
		}
		if len(paths) > maxFiles {
			return nil, fmt.Errorf("%w %q: matches more than %d files: compact them", ErrURI, uri, maxFiles)
		}
	}
}

func stat(ctx context.Context, paths []string) (Files, error) {
	files := Files{Paths: paths}
	digest := sha256.New()
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return Files{}, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return Files{}, err
		}
		if !info.Mode().IsRegular() {
			return Files{}, fmt.Errorf("%w: %s is not a regular file", ErrURI, path)
		}
		files.Bytes += info.Size()
		fmt.Fprintf(digest, "%s\x00%d\x00%d\n", filepath.Base(path), info.Size(), info.ModTime().UnixNano())
	}
	files.Version = hex.EncodeToString(digest.Sum(nil)[:8])
	return files, nil
}
