package bucket

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/tilery/tilery/pkg/internal/timelimit"
)

// WithTimeout returns b with a limit on the time of each call, which must be
// positive: of an upload on Create and on every Write and Close, of a listing on
// the wait for each object. A write whose time ran out is ErrUnknown.
//
// A call that heeds no context is left behind when its time is up, and may still
// read the data that it was given: callers must not change that after an error.
// With 64 calls left behind, further ones are refused until some of them end.
func WithTimeout(b Bucket, limit time.Duration) Bucket {
	return limited{b, timelimit.New(limit)}
}

type limited struct {
	bucket Bucket
	limit  *timelimit.Limit
}

// Get implements Bucket.
func (l limited) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) ([]byte, error) { return l.bucket.Get(ctx, key) })
	return data, describe("get", key, err)
}

// GetRange implements Bucket.
func (l limited) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	data, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) ([]byte, error) {
		return l.bucket.GetRange(ctx, key, offset, length)
	})
	return data, describe("get range of", key, err)
}

// Stat implements Bucket.
func (l limited) Stat(ctx context.Context, key string) (Info, error) {
	info, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) (Info, error) { return l.bucket.Stat(ctx, key) })
	return info, describe("stat", key, err)
}

// List implements Bucket.
func (l limited) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	seq := timelimit.Seq(ctx, l.limit, func(ctx context.Context) iter.Seq2[Info, error] {
		return l.bucket.List(ctx, prefix, after)
	})
	return func(yield func(Info, error) bool) {
		for info, err := range seq {
			if !yield(info, describe("list", prefix, err)) {
				return
			}
		}
	}
}

// Put implements Bucket.
func (l limited) Put(ctx context.Context, key string, data []byte) error {
	return l.write(ctx, "put", key, func(ctx context.Context) error { return l.bucket.Put(ctx, key, data) })
}

// PutIfAbsent implements Bucket.
func (l limited) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return l.write(ctx, "put if absent", key, func(ctx context.Context) error { return l.bucket.PutIfAbsent(ctx, key, data) })
}

// Delete implements Bucket.
func (l limited) Delete(ctx context.Context, key string) error {
	return l.write(ctx, "delete", key, func(ctx context.Context) error { return l.bucket.Delete(ctx, key) })
}

func (l limited) write(ctx context.Context, op, key string, write func(context.Context) error) error {
	_, err := timelimit.Call(ctx, l.limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, write(ctx) })
	if timelimit.GaveUp(err) {
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return describe(op, key, err)
}

// describe adds to a limit's error what drivers add to their own.
func describe(op, key string, err error) error {
	if timelimit.GaveUp(err) {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	return err
}
