package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tilery/tilery/pkg/bucket"
)

// Put implements bucket.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, data []byte) error {
	if err := b.write(ctx, key, data, os.Rename); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// PutIfAbsent implements bucket.Bucket.
func (b *Bucket) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	if err := b.write(ctx, key, data, os.Link); err != nil {
		return fmt.Errorf("put %s if absent: %w", key, err)
	}
	return nil
}

func (b *Bucket) write(ctx context.Context, key string, data []byte, move func(from, to string) error) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if len(data) > bucket.MaxObjectBytes {
		return fmt.Errorf("%w: %d bytes", bucket.ErrTooLarge, len(data))
	}
	f, err := os.CreateTemp(b.temp, "")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return b.finish(f, err, key, move)
}

// finish makes the temporary file durable, publishes it unless writing it failed,
// and leaves nothing in the temporary folder.
func (b *Bucket) finish(temp *os.File, written error, key string, move func(from, to string) error) error {
	if written == nil {
		written = temp.Sync()
	}
	err := errors.Join(written, temp.Close())
	if err == nil {
		err = b.publish(temp.Name(), key, move)
	}
	// After a rename nothing is left to remove; what fails to be removed, Open will.
	_ = os.Remove(temp.Name())
	return err
}

func (b *Bucket) publish(temp, key string, move func(from, to string) error) error {
	path := b.path(key)
	if err := b.makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	// Opened before the move, so that running out of file handles cannot come between
	// the move and its sync.
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()

	moved := move(temp, path)
	if errors.Is(moved, fs.ErrExist) { // os.Rename says so too, of a folder
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			return fmt.Errorf("%w: it is a folder of other keys", bucket.ErrInvalidKey)
		}
		moved = bucket.ErrExists
	}
	if moved != nil && !errors.Is(moved, bucket.ErrExists) {
		return moved
	}
	if err := folder.Sync(); err != nil {
		return err
	}
	return moved
}

// writer is an upload in progress.
type writer struct {
	ctx    context.Context // of Create: it bounds the whole upload
	bucket *Bucket
	key    string
	temp   *os.File
	err    error // of the first Write that failed
	ended  bool
}

// Create implements bucket.Bucket.
func (b *Bucket) Create(ctx context.Context, key string) (bucket.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("create %s: %w", key, err)
	}
	f, err := os.CreateTemp(b.temp, "")
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", key, err)
	}
	return &writer{ctx: ctx, bucket: b, key: key, temp: f}, nil
}

func (w *writer) Write(p []byte) (int, error) {
	if w.ended {
		return 0, fmt.Errorf("write %s: %w", w.key, fs.ErrClosed)
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return 0, fmt.Errorf("write %s: %w", w.key, w.err)
	}
	n, err := w.temp.Write(p)
	if err != nil {
		w.err = err
		return n, fmt.Errorf("write %s: %w", w.key, err)
	}
	return n, nil
}

func (w *writer) Close() error {
	if w.ended {
		return fmt.Errorf("close %s: %w", w.key, fs.ErrClosed)
	}
	w.ended = true
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if err := w.bucket.finish(w.temp, w.err, w.key, os.Rename); err != nil {
		return fmt.Errorf("close %s: %w", w.key, err)
	}
	return nil
}

func (w *writer) Abort() {
	if w.ended {
		return
	}
	w.ended = true
	_ = w.temp.Close()
	_ = os.Remove(w.temp.Name())
}
