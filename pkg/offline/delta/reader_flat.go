package delta

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// flatColumn reads a column of single values, in the encodings that fileWriter
// uses. It holds one page.
type flatColumn struct {
	reader   *reader
	leaf     int // of the file's columns
	of       arrow.DataType
	nullable bool
	values   pageValues

	pages  file.PageReader
	chunk  chunkStream
	memory pageMemory

	left   int    // rows of the page that were not read yet
	levels hybrid // whether they are null
	valid  []byte // bitmap of a record's values
}

// pageValues decodes the values of pages, which are not null, into the rows of a record.
type pageValues interface {
	// reset begins a record, in the memory of the one before if that is no longer used.
	reset(rows int, again bool)
	// dictionary takes n values that pages after it refer to. It keeps no reference to data.
	dictionary(data []byte, n int) error
	// page begins a page, whose data stays as it is until the next.
	page(data []byte, coded bool) error
	// decode puts the next n values into the rows from at on. All rows before have theirs.
	decode(at, n int) error
	// spread moves n of the values from row at on to those of so many rows that are valid.
	spread(at, n, rows int, valid []byte)
	// buffers returns the record's values as an Arrow array has them after the bitmap.
	buffers() []*memory.Buffer
}

func (c *flatColumn) enter(_ context.Context, group int) error {
	chunk, err := c.reader.file.MetaData().RowGroup(group).ColumnChunk(c.leaf)
	if err != nil {
		return err
	}
	if chunk.CryptoMetadata() != nil {
		return errors.New("column is encrypted")
	}
	start, size := chunk.DataPageOffset(), chunk.TotalCompressedSize()
	if at := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && at > 0 && at < start {
		start = at
	}
	if start < 0 || size < 0 || start > c.reader.source.Size()-size {
		return fmt.Errorf("column lies at %d with %d bytes in a file of %d", start, size, c.reader.source.Size())
	}
	c.chunk = chunkStream{source: c.reader.source, at: start, end: start + size, ahead: c.reader.ahead}
	c.left = 0
	if c.pages != nil {
		c.pages.Reset(&c.chunk, chunk.NumValues(), chunk.Compression(), nil)
		return c.pages.Err()
	}
	c.pages, err = file.NewPageReader(&c.chunk, chunk.NumValues(), chunk.Compression(), &c.memory, nil)
	return err
}

func (c *flatColumn) leave() { c.left, c.chunk = 0, chunkStream{} }

func (c *flatColumn) next(rows int) (arrow.Array, error) {
	if c.nullable && c.valid == nil {
		c.valid = make([]byte, (c.reader.batch+7)/8)
	}
	c.values.reset(rows, c.reader.reuse)
	nulls := 0
	for at := 0; at < rows; {
		if c.left == 0 {
			if err := c.nextPage(); err != nil {
				return nil, err
			}
			continue
		}
		n := min(c.left, rows-at)
		missing, err := c.decode(at, n)
		if err != nil {
			return nil, err
		}
		nulls += missing
		c.left -= n
		at += n
	}
	buffers := append([]*memory.Buffer{nil}, c.values.buffers()...)
	if nulls > 0 {
		buffers[0] = memory.NewBufferBytes(c.valid[:(rows+7)/8])
		if !c.reader.reuse {
			c.valid = nil
		}
	}
	data := array.NewData(c.of, rows, buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// decode reads n rows of the page, and returns how many of them are null.
func (c *flatColumn) decode(at, n int) (nulls int, err error) {
	there := n
	if c.nullable {
		if there, err = c.levels.decodeBits(c.valid, at, n); err != nil {
			return 0, fmt.Errorf("levels: %w", err)
		}
	}
	if err := c.values.decode(at, there); err != nil {
		return 0, fmt.Errorf("values: %w", err)
	}
	if there < n {
		c.values.spread(at, there, n, c.valid)
	}
	return n - there, nil
}

// nextPage goes to the next page of values.
func (c *flatColumn) nextPage() error {
	for c.pages.Next() {
		switch page := c.pages.Page().(type) {
		case *file.DictionaryPage:
			if err := c.values.dictionary(page.Data(), int(page.NumValues())); err != nil {
				return fmt.Errorf("dictionary: %w", err)
			}
		case *file.DataPageV1:
			return c.openPage(page)
		default:
			return fmt.Errorf("page of type %T", page)
		}
	}
	if err := c.pages.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func (c *flatColumn) openPage(page *file.DataPageV1) (err error) {
	data := page.Data()
	if c.nullable {
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return fmt.Errorf("levels: %w", io.ErrUnexpectedEOF)
		}
		end := 4 + binary.LittleEndian.Uint32(data)
		if c.levels, err = newHybrid(data[4:end], 1); err != nil {
			return err
		}
		data = data[end:]
	}
	c.left = int(page.NumValues())
	switch encoding := parquet.Encoding(page.Encoding()); encoding {
	case parquet.Encodings.Plain:
		return c.values.page(data, false)
	case parquet.Encodings.PlainDict, parquet.Encodings.RLEDict:
		return c.values.page(data, true)
	default:
		return fmt.Errorf("values are encoded as %s", encoding)
	}
}

// chunkStream reads the part of a file that a column of a row group takes, at least
// ahead bytes at once.
type chunkStream struct {
	source  *source
	at, end int64 // what was not fetched yet
	ahead   int64
	data    []byte // what was fetched and not read yet
}

// fetch gets further bytes, so that there are n unless the end comes before.
func (s *chunkStream) fetch(n int) error {
	length := min(max(s.ahead, int64(n-len(s.data))), s.end-s.at)
	if len(s.data) >= n || length <= 0 {
		return nil
	}
	data, err := s.source.fetch(s.at, length)
	if err != nil {
		return err
	}
	s.at += length
	if len(s.data) > 0 {
		data = append(s.data[:len(s.data):len(s.data)], data...)
	}
	s.data = data
	return nil
}

// Peek implements parquet.BufferedReader.
func (s *chunkStream) Peek(n int) ([]byte, error) {
	if err := s.fetch(n); err != nil {
		return nil, err
	}
	if n > len(s.data) {
		return s.data, io.EOF
	}
	return s.data[:n], nil
}

// Discard implements parquet.BufferedReader. It is asked for what Peek returned.
func (s *chunkStream) Discard(n int) (int, error) {
	n = min(n, len(s.data))
	s.data = s.data[n:]
	return n, nil
}

// Read implements io.Reader.
func (s *chunkStream) Read(p []byte) (int, error) {
	if err := s.fetch(min(len(p), 1)); err != nil {
		return 0, err
	}
	if len(s.data) == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// pageMemory gives a page the memory of the page before, uncleared.
type pageMemory struct{ bytes []byte }

// Allocate implements memory.Allocator.
func (m *pageMemory) Allocate(size int) []byte {
	if cap(m.bytes) < size {
		m.bytes = make([]byte, size)
	}
	return m.bytes[:size]
}

// Reallocate implements memory.Allocator.
func (m *pageMemory) Reallocate(size int, old []byte) []byte {
	if size <= cap(old) {
		return old[:size]
	}
	kept := append([]byte(nil), old...)
	grown := m.Allocate(size)
	copy(grown, kept)
	return grown
}

// Free implements memory.Allocator.
func (m *pageMemory) Free([]byte) {}
