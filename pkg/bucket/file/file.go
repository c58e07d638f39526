package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
)

const (
	tempFolder = ".tmp"
	tempMaxAge = 24 * time.Hour // since the last write; longer than any upload pauses
)

// Bucket is a directory used as a bucket. It holds no resource between calls.
type Bucket struct {
	root string
	temp string

	mu      sync.Mutex
	durable map[string]struct{} // folders whose entries in their parents were synced
}

var _ bucket.Bucket = (*Bucket)(nil)

// Open returns the bucket in dir, made with mode 0700 if need be, and removes
// temporary files that were last written over a day ago.
func Open(dir string) (*Bucket, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	b := &Bucket{root: root, temp: filepath.Join(root, tempFolder), durable: map[string]struct{}{}}
	if err := makeRoot(root); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	if err := os.Mkdir(b.temp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	if err := b.removeTempBefore(time.Now().Add(-tempMaxAge)); err != nil {
		return nil, fmt.Errorf("open bucket %s: remove old temporary files: %w", dir, err)
	}
	return b, nil
}

func (b *Bucket) removeTempBefore(limit time.Time) error {
	entries, err := os.ReadDir(b.temp)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(limit) {
			err = os.Remove(filepath.Join(b.temp, entry.Name()))
		}
		// Another process may have been quicker, to publish or to remove it.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Get implements bucket.Bucket.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	data, err := b.read(ctx, key, func(size int64) (int64, int64, error) {
		if size > bucket.MaxObjectBytes {
			return 0, 0, fmt.Errorf("%w: %d bytes", bucket.ErrTooLarge, size)
		}
		return 0, size, nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return data, nil
}

// GetRange implements bucket.Bucket.
func (b *Bucket) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	data, err := b.read(ctx, key, func(size int64) (int64, int64, error) {
		switch {
		case offset < 0, length < 0:
			return 0, 0, errors.New("negative range")
		case offset > size, length > size-offset:
			return 0, 0, fmt.Errorf("object has %d bytes: %w", size, io.ErrUnexpectedEOF)
		}
		return offset, length, nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %s, %d bytes from %d: %w", key, length, offset, err)
	}
	return data, nil
}

// read returns the part of the object that choose wants, given its size. Published
// files are never written to, so all of it comes from one state of the object.
func (b *Bucket) read(ctx context.Context, key string, choose func(size int64) (offset, length int64, err error)) ([]byte, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	f, err := os.Open(b.path(key))
	if err != nil {
		return nil, notFound(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, bucket.ErrNotFound
	}
	offset, length, err := choose(info.Size())
	if err != nil {
		return nil, err
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, length), data); err != nil {
		return nil, err
	}
	return data, nil
}

// Stat implements bucket.Bucket.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	if err := begin(ctx, key); err != nil {
		return bucket.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	info, err := b.stat(key)
	if err != nil {
		return bucket.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return info, nil
}

func (b *Bucket) stat(key string) (bucket.Info, error) {
	info, err := os.Lstat(b.path(key))
	switch {
	case err != nil:
		return bucket.Info{}, notFound(err)
	case !info.Mode().IsRegular():
		return bucket.Info{}, bucket.ErrNotFound
	}
	return bucket.Info{Key: key, Size: info.Size(), ModTime: info.ModTime().UTC()}, nil
}

// Delete implements bucket.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	path := b.path(key)
	folder, err := os.Open(filepath.Dir(path))
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	defer folder.Close()
	if err := unlink(path); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	// Synced even if nothing was there: the one who removed it may have died before its sync.
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// unlink removes the file at path if there is one. Unlike os.Remove it never
// removes a folder, into which another process may be about to put.
func unlink(path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		return nil
	}
	if err := syscall.Unlink(path); err != nil && !absent(err) {
		return &fs.PathError{Op: "unlink", Path: path, Err: err}
	}
	return nil
}

// begin makes the checks that come before every call.
func begin(ctx context.Context, key string) error {
	if err := bucket.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

func (b *Bucket) path(key string) string { return filepath.Join(b.root, filepath.FromSlash(key)) }

// absent reports whether err says that a path leads nowhere, be it for a file
// where the path wants a folder.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func notFound(err error) error {
	if absent(err) {
		return bucket.ErrNotFound
	}
	return err
}
