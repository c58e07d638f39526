package frame

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// ErrData is a file that cannot be read as a data frame. Its text is for the one who
// made the file.
var ErrData = errors.New("data frame")

// source is the file. It remembers an error of the storage, so that it is not taken
// for the fault of the data.
type source struct {
	file io.ReaderAt
	size int64
	err  error
}

func (s *source) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("the file points to byte %d of itself", offset)
	}
	n, err := s.file.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// all returns the whole file from its beginning.
func (s *source) all() *io.SectionReader { return io.NewSectionReader(s, 0, s.size) }

// judge returns what an error of a decoder stands for.
func (s *source) judge(err error) error {
	switch {
	case s.err != nil:
		return fmt.Errorf("read data frame: %w", s.err)
	case errors.Is(err, ErrData):
		return err
	}
	return fmt.Errorf("%w: %w", ErrData, err)
}

// guard turns a panic of Arrow's readers and writers into an error: they panic on
// damaged bytes, and so does budget.
func guard(call func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case overBudget:
			err = r
		case error:
			err = fmt.Errorf("damaged file: %w", r)
		default:
			err = fmt.Errorf("damaged file: %v", r)
		}
	}()
	return call()
}

// overBudget is what budget panics with.
type overBudget struct{ error }

// budget is an allocator that panics when more is asked for than is left of it.
// Arrow has no other way to refuse memory that a damaged file asks for.
type budget struct {
	memory.Allocator
	limit, used int64
	err         error // once it has panicked; Arrow's IPC reader makes a text of panics
}

func newBudget(limit int64) *budget {
	return &budget{Allocator: memory.NewGoAllocator(), limit: limit}
}

// renew starts anew, for buffers that Arrow forgot to free.
func (b *budget) renew() { b.used = 0 }

func (b *budget) take(n int) {
	if b.used += int64(n); n < 0 || b.used > b.limit {
		b.err = fmt.Errorf("a part of the file takes more than %d bytes of memory: "+
			"write smaller row groups or record batches, of some ten thousand rows", b.limit)
		panic(overBudget{b.err}) //nolint:forbidigo // guard recovers it
	}
}

// Allocate implements memory.Allocator.
func (b *budget) Allocate(size int) []byte {
	b.take(size)
	return b.Allocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (b *budget) Reallocate(size int, buf []byte) []byte {
	if size > cap(buf) {
		b.take(size - cap(buf))
	}
	return b.Allocator.Reallocate(size, buf)
}

// Free implements memory.Allocator.
func (b *budget) Free(buf []byte) {
	b.used = max(0, b.used-int64(cap(buf)))
	b.Allocator.Free(buf)
}
