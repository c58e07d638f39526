package report

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// Profiled calls work, and writes a CPU profile of it to a file unless path is empty.
func Profiled(path string, work func() error) (err error) {
	if path == "" {
		return work()
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create a profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("start a profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return work()
}
