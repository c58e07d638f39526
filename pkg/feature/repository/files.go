package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of one repository.
const (
	MaxFiles = 2_000
	MaxBytes = 8 << 20 // of all files together
)

// ErrTooLarge is a repository past the limits.
var ErrTooLarge = errors.New("feature repository is too large")

// File is one file of a repository. Path is relative to it, with slashes.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Read returns the .yaml, .yml and .sql files below dir in the order of their
// paths. Hidden files and folders are left out.
func Read(dir string) ([]File, error) {
	var files []File
	total := 0
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") && name != dir {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".sql"}, filepath.Ext(name)) {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files = append(files, File{filepath.ToSlash(relative), string(content)})
		total += len(content)
		return checkSize(len(files), total)
	})
	if err != nil {
		return nil, fmt.Errorf("read feature repository %s: %w", dir, err)
	}
	if !slices.ContainsFunc(files, File.isYAML) {
		return nil, fmt.Errorf("read feature repository %s: no .yaml files", dir)
	}
	return files, nil
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
