package delta

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// fileWriter writes one Parquet file: first to a scratch file, since its name
// holds its digest and its footer is amended, then to the bucket. It holds one
// row group in memory.
type fileWriter struct {
	spec          offline.Spec
	opts          Options
	partition     string
	maxGroupBytes int64

	scratch *os.File
	sink    *bufio.Writer       // keeps the first error, which pqarrow drops between row groups
	parquet *pqarrow.FileWriter // nil: no rows yet
	stats   *stats
	group   int64 // Arrow bytes in the open row group
}

func newFileWriter(spec offline.Spec, opts Options, partition string, maxGroupBytes int64) (*fileWriter, error) {
	scratch, err := newScratch(opts)
	if err != nil {
		return nil, err
	}
	return &fileWriter{
		spec: spec, opts: opts, partition: partition, maxGroupBytes: maxGroupBytes,
		scratch: scratch, sink: bufio.NewWriterSize(scratch, 256<<10), stats: newStats(spec),
	}, nil
}

// newScratch returns a file that lives as long as it is open, so that a killed process
// leaves nothing behind.
func newScratch(opts Options) (*os.File, error) {
	scratch, err := os.CreateTemp(opts.ScratchDir, "tilery-*.parquet")
	if err != nil {
		return nil, fmt.Errorf("create scratch file: %w", err)
	}
	if err := os.Remove(scratch.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unlink scratch file: %w", err), scratch.Close())
	}
	return scratch, nil
}

const (
	// pageBytes bounds a data page, which is what a reader holds of each column. Files
	// are no larger than with pages of four times the size.
	pageBytes = 64 << 10
	// dictionaryBytes bounds a dictionary: past that a column is written without one,
	// which serves sorted keys better.
	dictionaryBytes = 256 << 10
)

// open starts the file with encodings that suit rows like those of sample.
func (w *fileWriter) open(sink io.Writer, sample arrow.Record) (err error) {
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithCompressionLevel(w.opts.CompressionLevel),
		parquet.WithMaxRowGroupLength(w.opts.RowGroupRows),
		parquet.WithDataPageSize(pageBytes),
		parquet.WithDictionaryPageSizeLimit(dictionaryBytes),
	}
	for i, field := range w.spec.Schema.Fields() {
		path, values := leaf(field.Name, sample.Column(i))
		if rarelyRepeats(values) {
			options = append(options, parquet.WithDictionaryPath(path, false))
		}
		values.Release()
	}
	props := parquet.NewWriterProperties(options...)
	w.parquet, err = pqarrow.NewFileWriter(w.spec.Schema, sink, props, pqarrow.NewArrowWriterProperties())
	if err != nil {
		return err
	}
	return w.parquet.AppendKeyValueMetadata("tilery.format", formatVersion)
}

// write appends the rows of rec, which come after those written before.
func (w *fileWriter) write(rec arrow.Record) error {
	if rec.NumRows() == 0 {
		return nil
	}
	w.stats.add(rec)
	err := guard(func() error {
		if w.parquet == nil {
			if err := w.open(w.sink, rec); err != nil {
				return err
			}
		}
		if w.group >= w.maxGroupBytes {
			w.parquet.NewBufferedRowGroup()
			w.group = 0
		}
		return w.parquet.WriteBuffered(rec)
	})
	if err != nil {
		return fmt.Errorf("write rows to Parquet: %w", err)
	}
	w.group += recordBytes(rec)
	return nil
}

// finish ends the file, which has rows, and uploads it. name stands in the object's name.
func (w *fileWriter) finish(ctx context.Context, b bucket.Bucket, name string) (offline.File, error) {
	size, digest, err := w.end(len(w.spec.Keys) + 1)
	if err != nil {
		return offline.File{}, err
	}
	return publishFile(ctx, b, w.spec, w.opts, w.scratch, written{w.partition, name, digest, size, w.stats})
}

// written is a file that is complete, but not yet in the bucket.
type written struct {
	partition string
	name      string // stands in the object's name
	digest    string
	size      int64
	stats     *stats
}

// publishFile uploads a file under a name that tells when.
func publishFile(ctx context.Context, b bucket.Bucket, spec offline.Spec, opts Options, scratch *os.File, w written) (f offline.File, err error) {
	now := window.FromTime(opts.Now())
	f = offline.File{
		Path:      fmt.Sprintf("%s=%s/%d-%s-%s.parquet", partitionColumn, w.partition, int64(now), w.name, w.digest),
		Size:      w.size,
		Rows:      w.stats.rows,
		Partition: w.partition,
		MinTime:   w.stats.minTime(),
		MaxTime:   w.stats.maxTime(),
		WrittenAt: now,
	}
	if f.Stats, err = w.stats.encode(); err != nil {
		return offline.File{}, err
	}
	if err := upload(ctx, b, spec.Path+"/"+f.Path, io.NewSectionReader(scratch, 0, w.size)); err != nil {
		return offline.File{}, err
	}
	return f, nil
}

// digestBytes is how much of a file's digest its name holds.
const digestBytes = 6

// end completes the file, whose rows are sorted by the first columns, and returns its
// size and the beginning of its digest.
func (w *fileWriter) end(sorted int) (size int64, digest string, err error) {
	if err := guard(w.parquet.Close); err != nil {
		return 0, "", fmt.Errorf("end Parquet file: %w", err)
	}
	if err := w.sink.Flush(); err != nil {
		return 0, "", fmt.Errorf("write scratch file: %w", err)
	}
	if size, err = declareOrder(w.scratch, sorted, w.stats.rows); err != nil {
		return 0, "", fmt.Errorf("declare order of rows: %w", err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(w.scratch, 0, size)); err != nil {
		return 0, "", fmt.Errorf("read scratch file: %w", err)
	}
	return size, hex.EncodeToString(sum.Sum(nil)[:digestBytes]), nil
}

// upload puts the ended file under its path in the table.
func (w *fileWriter) upload(ctx context.Context, b bucket.Bucket, path string, size int64) error {
	return upload(ctx, b, w.spec.Path+"/"+path, io.NewSectionReader(w.scratch, 0, size))
}

// discard drops the scratch file. It may be called more than once.
func (w *fileWriter) discard() error {
	if w.scratch == nil {
		return nil
	}
	err := w.scratch.Close()
	w.scratch = nil
	return err
}

func upload(ctx context.Context, b bucket.Bucket, key string, from io.Reader) error {
	object, err := b.Create(ctx, key)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer object.Abort()
	if _, err := io.Copy(object, from); err != nil {
		return fmt.Errorf("upload %s: %w", key, err)
	}
	if err := object.Close(); err != nil {
		return fmt.Errorf("upload %s: %w", key, err)
	}
	return nil
}

// guard turns a panic of the Parquet library into an error: it panics when the
// disk is full, and on damaged files.
func guard(call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parquet: %v", r)
		}
	}()
	return call()
}

// recordBytes estimates the size of rec's rows. Arrow's own accounting would
// count the whole buffers that a slice points into.
func recordBytes(rec arrow.Record) int64 {
	total := int64(0)
	for _, column := range rec.Columns() {
		total += columnBytes(column)
	}
	return total
}

func columnBytes(column arrow.Array) int64 {
	switch c := column.(type) {
	case *array.String:
		return int64(len(c.ValueBytes()))
	case *array.Binary:
		return int64(len(c.ValueBytes()))
	case *array.List:
		if c.Len() == 0 {
			return 0
		}
		from, _ := c.ValueOffsets(0)
		_, to := c.ValueOffsets(c.Len() - 1)
		values := array.NewSlice(c.ListValues(), from, to)
		defer values.Release()
		return columnBytes(values)
	}
	return 8 * int64(column.Len())
}
