package deltalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNoTable is a directory that has no log.
	ErrNoTable = errors.New("not a Delta table")
	// ErrUnsupported is a table that uses what this reader does not know.
	ErrUnsupported = errors.New("unsupported Delta table")
	// ErrVersion is a version that the table does not have, or not any more.
	ErrVersion = errors.New("no such version")
	// ErrDamaged is a log with a hole in it or a file that cannot be read.
	ErrDamaged = errors.New("damaged Delta log")
)

// maxLogFiles bounds the files of a log.
const maxLogFiles = 1_000_000

// Log is the list of a table's versions as it was when it was opened.
type Log struct {
	directory   string // of the table
	commits     map[int64]bool
	checkpoints map[int64][]string // whole ones, their parts in order
	newer       bool               // there is a checkpoint of a kind that is not known
	first, last int64
}

var (
	commitName     = regexp.MustCompile(`^(\d{20})\.json$`)
	checkpointName = regexp.MustCompile(`^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$`)
	newerName      = regexp.MustCompile(`^\d{20}\.checkpoint\.[0-9a-fA-F-]{36}\.(?:json|parquet)$`)
)

// Open lists the log of the table in directory.
func Open(directory string) (*Log, error) {
	entries, err := os.ReadDir(filepath.Join(directory, "_delta_log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", directory, ErrNoTable)
	}
	if err != nil {
		return nil, fmt.Errorf("list the log of %s: %w", directory, err)
	}
	if len(entries) > maxLogFiles {
		return nil, fmt.Errorf("%s: %w: its log has more than %d files", directory, ErrUnsupported, maxLogFiles)
	}
	l := &Log{directory: directory, commits: make(map[int64]bool), checkpoints: make(map[int64][]string)}
	parts := make(map[int64]map[int64][]string) // version, number of parts: names
	for _, entry := range entries {
		name := entry.Name()
		if m := commitName.FindStringSubmatch(name); m != nil {
			if version, ok := number(m[1]); ok {
				l.commits[version] = true
			}
		}
		if m := checkpointName.FindStringSubmatch(name); m != nil {
			version, ok := number(m[1])
			of, single := int64(1), m[3] == ""
			if !single {
				of, _ = number(m[3])
			}
			if ok {
				if parts[version] == nil {
					parts[version] = make(map[int64][]string)
				}
				if single {
					of = 0 // apart from a checkpoint of one numbered part
				}
				parts[version][of] = append(parts[version][of], name)
			}
		}
		l.newer = l.newer || newerName.MatchString(name)
	}
	for version, byCount := range parts {
		for of, names := range byCount {
			if int64(len(names)) == max(of, 1) {
				slices.Sort(names)
				l.checkpoints[version] = names
			}
		}
	}
	return l, l.bounds()
}

func number(digits string) (int64, bool) {
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// bounds finds the first and the last version.
func (l *Log) bounds() error {
	l.first, l.last = -1, -1
	for version := range l.commits {
		l.last = max(l.last, version)
	}
	for version := range l.checkpoints {
		l.last = max(l.last, version)
		if l.first < 0 || version < l.first {
			l.first = version
		}
	}
	if l.commits[0] {
		l.first = 0
	}
	switch {
	case l.last < 0:
		return fmt.Errorf("%s: %w: its log is empty", l.directory, ErrNoTable)
	case l.first < 0 && l.newer:
		return fmt.Errorf("%s: %w: it has version 2 checkpoints", l.directory, ErrUnsupported)
	case l.first < 0:
		return fmt.Errorf("%s: %w: neither version 0 nor a checkpoint is there", l.directory, ErrDamaged)
	}
	return nil
}

// Last returns the newest version.
func (l *Log) Last() int64 { return l.last }

// Written returns when the file of a version was written; zero if it is not there.
func (l *Log) Written(version int64) time.Time {
	info, err := os.Stat(l.commitPath(version))
	if err != nil && len(l.checkpoints[version]) > 0 {
		info, err = os.Stat(l.path(l.checkpoints[version][0]))
	}
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// At returns the newest version that was committed at t or before. The time of a
// commit is what its commitInfo says, else when its file was written.
func (l *Log) At(ctx context.Context, t window.Time) (int64, error) {
	oldest := window.Time(0)
	for version := l.last; version >= l.first; version-- {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		committed, err := l.committed(version)
		if err != nil {
			return 0, err
		}
		if committed <= t {
			return version, nil
		}
		oldest = committed
	}
	return 0, fmt.Errorf("%s at %v: %w: the first that is there, %d, is of %v", l.directory, t, ErrVersion, l.first, oldest)
}

func (l *Log) committed(version int64) (window.Time, error) {
	if l.commits[version] {
		actions, err := readCommit(l.commitPath(version))
		if err != nil {
			return 0, err
		}
		for _, a := range actions {
			if info := a.CommitInfo; info != nil {
				if ms := cmp.Or(info.InCommitTimestamp, info.Timestamp); ms != 0 {
					return window.FromTime(time.UnixMilli(ms)), nil
				}
			}
		}
	}
	written := l.Written(version)
	if written.IsZero() {
		return 0, fmt.Errorf("%s: %w: version %d is missing", l.directory, ErrDamaged, version)
	}
	return window.FromTime(written), nil
}

// base returns the newest checkpoint that version can be built on, -1 for none.
func (l *Log) base(version int64) (int64, error) {
	if version < l.first || version > l.last {
		return 0, fmt.Errorf("%s: %w %d: versions %d to %d are there", l.directory, ErrVersion, version, l.first, l.last)
	}
	base := int64(-1)
	for checkpoint := range l.checkpoints {
		if checkpoint <= version {
			base = max(base, checkpoint)
		}
	}
	for v := base + 1; v <= version; v++ {
		if !l.commits[v] {
			return 0, fmt.Errorf("%s: %w: version %d cannot be read without the commit of version %d, which is missing", l.directory, ErrDamaged, version, v)
		}
	}
	return base, nil
}

func (l *Log) path(name string) string { return filepath.Join(l.directory, "_delta_log", name) }

func (l *Log) commitPath(version int64) string { return l.path(fmt.Sprintf("%020d.json", version)) }
