package spill

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// A file is an LZ4 frame of entries: the lengths of key and value as uvarints, key,
// value. LZ4 costs less than the disk would without it. Each of its blocks has a
// checksum, so that no entry is read of bytes that changed.

const (
	blockBytes  = 64 << 10
	maxEntry    = 1 << 30 // of a key or a value
	fileBuffer  = 64 << 10
	entryBuffer = 16 << 10
)

// writer writes a run.
type writer struct {
	file    *bufio.Writer
	packed  *lz4.Writer
	entries *bufio.Writer
	last    []byte // key
	count   int64
}

func newWriter(to io.Writer) (*writer, error) {
	file := bufio.NewWriterSize(to, fileBuffer)
	packed := lz4.NewWriter(file)
	if err := packed.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true), lz4.ConcurrencyOption(1)); err != nil {
		return nil, fmt.Errorf("compress spilled run: %w", err)
	}
	return &writer{file: file, packed: packed, entries: bufio.NewWriterSize(packed, blockBytes)}, nil
}

func (w *writer) add(key, value []byte) error {
	if w.count > 0 && bytes.Compare(w.last, key) > 0 {
		return fmt.Errorf("spill: key %x comes after %x", key, w.last)
	}
	w.last = append(w.last[:0], key...)
	w.count++
	if len(key) > maxEntry || len(value) > maxEntry {
		return fmt.Errorf("%w: an entry of %d and %d bytes, at most %d are allowed", ErrFull, len(key), len(value), maxEntry)
	}
	var lengths [2 * binary.MaxVarintLen64]byte
	n := binary.PutUvarint(lengths[:], uint64(len(key)))
	n += binary.PutUvarint(lengths[n:], uint64(len(value)))
	for _, part := range [][]byte{lengths[:n], key, value} {
		if _, err := w.entries.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) close() error {
	if err := w.entries.Flush(); err != nil {
		return err
	}
	if err := w.packed.Close(); err != nil {
		return err
	}
	return w.file.Flush()
}

// reader stands at an entry of a run.
type reader struct {
	run     *run
	entries *bufio.Reader
	data    []byte // key and value
	keyEnd  int
	passed  int64 // entries
}

func newReader(n *run) *reader {
	file := bufio.NewReaderSize(io.NewSectionReader(n.file, 0, n.bytes), fileBuffer)
	return &reader{run: n, entries: bufio.NewReaderSize(lz4.NewReader(file), entryBuffer)}
}

func (r *reader) key() []byte { return r.data[:r.keyEnd] }

// next moves to the next entry; io.EOF when there is none.
func (r *reader) next() error {
	key, err := binary.ReadUvarint(r.entries)
	if errors.Is(err, io.EOF) && r.passed == r.run.entries {
		return io.EOF
	}
	var value uint64
	if err == nil {
		value, err = binary.ReadUvarint(r.entries)
	}
	if err == nil && (key > maxEntry || value > maxEntry) {
		err = errors.New("no lengths of an entry")
	}
	if err != nil {
		return damaged(err)
	}
	r.keyEnd = int(key)
	if n := int(key + value); n <= cap(r.data) {
		r.data = r.data[:n]
	} else {
		r.data = make([]byte, n, n+n/4)
	}
	if _, err := io.ReadFull(r.entries, r.data); err != nil {
		return damaged(err)
	}
	r.passed++
	return nil
}

// damaged wraps an error within an entry, where a file never ends.
func damaged(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read spilled run: %w", err)
}
