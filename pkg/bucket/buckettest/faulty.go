package buckettest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tilery/tilery/pkg/bucket"
)

// Fault is what goes wrong with a call.
type Fault int

// A hanging call returns when its context ends, with the context's error.
const (
	None       Fault = iota
	Refused          // ErrInjected, nothing done
	LostAnswer       // done, then ErrInjected whatever the answer was
	HangBefore       // nothing done, no answer
	HangAfter        // done, no answer
)

// ErrInjected is wrapped by the errors that Faulty makes up.
var ErrInjected = errors.New("injected fault")

// Faulty is a bucket whose calls fail as Hook says. Op is the name of a method of
// bucket.Bucket, or "Write" and "Close" for those of a Writer; a fault of List comes
// before its first object or after its last. Hook is called from many goroutines if
// the bucket is.
type Faulty struct {
	bucket.Bucket
	Hook func(op, key string) Fault
}

var _ bucket.Bucket = Faulty{}

// Get implements bucket.Bucket.
func (f Faulty) Get(ctx context.Context, key string) ([]byte, error) {
	return inject(ctx, f, "Get", key, func() ([]byte, error) { return f.Bucket.Get(ctx, key) })
}

// GetRange implements bucket.Bucket.
func (f Faulty) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	return inject(ctx, f, "GetRange", key, func() ([]byte, error) {
		return f.Bucket.GetRange(ctx, key, offset, length)
	})
}

// Stat implements bucket.Bucket.
func (f Faulty) Stat(ctx context.Context, key string) (bucket.Info, error) {
	return inject(ctx, f, "Stat", key, func() (bucket.Info, error) { return f.Bucket.Stat(ctx, key) })
}

// List implements bucket.Bucket.
func (f Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		stopped := false
		err := f.do(ctx, "List", prefix, func() error {
			for info, err := range f.Bucket.List(ctx, prefix, after) {
				if err != nil {
					return err
				}
				if !yield(info, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(bucket.Info{}, err)
		}
	}
}

// Put implements bucket.Bucket.
func (f Faulty) Put(ctx context.Context, key string, data []byte) error {
	return f.do(ctx, "Put", key, func() error { return f.Bucket.Put(ctx, key, data) })
}

// PutIfAbsent implements bucket.Bucket.
func (f Faulty) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return f.do(ctx, "PutIfAbsent", key, func() error { return f.Bucket.PutIfAbsent(ctx, key, data) })
}

// Delete implements bucket.Bucket.
func (f Faulty) Delete(ctx context.Context, key string) error {
	return f.do(ctx, "Delete", key, func() error { return f.Bucket.Delete(ctx, key) })
}

// Create implements bucket.Bucket. An upload whose answer is lost is aborted.
func (f Faulty) Create(ctx context.Context, key string) (bucket.Writer, error) {
	var w bucket.Writer
	err := f.do(ctx, "Create", key, func() (err error) {
		w, err = f.Bucket.Create(ctx, key)
		return err
	})
	if err != nil {
		if w != nil {
			w.Abort()
		}
		return nil, err
	}
	return &faultyWriter{Writer: w, ctx: ctx, bucket: f, key: key}, nil
}

type faultyWriter struct {
	bucket.Writer
	ctx    context.Context
	bucket Faulty
	key    string
	failed error // of Write
}

// Write implements bucket.Writer. After a fault the upload cannot be closed.
func (w *faultyWriter) Write(p []byte) (n int, err error) {
	if w.failed != nil {
		return 0, w.failed
	}
	w.failed = w.bucket.do(w.ctx, "Write", w.key, func() error {
		n, err = w.Writer.Write(p)
		return err
	})
	return n, w.failed
}

// Close implements bucket.Writer. A refused Close ends the upload.
func (w *faultyWriter) Close() error {
	if w.failed != nil {
		w.Abort()
		return w.failed
	}
	err := w.bucket.do(w.ctx, "Close", w.key, w.Writer.Close)
	if err != nil {
		w.Abort()
	}
	return err
}

func inject[T any](ctx context.Context, f Faulty, op, key string, call func() (T, error)) (T, error) {
	var answer T
	err := f.do(ctx, op, key, func() (err error) {
		answer, err = call()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return answer, nil
}

func (f Faulty) do(ctx context.Context, op, key string, call func() error) error {
	fault := f.Hook(op, key)
	if fault == None {
		return call()
	}
	if fault == LostAnswer || fault == HangAfter {
		_ = call() // nobody hears the answer
	}
	if fault == HangBefore || fault == HangAfter {
		<-ctx.Done()
		return fmt.Errorf("%s %s: %w", op, key, ctx.Err())
	}
	return fmt.Errorf("%s %s: %w", op, key, ErrInjected)
}
