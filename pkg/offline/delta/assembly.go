package delta

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// assembly makes a Parquet file of row groups that are encoded already: those of other
// files, byte for byte, or ones that were encoded apart, several at a time. It holds
// none of them, since they go to a scratch file.
type assembly struct {
	spec      offline.Spec
	opts      Options
	partition string

	scratch *os.File
	sink    *bufio.Writer
	sum     hash.Hash
	size    int64
	footer  *metadata.FileMetaData // of the groups so far; nil: none
}

// rows returns how many rows were added.
func (a *assembly) rows() int64 {
	if a.footer == nil {
		return 0
	}
	return a.footer.NumRows
}

func newAssembly(spec offline.Spec, opts Options, partition string) (*assembly, error) {
	scratch, err := newScratch(opts)
	if err != nil {
		return nil, err
	}
	a := &assembly{spec: spec, opts: opts, partition: partition, scratch: scratch, sum: sha256.New()}
	a.sink = bufio.NewWriterSize(io.MultiWriter(scratch, a.sum), 256<<10)
	return a, a.append([]byte(parquetMagic))
}

// rowGroup is an encoded row group: its bytes, where they lay in the file that it comes
// from, and that file's footer without other groups.
type rowGroup struct {
	data   []byte
	at     int64
	footer *metadata.FileMetaData
}

// encodeGroup encodes the rows of rec, which are not none, as a row group.
func encodeGroup(spec offline.Spec, opts Options, rec arrow.Record) (rowGroup, error) {
	var out bytes.Buffer
	w := &fileWriter{spec: spec, opts: opts}
	err := guard(func() error {
		if err := w.open(&out, rec); err != nil {
			return err
		}
		if err := w.parquet.WriteBuffered(rec); err != nil {
			return err
		}
		return w.parquet.Close()
	})
	if err != nil {
		return rowGroup{}, fmt.Errorf("write rows to Parquet: %w", err)
	}
	f, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		return rowGroup{}, err
	}
	footer := f.MetaData()
	if n := len(footer.RowGroups); n != 1 {
		return rowGroup{}, fmt.Errorf("%d rows became %d row groups", rec.NumRows(), n)
	}
	start, end := groupRange(footer, 0)
	return rowGroup{data: out.Bytes()[start:end], at: start, footer: footer}, nil
}

// groupRange returns where a row group lies in its file.
func groupRange(footer *metadata.FileMetaData, group int) (start, end int64) {
	for i, chunk := range footer.RowGroups[group].Columns {
		of := chunk.MetaData
		from := of.DataPageOffset
		if of.IsSetDictionaryPageOffset() && of.GetDictionaryPageOffset() > 0 {
			from = min(from, of.GetDictionaryPageOffset())
		}
		if i == 0 {
			start = from
		}
		start, end = min(start, from), max(end, from+of.TotalCompressedSize)
	}
	return start, end
}

// add appends a row group.
func (a *assembly) add(g rowGroup) error {
	group := g.footer.RowGroups[0]
	moved := a.size - g.at
	for _, chunk := range group.Columns {
		chunk.FileOffset += moved
		chunk.MetaData.DataPageOffset += moved
		if at := chunk.MetaData.DictionaryPageOffset; at != nil && *at > 0 {
			*at += moved
		}
	}
	if group.FileOffset != nil {
		*group.FileOffset += moved
	}
	if a.footer == nil {
		a.footer = g.footer
	} else if err := a.footer.AppendRowGroups(g.footer); err != nil {
		return err
	}
	if group.Ordinal != nil {
		*group.Ordinal = int16(len(a.footer.RowGroups) - 1)
	}
	return a.append(g.data)
}

func (a *assembly) append(data []byte) error {
	a.size += int64(len(data))
	if _, err := a.sink.Write(data); err != nil {
		return fmt.Errorf("write scratch file: %w", err)
	}
	return nil
}

// finish ends the file, which has rows, and uploads it. name stands in the object's name.
func (a *assembly) finish(ctx context.Context, b bucket.Bucket, name string) (offline.File, error) {
	sortRowGroups(a.footer, len(a.spec.Keys)+1)
	var tail bytes.Buffer
	length, err := a.footer.WriteTo(&tail, nil)
	if err != nil {
		return offline.File{}, fmt.Errorf("end Parquet file: %w", err)
	}
	tail.Write(binary.LittleEndian.AppendUint32(nil, uint32(length)))
	tail.WriteString(parquetMagic)
	if err := a.append(tail.Bytes()); err != nil {
		return offline.File{}, err
	}
	if err := a.sink.Flush(); err != nil {
		return offline.File{}, fmt.Errorf("write scratch file: %w", err)
	}
	stats, err := footerStats(a.spec, a.footer)
	if err != nil {
		return offline.File{}, err
	}
	digest := hex.EncodeToString(a.sum.Sum(nil)[:digestBytes])
	return publishFile(ctx, b, a.spec, a.opts, a.scratch, written{partition: a.partition, name: name, digest: digest, size: a.size, stats: stats})
}

// discard drops the scratch file. It may be called more than once.
func (a *assembly) discard() error {
	if a.scratch == nil {
		return nil
	}
	err := a.scratch.Close()
	a.scratch = nil
	return err
}

// footerStats gathers a file's statistics from those of its row groups, which are exact.
func footerStats(spec offline.Spec, footer *metadata.FileMetaData) (*stats, error) {
	s := newStats(spec)
	s.rows = footer.NumRows
	leaf := 0
	for i := range s.columns {
		c := &s.columns[i]
		if c.kind == statsNone {
			leaf += leavesOf(spec.Schema.Field(i).Type)
			continue
		}
		for _, group := range footer.RowGroups {
			chunk := group.Columns[leaf].MetaData
			if !chunk.IsSetStatistics() {
				return nil, fmt.Errorf("column %s: %w", c.name, errNoStats)
			}
			if err := c.addFooter(spec.Schema.Field(i).Type, chunk.NumValues, chunk.GetStatistics()); err != nil {
				return nil, fmt.Errorf("statistics of column %s: %w", c.name, err)
			}
		}
		leaf++
	}
	return s, nil
}

var errNoStats = errors.New("a row group has no statistics")

// leavesOf returns how many columns of a file hold a column of a type.
func leavesOf(t arrow.DataType) int {
	for {
		list, ok := t.(*arrow.ListType)
		if !ok {
			return 1
		}
		t = list.Elem()
	}
}

// footerStatistics are those of a column of a row group. Their type lies in a package
// that cannot be imported.
type footerStatistics interface {
	IsSetNullCount() bool
	GetNullCount() int64
	IsSetMinValue() bool
	GetMinValue() []byte
	IsSetMaxValue() bool
	GetMaxValue() []byte
}

// addFooter takes the statistics of a row group of so many values, nulls included.
func (c *columnStats) addFooter(t arrow.DataType, values int64, of footerStatistics) error {
	if !of.IsSetNullCount() {
		return errNoStats
	}
	c.nulls += of.GetNullCount()
	if c.kind == statsNulls || of.GetNullCount() == values {
		return nil
	}
	low, high := of.GetMinValue(), of.GetMaxValue()
	if c.kind == statsText { // of whose bounds the writer leaves out those that are empty
		c.addTextBounds(string(low), string(high))
		return nil
	}
	if !of.IsSetMinValue() || !of.IsSetMaxValue() {
		return errNoStats
	}
	for _, text := range [][]byte{low, high} {
		var v int64
		switch {
		case t.ID() == arrow.INT32 && len(text) == 4:
			v = int64(int32(binary.LittleEndian.Uint32(text)))
		case t.ID() != arrow.INT32 && len(text) == 8:
			v = int64(binary.LittleEndian.Uint64(text))
		default:
			return fmt.Errorf("bound of %d bytes", len(text))
		}
		c.addNumber(v)
	}
	return nil
}
