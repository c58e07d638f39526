package repository

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Limits of one repository.
const (
	MaxFiles = 2_000
	MaxBytes = 8 << 20 // of all files together

	// maxYAMLBytes bounds one YAML file, which takes up to 130 times its size in
	// memory while it is parsed.
	maxYAMLBytes = 1 << 20

	// maxEntries bounds the folders and files that Read looks at, for a directory
	// given by mistake.
	maxEntries = 100_000
)

// ErrTooLarge is a repository past the limits.
var ErrTooLarge = errors.New("feature repository is too large")

// File is one file of a repository. Path is relative to it, with slashes.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Read returns the .yaml, .yml and .sql files below dir, in the same order each
// time. Hidden files and folders are left out, links to folders are not followed.
// Past the limits the error is ErrTooLarge.
func Read(dir string) ([]File, error) {
	r := reader{root: os.DirFS(dir)}
	if err := fs.WalkDir(r.root, ".", r.visit); err != nil {
		return nil, fmt.Errorf("read feature repository %s: %w", dir, err)
	}
	if !slices.ContainsFunc(r.files, File.isYAML) {
		return nil, fmt.Errorf("read feature repository %s: no .yaml files", dir)
	}
	return r.files, nil
}

type reader struct {
	root    fs.FS
	files   []File
	bytes   int
	entries int
}

func (r *reader) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if r.entries++; r.entries > maxEntries {
		return fmt.Errorf("%w: more than %d folders and files", ErrTooLarge, maxEntries)
	}
	switch hidden := strings.HasPrefix(entry.Name(), ".") && name != "."; {
	case hidden && entry.IsDir():
		return fs.SkipDir
	case hidden || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".sql"}, path.Ext(name)):
		return nil
	}
	return r.read(name)
}

func (r *reader) read(name string) error {
	info, err := fs.Stat(r.root, name) // of what a link points to
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	file, err := r.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nothing was written
	content, err := io.ReadAll(io.LimitReader(file, int64(MaxBytes-r.bytes)+1))
	if err != nil {
		return err
	}
	r.files = append(r.files, File{name, string(content)})
	r.bytes += len(content)
	return checkSize(len(r.files), r.bytes)
}

func checkSize(files, bytes int) error {
	if files > MaxFiles || bytes > MaxBytes {
		return fmt.Errorf("%w: more than %d files or %d bytes", ErrTooLarge, MaxFiles, MaxBytes)
	}
	return nil
}

func (f File) isYAML() bool {
	ext := path.Ext(f.Path)
	return ext == ".yaml" || ext == ".yml"
}
