package source

import (
	"context"
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

// list returns the paths of the files of config that may belong to i, in order.
// ErrNoFiles or fs.ErrNotExist: the source is not there.
func (l *Local) list(ctx context.Context, config feature.FileConfig, i window.Interval) ([]string, error) {
	folder, name := filepath.Join(l.root, filepath.FromSlash(path.Dir(config.URI))), path.Base(config.URI)
	w := walk{name: name, columns: config.DatetimePartitionColumns, interval: i}
	if err := w.folder(ctx, folder, 0, partition{}); err != nil {
		return nil, err
	}
	if len(w.paths) == 0 && !w.partitions {
		return nil, ErrNoFiles
	}
	slices.Sort(w.paths)
	return w.paths, nil
}

// walk gathers the files of a source from its directories.
type walk struct {
	name       string // of files; * and ? match
	columns    []feature.DatetimePartitionColumn
	interval   window.Interval
	paths      []string
	partitions bool // there is a directory of the first level, of whatever time
	folders    int
}

// folder looks into the directory at a depth of partition columns, whose values
// so far are p.
func (w *walk) folder(ctx context.Context, folder string, depth int, p partition) error {
	if depth == len(w.columns) {
		return w.files(ctx, folder, depth > 0)
	}
	column := w.columns[depth]
	return eachName(ctx, folder, func(name string) error {
		value, ok := strings.CutPrefix(name, column.ColumnName+"=")
		if !ok {
			return nil
		}
		w.partitions = true
		if value == nullPartition {
			return nil // rows without a timestamp are visible to nobody
		}
		inner, err := p.with(column.Datepart, value)
		if err != nil {
			return fmt.Errorf("%w: directory %s: %w", ErrURI, filepath.Join(folder, name), err)
		}
		if !inner.interval().Overlaps(w.interval) {
			return nil
		}
		if w.folders++; w.folders > maxFiles {
			return fmt.Errorf("%w: more than %d directories have to be listed for %v", ErrURI, maxFiles, w.interval)
		}
		return w.folder(ctx, filepath.Join(folder, name), depth+1, inner)
	})
}

// files adds the files of one directory. In a partition there may be none.
func (w *walk) files(ctx context.Context, folder string, partition bool) error {
	if !strings.ContainsAny(w.name, "*?") {
		only := filepath.Join(folder, w.name)
		_, err := os.Stat(only)
		if partition && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		w.paths = append(w.paths, only)
		return err
	}
	pattern := literal.Replace(w.name)
	return eachName(ctx, folder, func(name string) error {
		matched, err := path.Match(pattern, name)
		if err != nil {
			return fmt.Errorf("%w %q: %w", ErrURI, w.name, err)
		}
		if matched && (name[0] != '.' || pattern[0] == '.') {
			w.paths = append(w.paths, filepath.Join(folder, name))
		}
		if len(w.paths) > maxListed {
			return fmt.Errorf("%w %q: matches more than %d files: compact them", ErrURI, w.name, maxListed)
		}
		return nil
	})
}

// maxListed bounds the files that are looked at: more than are read, since
// statistics leave most of them out.
const maxListed = 10 * maxFiles

// nullPartition is the directory of rows whose partition column is null.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// literal quotes what path.Match would take for a class or an escape.
var literal = strings.NewReplacer(`\`, `\\`, "[", `\[`)

// eachName calls fn with the names in a directory.
func eachName(ctx context.Context, folder string, fn func(name string) error) error {
	opened, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer opened.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		names, err := opened.Readdirnames(1024)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := fn(name); err != nil {
				return err
			}
		}
	}
}
