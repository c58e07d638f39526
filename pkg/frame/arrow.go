package frame

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// arrowDecoder reads Arrow IPC. A file in file form is a stream between a magic word
// and a footer, and is read as that.
type arrowDecoder struct {
	converter
	reader *ipc.Reader
	budget *budget
	ended  bool // past the end Arrow's reader would go on
}

func openArrow(s *source, o Options) (decoder, error) {
	start := int64(0)
	magic := make([]byte, len(ipc.Magic))
	if _, err := s.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case string(magic) == string(ipc.Magic):
		start = 8 // the magic word is padded
	case string(magic[:4]) == "FEA1":
		return nil, errors.New("it is Feather of version 1: write version 2, which is Arrow IPC")
	}
	d := &arrowDecoder{budget: newBudget(o.MemoryBytes)}
	messages := &messageReader{
		source: bufio.NewReaderSize(io.NewSectionReader(s, start, s.size-start), 1<<20), left: s.size - start, budget: d.budget,
	}
	var err error
	if d.reader, err = ipc.NewReaderFromMessageReader(messages, ipc.WithAllocator(d.budget)); err != nil {
		if d.budget.err != nil {
			return nil, d.budget.err
		}
		return nil, fmt.Errorf("it is no Arrow IPC: %w", err)
	}
	fields := d.reader.Schema().Fields()
	for _, f := range fields {
		if f.Type.ID() == arrow.RUN_END_ENCODED {
			return nil, fmt.Errorf("column %q is %s: write it without run ends", f.Name, f.Type)
		}
	}
	if d.stored, err = readAs(fields, o); err != nil {
		return nil, err
	}
	d.maxText = int64(o.MaxTextBytes)
	return d, nil
}

func (d *arrowDecoder) fill(b *batch) error {
	for !b.full() {
		if d.done() {
			if err := d.read(); err != nil || d.ended {
				return err
			}
		}
		if err := d.converter.fill(b); err != nil {
			return err
		}
	}
	return nil
}

// read reads the next record batch, if there is one.
func (d *arrowDecoder) read() error {
	if d.ended || len(d.places) == 0 {
		d.ended = true
		return nil
	}
	d.budget.renew()
	rec, err := d.reader.Read()
	if errors.Is(err, io.EOF) {
		d.ended = true
		return nil
	}
	if d.budget.err != nil {
		return d.budget.err
	}
	if err != nil {
		return err
	}
	columns := make([]arrow.Array, len(d.places))
	for i, place := range d.places {
		columns[i] = rec.Column(place)
		if int64(columns[i].Len()) != rec.NumRows() {
			return errors.New("damaged file: the columns of a record batch differ in length")
		}
	}
	d.set(columns, int(rec.NumRows()))
	return nil
}

func (d *arrowDecoder) close() { d.reader.Release() }

// messageReader reads the messages of a stream. Unlike Arrow's it does not take a
// damaged length for granted.
type messageReader struct {
	source io.Reader
	left   int64 // bytes of the source
	budget *budget
}

// Message implements ipc.MessageReader.
func (m *messageReader) Message() (*ipc.Message, error) {
	const continued = 0xffffffff
	length, err := m.length()
	if err == nil && length == continued {
		length, err = m.length() // writers before 0.15 left out the word before
	}
	if err != nil {
		return nil, err
	}
	if length == 0 {
		return nil, io.EOF
	}
	meta, err := m.read(int64(length))
	if err != nil {
		return nil, err
	}
	if err := checkMessage(meta.Bytes()); err != nil {
		return nil, err
	}
	body, err := m.read(ipc.NewMessage(meta, memory.NewBufferBytes(nil)).BodyLen())
	if err != nil {
		return nil, err
	}
	return ipc.NewMessage(meta, body), nil
}

func (m *messageReader) length() (uint32, error) {
	var word [4]byte
	n, err := io.ReadFull(m.source, word[:])
	m.left -= int64(n)
	return binary.LittleEndian.Uint32(word[:]), err
}

func (m *messageReader) read(n int64) (*memory.Buffer, error) {
	if n < 0 || n > m.left {
		return nil, errors.New("damaged file: a message ends after the file")
	}
	m.budget.take(int(n))
	content := make([]byte, n)
	if _, err := io.ReadFull(m.source, content); err != nil {
		return nil, err
	}
	m.left -= n
	return memory.NewBufferBytes(content), nil
}

// Retain implements ipc.MessageReader.
func (m *messageReader) Retain() {}

// Release implements ipc.MessageReader.
func (m *messageReader) Release() {}
