package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// RangeReader reads an object by ranges, as readers of Parquet want it. It holds
// no resource and needs no closing. ReadAt is safe for concurrent use, Seek is not.
type RangeReader struct {
	// The interfaces of package io have no place for a context.
	ctx    context.Context
	bucket Bucket
	key    string
	size   int64
	offset int64 // as last set by Seek
}

var _ interface {
	io.ReaderAt
	io.ReadSeeker
} = (*RangeReader)(nil)

// ReaderAt returns a reader of the object's bytes, whose reads end with ctx. The
// object must not be overwritten while it is used: its size is asked only here.
func ReaderAt(ctx context.Context, b Bucket, key string) (*RangeReader, error) {
	info, err := b.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	return &RangeReader{ctx: ctx, bucket: b, key: key, size: info.Size}, nil
}

// Size returns the object's size in bytes.
func (r *RangeReader) Size() int64 { return r.size }

// ReadAt implements io.ReaderAt, with one GetRange per call.
func (r *RangeReader) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read %s: negative offset %d", r.key, offset)
	}
	length := max(0, min(int64(len(p)), r.size-offset))
	if length > 0 {
		data, err := r.bucket.GetRange(r.ctx, r.key, offset, length)
		if err != nil {
			return 0, err
		}
		copy(p, data)
	}
	if length < int64(len(p)) {
		return int(length), io.EOF
	}
	return int(length), nil
}

// Read implements io.Reader, from where the last Read or Seek ended.
func (r *RangeReader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p, r.offset)
	r.offset += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *RangeReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, fmt.Errorf("seek in %s: whence %d", r.key, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek in %s: negative offset %d", r.key, offset)
	}
	r.offset = offset
	return offset, nil
}
