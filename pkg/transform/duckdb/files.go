package duckdb

import (
	"fmt"
	"os"
	"time"

	"github.com/tilery/tilery/pkg/source"
)

// files are the states of the files that a session reads, by path.
type files map[string]state

type state struct {
	size     int64
	modified time.Time
}

func stateOf(path string) (state, error) {
	info, err := os.Stat(path)
	if err != nil {
		return state{}, err
	}
	return state{info.Size(), info.ModTime()}, nil
}

// note remembers the files before anything of them is read.
func (f files) note(all []source.File) error {
	for _, file := range all {
		now, err := stateOf(file.Path)
		if err != nil {
			return err
		}
		f[file.Path] = now
	}
	return nil
}

// changed returns an error if a file is not what it was: its rows may be of
// before and after.
func (f files) changed() error {
	for path, before := range f {
		now, err := stateOf(path)
		if err != nil {
			return fmt.Errorf("file %s was taken away while it was read: %w", path, err)
		}
		if now.size != before.size || !now.modified.Equal(before.modified) {
			return fmt.Errorf("file %s was changed while it was read", path)
		}
	}
	return nil
}
