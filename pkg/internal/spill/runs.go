package spill

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// ErrFull is more to spill than the configured bytes.
var ErrFull = errors.New("no room to spill")

// fanIn is how many runs are read at a time.
const fanIn = 64

// Options say where to spill.
type Options struct {
	Dir      string
	MaxBytes int64        // on disk at a time; while runs are made one, both count
	Stop     func() error // asked for every 64 KiB; its error ends the work
}

// Runs are sorted runs on disk. Only Written may be called beside another method.
type Runs struct {
	options Options
	runs    []*run // of falling levels
	held    int64  // bytes on disk
	written atomic.Int64
}

// run is one sorted file.
type run struct {
	file    *os.File
	bytes   int64
	entries int64
	level   int // how often its entries were merged
}

// New returns no runs.
func New(o Options) *Runs { return &Runs{options: o} }

// Len is the number of runs.
func (r *Runs) Len() int { return len(r.runs) }

// Written counts the bytes that were ever written to disk.
func (r *Runs) Written() int64 { return r.written.Load() }

// Add writes one run: the entries that write adds, in the order of their keys. Keys
// and values are the caller's again when add returns.
func (r *Runs) Add(write func(add func(key, value []byte) error) error) error {
	if err := r.add(0, write); err != nil {
		return err
	}
	for {
		n := len(r.runs)
		if n < fanIn || r.runs[n-fanIn].level != r.runs[n-1].level {
			return nil
		}
		if err := r.mergeLast(fanIn); err != nil {
			return err
		}
	}
}

// Merge returns all entries in the order of their keys. It ends the adding, and takes
// the runs away as they are read.
func (r *Runs) Merge() (*Merge, error) {
	for len(r.runs) > fanIn {
		if err := r.mergeLast(min(fanIn, len(r.runs)-fanIn+1)); err != nil {
			return nil, err
		}
	}
	return r.merge(r.runs)
}

// mergeLast makes the last n runs one: the smallest ones, as they are of the lowest levels.
func (r *Runs) mergeLast(n int) error {
	first := len(r.runs) - n
	m, err := r.merge(r.runs[first:])
	if err != nil {
		return err
	}
	err = r.add(r.runs[first].level+1, func(add func(key, value []byte) error) error {
		for !m.Done() {
			if err := add(m.Key(), m.Value()); err != nil {
				return err
			}
			if err := m.Next(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("merge %d spilled runs: %w", n, err)
	}
	r.runs = append(r.runs[:first], r.runs[len(r.runs)-1])
	return nil
}

// add writes a run of a level.
func (r *Runs) add(level int, write func(add func(key, value []byte) error) error) error {
	file, err := os.CreateTemp(r.options.Dir, "tilery-*.run")
	if err != nil {
		return fmt.Errorf("create spilled run: %w", err)
	}
	n := &run{file: file, level: level}
	r.runs = append(r.runs, n) // so that Close finds it
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("unlink spilled run: %w", err)
	}
	w, err := newWriter(sink{r, n})
	if err != nil {
		return err
	}
	if err := write(w.add); err != nil {
		return err
	}
	n.entries = w.count
	return w.close()
}

// drop closes a run, which frees its room. Of a file that nobody will read, an error
// says nothing.
func (r *Runs) drop(n *run) {
	if n.file != nil {
		_ = n.file.Close()
		r.held -= n.bytes
		n.file = nil
	}
}

// Close drops all runs. Entries may be added again.
func (r *Runs) Close() {
	for _, n := range r.runs {
		r.drop(n)
	}
	r.runs = nil
}

// sink is the end of a run's file.
type sink struct {
	runs *Runs
	run  *run
}

// Write implements io.Writer.
func (s sink) Write(data []byte) (int, error) {
	if err := s.runs.options.Stop(); err != nil {
		return 0, err
	}
	if limit := s.runs.options.MaxBytes; s.runs.held+int64(len(data)) > limit {
		return 0, fmt.Errorf("%w: more than %d bytes on disk", ErrFull, limit)
	}
	n, err := s.run.file.Write(data)
	s.run.bytes += int64(n)
	s.runs.held += int64(n)
	s.runs.written.Add(int64(n))
	if err != nil {
		return n, fmt.Errorf("write spilled run: %w", err)
	}
	return n, nil
}
