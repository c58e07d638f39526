package client

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// spineBody is the body of a request. HTTP may read on when there is an answer
// already; after stop it cannot, and what the caller gave is the caller's again.
type spineBody struct {
	mu  sync.Mutex
	r   io.Reader // nil once stopped
	err error     // of the reader, but for the end
	of  string    // what it reads
}

// newSpineBody returns the rows of a request as bytes of r.SpineFormat.
func newSpineBody(spine io.Reader, records array.RecordReader) *spineBody {
	if records != nil {
		spine = newRecordStream(records)
	}
	if spine == nil {
		spine = bytes.NewReader(nil)
	}
	return &spineBody{r: spine, of: "the spine"}
}

func (b *spineBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, io.ErrClosedPipe
	}
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = fmt.Errorf("read %s: %w", b.of, err)
	}
	return n, err
}

// stop waits for a read that goes on and returns the error of the reader, if it had one.
func (b *spineBody) stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
	return b.err
}

// recordStream is records as an Arrow stream, encoded one at a time.
type recordStream struct {
	records array.RecordReader
	out     *ipc.Writer // into buffer
	buffer  bytes.Buffer
	ended   bool
}

func newRecordStream(records array.RecordReader) *recordStream {
	s := &recordStream{records: records}
	s.out = ipc.NewWriter(&s.buffer, ipc.WithSchema(records.Schema()))
	return s
}

func (s *recordStream) Read(p []byte) (int, error) {
	for s.buffer.Len() == 0 && !s.ended {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	return s.buffer.Read(p)
}

func (s *recordStream) next() error {
	if s.records.Next() {
		return s.out.Write(s.records.Record())
	}
	if err := s.records.Err(); err != nil {
		return err
	}
	s.ended = true
	return s.out.Close()
}
