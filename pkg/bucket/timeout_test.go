package bucket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
)

func TestABucketWithATimeoutConforms(t *testing.T) {
	t.Parallel()
	buckettest.Run(t, func(t *testing.T) bucket.Bucket { return bucket.WithTimeout(open(t), time.Minute) })
}

// calls are all methods of a bucket, each with an object "a/b" that is there.
var calls = map[string]func(context.Context, bucket.Bucket) error{
	"Get":         func(ctx context.Context, b bucket.Bucket) error { _, err := b.Get(ctx, "a/b"); return err },
	"GetRange":    func(ctx context.Context, b bucket.Bucket) error { _, err := b.GetRange(ctx, "a/b", 0, 1); return err },
	"Stat":        func(ctx context.Context, b bucket.Bucket) error { _, err := b.Stat(ctx, "a/b"); return err },
	"Put":         func(ctx context.Context, b bucket.Bucket) error { return b.Put(ctx, "a/b", []byte("new")) },
	"PutIfAbsent": func(ctx context.Context, b bucket.Bucket) error { return b.PutIfAbsent(ctx, "a/c", []byte("new")) },
	"Delete":      func(ctx context.Context, b bucket.Bucket) error { return b.Delete(ctx, "a/b") },
	"Create": func(ctx context.Context, b bucket.Bucket) error {
		w, err := b.Create(ctx, "a/d")
		if err == nil {
			w.Abort()
		}
		return err
	},
	"Close": func(ctx context.Context, b bucket.Bucket) error {
		w, err := b.Create(ctx, "a/d")
		if err != nil {
			return err
		}
		defer w.Abort()
		if _, err := w.Write([]byte("new")); err != nil {
			return err
		}
		return w.Close()
	},
	"List": func(ctx context.Context, b bucket.Bucket) error {
		for _, err := range b.List(ctx, "a/", "") {
			if err != nil {
				return err
			}
		}
		return nil
	},
}

var writes = map[string]bool{"Put": true, "PutIfAbsent": true, "Delete": true, "Close": true}

func TestEveryCallThatHangsEndsInTime(t *testing.T) {
	t.Parallel()
	for op, call := range calls {
		for _, fault := range []buckettest.Fault{buckettest.HangBefore, buckettest.HangAfter} {
			t.Run(op, func(t *testing.T) {
				inner := open(t)
				require.NoError(t, inner.Put(t.Context(), "a/b", []byte("old")))
				synctest.Test(t, func(t *testing.T) {
					b := bucket.WithTimeout(failing(inner, map[string]buckettest.Fault{op: fault}), time.Minute)
					began := time.Now()
					err := call(t.Context(), b)
					require.Error(t, err)
					require.ErrorContains(t, err, "no answer in time")
					require.ErrorContains(t, err, " a/")
					require.NotErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, writes[op], errors.Is(err, bucket.ErrUnknown), "%v", err)
					require.Equal(t, time.Minute, time.Since(began))
				})
			})
		}
	}
}

// stuck is a bucket with an upload that heeds no context.
type stuck struct {
	bucket.Bucket
	op      string
	release chan struct{}
	aborted chan struct{}
}

func (s stuck) Create(context.Context, string) (bucket.Writer, error) {
	s.wait("Create")
	return s, nil
}

func (s stuck) Write(p []byte) (int, error) {
	s.wait("Write")
	if string(p) != "data" {
		return 0, errors.New("the data changed")
	}
	return len(p), nil
}

func (s stuck) Close() error { s.wait("Close"); return nil }

func (s stuck) Abort() { close(s.aborted) }

func (s stuck) wait(op string) {
	if op == s.op {
		<-s.release
	}
}

func TestAnUploadThatIsLeftBehindIsAbortedWhenItMoves(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Create", "Write", "Close"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := stuck{op: op, release: make(chan struct{}), aborted: make(chan struct{})}
				w, err := bucket.WithTimeout(inner, time.Minute).Create(t.Context(), "a")
				if op != "Create" {
					require.NoError(t, err)
					data := []byte("data")
					_, err = w.Write(data)
					copy(data, "gone")
					if op == "Close" {
						require.NoError(t, err)
						err = w.Close()
						require.ErrorIs(t, err, bucket.ErrUnknown)
					}
					before := time.Now()
					_, again := w.Write(data)
					require.ErrorContains(t, again, "no answer in time")
					require.Error(t, w.Close())
					w.Abort()
					require.Zero(t, time.Since(before), "what hangs is not asked again")
				}
				require.ErrorContains(t, err, "no answer in time")
				close(inner.release)
				<-inner.aborted
			})
		})
	}
}
