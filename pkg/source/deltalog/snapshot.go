package deltalog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

// maxLiveFiles bounds the files of one version.
const maxLiveFiles = 1_000_000

// Snapshot is one version of a table.
type Snapshot struct {
	Version int64
	Columns []string
	Files   []File // in order of their paths
}

// HasColumn reports whether the table has a column of that name.
func (s Snapshot) HasColumn(name string) bool { return slices.Contains(s.Columns, name) }

// File is a live data file.
type File struct {
	Path string // absolute
	// PartitionValues are the columns that the file does not hold, as text; nil is null.
	PartitionValues map[string]*string
	Size            int64 // bytes
	Rows            int64 // negative if unknown
	stats           string
}

// replay is the state of a table while its log is read.
type replay struct {
	directory string
	protocol  *protocol
	metaData  *metaData
	live      map[fileKey]add
}

// Snapshot reads a version.
func (l *Log) Snapshot(ctx context.Context, version int64) (Snapshot, error) {
	base, err := l.base(version)
	if err != nil {
		return Snapshot{}, err
	}
	r := replay{directory: l.directory, live: make(map[fileKey]add)}
	if base >= 0 {
		for _, part := range l.checkpoints[base] {
			if err := readCheckpoint(ctx, l.path(part), r.apply); err != nil {
				return Snapshot{}, fmt.Errorf("%s: %w", l.path(part), err)
			}
		}
	}
	for v := base + 1; v <= version; v++ {
		if err := ctx.Err(); err != nil {
			return Snapshot{}, err
		}
		actions, err := readCommit(l.commitPath(v))
		if err != nil {
			return Snapshot{}, err
		}
		if err := r.apply(actions); err != nil {
			return Snapshot{}, fmt.Errorf("%s: %w", l.commitPath(v), err)
		}
	}
	s, err := r.snapshot(version)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%s, version %d: %w", l.directory, version, err)
	}
	return s, nil
}

// apply adds the actions of one commit, or some of a checkpoint.
func (r *replay) apply(actions []action) error {
	for _, a := range actions {
		switch {
		case a.Protocol != nil:
			r.protocol = a.Protocol
			if err := a.Protocol.check(); err != nil {
				return err
			}
		case a.MetaData != nil:
			r.metaData = a.MetaData
		case a.Remove != nil:
			delete(r.live, keyOf(a.Remove.Path, a.Remove.DeletionVector))
		}
	}
	for _, a := range actions {
		if a.Add != nil {
			r.live[keyOf(a.Add.Path, a.Add.DeletionVector)] = *a.Add
		}
	}
	if len(r.live) > maxLiveFiles {
		return fmt.Errorf("%w: more than %d files are live", ErrUnsupported, maxLiveFiles)
	}
	return nil
}

func (r *replay) snapshot(version int64) (Snapshot, error) {
	if r.protocol == nil || r.metaData == nil {
		return Snapshot{}, fmt.Errorf("%w: it has no protocol or no metadata", ErrDamaged)
	}
	if err := r.metaData.check(); err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Version: version, Files: make([]File, 0, len(r.live))}
	var err error
	if s.Columns, err = r.metaData.columns(); err != nil {
		return Snapshot{}, err
	}
	for _, a := range r.live {
		f, err := r.file(a)
		if err != nil {
			return Snapshot{}, err
		}
		s.Files = append(s.Files, f)
	}
	slices.SortFunc(s.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return s, nil
}

func (r *replay) file(a add) (File, error) {
	if a.DeletionVector != nil {
		return File{}, fmt.Errorf("%w: file %s has a deletion vector", ErrUnsupported, a.Path)
	}
	path, err := url.PathUnescape(a.Path)
	if err != nil {
		return File{}, fmt.Errorf("%w: file %q: %w", ErrDamaged, a.Path, err)
	}
	if isURL(a.Path) || !filepath.IsLocal(path) {
		return File{}, fmt.Errorf("%w: file %q is not below the table", ErrUnsupported, a.Path)
	}
	f := File{
		Path: filepath.Join(r.directory, filepath.FromSlash(path)), Size: a.Size, Rows: -1,
		PartitionValues: make(map[string]*string, len(r.metaData.PartitionColumns)), stats: a.Stats,
	}
	for _, column := range r.metaData.PartitionColumns {
		value := a.PartitionValues[column]
		if value != nil && *value == "" {
			value = nil // so null is written
		}
		f.PartitionValues[column] = value
	}
	var stats struct {
		NumRecords *int64 `json:"numRecords"`
	}
	if json.Unmarshal([]byte(a.Stats), &stats) == nil && stats.NumRecords != nil {
		f.Rows = *stats.NumRecords
	}
	return f, nil
}

// Times returns an interval that holds all timestamps of a column in the file, if
// the log tells one.
func (f File) Times(column string) (window.Interval, bool) {
	if value, partition := f.PartitionValues[column]; partition {
		if value == nil {
			return window.Interval{}, true // no row has a timestamp
		}
		at, err := window.Parse(*value)
		return window.Interval{Start: at, End: at + 1}, err == nil
	}
	var stats struct {
		MinValues map[string]any `json:"minValues"`
		MaxValues map[string]any `json:"maxValues"`
	}
	if json.Unmarshal([]byte(f.stats), &stats) != nil {
		return window.Interval{}, false
	}
	low, _ := stats.MinValues[column].(string)
	high, _ := stats.MaxValues[column].(string)
	start, err := window.Parse(low)
	if err != nil {
		return window.Interval{}, false
	}
	end, err := window.Parse(high)
	if err != nil {
		return window.Interval{}, false
	}
	// Writers cut statistics to milliseconds, the largest value too.
	return window.Interval{Start: start, End: end.Add(time.Millisecond)}, true
}
