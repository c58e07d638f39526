package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/parquet/metadata"
)

const (
	maxHeaderBytes = 1 << 20 // of a page; statistics of long texts are in it
	maxPageValues  = 64 << 20
)

// checkPages follows the pages of a column chunk by their headers. Arrow's reader
// loops forever over a page of an unknown kind, and takes sizes for granted.
func checkPages(s *source, chunk *metadata.ColumnChunkMetaData, maxPage int64) error {
	at := chunk.DataPageOffset()
	if first := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && first > 0 && first < at {
		at = first
	}
	length := chunk.TotalCompressedSize()
	if at < 0 || length < 0 || at > s.size || length > s.size-at {
		return errors.New("damaged file: the column ends after the file")
	}
	end, left := at+length, chunk.NumValues()
	for left > 0 {
		header, size, err := readPageHeader(s, at, end)
		if err != nil {
			return fmt.Errorf("damaged file: page at byte %d: %w", at, err)
		}
		if err := header.check(end-at-size, left, maxPage); err != nil {
			return fmt.Errorf("damaged file: page at byte %d: %w", at, err)
		}
		at += size + header.compressed
		if header.kind != dictionaryPage {
			left -= header.values
		}
	}
	return nil
}

// Kinds of pages.
const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

type pageHeader struct{ kind, uncompressed, compressed, values int64 }

// check refuses a page of which more than room bytes would follow, or more than left values.
func (h pageHeader) check(room, left, maxPage int64) error {
	switch {
	case h.kind != dataPage && h.kind != dataPageV2 && h.kind != dictionaryPage:
		return fmt.Errorf("its kind is %d", h.kind)
	case h.compressed < 0 || h.compressed > room:
		return fmt.Errorf("it has %d bytes, and %d are left", h.compressed, room)
	case h.uncompressed < 0 || h.uncompressed > maxPage:
		return fmt.Errorf("it unpacks to %d bytes, which may be %d", h.uncompressed, maxPage)
	case h.kind == dictionaryPage && (h.values < 0 || h.values > h.uncompressed):
		return fmt.Errorf("its %d bytes cannot have %d values", h.uncompressed, h.values)
	case h.kind != dictionaryPage && (h.values <= 0 || h.values > min(left, maxPageValues)):
		return fmt.Errorf("it has %d values", h.values)
	}
	return nil
}

// readPageHeader reads the header at a place before end, and returns its size too.
func readPageHeader(s *source, at, end int64) (h pageHeader, size int64, err error) {
	for window := int64(1 << 10); ; window *= 4 {
		data := make([]byte, min(window, end-at))
		n, err := s.ReadAt(data, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return pageHeader{}, 0, err
		}
		t := thrift{data: data[:n]}
		h = t.pageHeader()
		switch {
		case !t.short:
			return h, int64(t.at), nil
		case int64(n) < window || window >= maxHeaderBytes:
			return pageHeader{}, 0, errors.New("it has no header")
		}
	}
}

// thrift reads Thrift's compact protocol.
type thrift struct {
	data  []byte
	at    int
	short bool // the data has ended, or is none
}

// Types of fields.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftStruct = 12
)

func (t *thrift) pageHeader() (h pageHeader) {
	t.fields(func(id int64, kind byte) {
		switch {
		case id == 1 && kind == thriftI32:
			h.kind = t.integer()
		case id == 2 && kind == thriftI32:
			h.uncompressed = t.integer()
		case id == 3 && kind == thriftI32:
			h.compressed = t.integer()
		case (id == 5 || id == 7 || id == 8) && kind == thriftStruct: // of the kinds of pages
			t.fields(func(id int64, kind byte) {
				if id == 1 && kind == thriftI32 {
					h.values = t.integer()
				} else {
					t.skip(kind, 0)
				}
			})
		default:
			t.skip(kind, 0)
		}
	})
	return h
}

// fields calls read for each field of a struct.
func (t *thrift) fields(read func(id int64, kind byte)) {
	for id := int64(0); !t.short; {
		head := t.byte()
		if head == 0 {
			return
		}
		if delta := head >> 4; delta > 0 {
			id += int64(delta)
		} else {
			id = t.integer()
		}
		read(id, head&15)
	}
}

// skip passes a value. Lists, sets and maps, which page headers do not have, and deep
// structs end the reading.
func (t *thrift) skip(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.pass(1)
	case thriftI16, thriftI32, thriftI64:
		t.integer()
	case thriftDouble:
		t.pass(8)
	case thriftBinary:
		t.pass(t.unsigned())
	case thriftStruct:
		if depth < 8 {
			t.fields(func(_ int64, kind byte) { t.skip(kind, depth+1) })
			return
		}
		t.short = true
	default:
		t.short = true
	}
}

func (t *thrift) byte() byte {
	if t.at >= len(t.data) {
		t.short = true
		return 0
	}
	t.at++
	return t.data[t.at-1]
}

func (t *thrift) pass(n uint64) {
	if n > uint64(len(t.data)-t.at) {
		t.short = true
		return
	}
	t.at += int(n)
}

func (t *thrift) unsigned() uint64 {
	v, n := binary.Uvarint(t.data[t.at:])
	if n <= 0 {
		t.short = true
		return 0
	}
	t.at += n
	return v
}

// integer reads a zigzag varint.
func (t *thrift) integer() int64 {
	v := t.unsigned()
	return int64(v>>1) ^ -int64(v&1)
}
