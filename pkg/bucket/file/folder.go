package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tilery/tilery/pkg/bucket"
)

// maxDurable bounds the memory for folders known to be durable. Past it all are
// forgotten, which costs one sync each when they are next written to.
const maxDurable = 1 << 14

// makeFolder makes a folder below the root, and those above it, and returns when
// all of them are durable.
func (b *Bucket) makeFolder(path string) error {
	if path == b.root || b.isDurable(path) {
		return nil
	}
	parent := filepath.Dir(path)
	if err := b.makeFolder(parent); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is an object, not a folder", bucket.ErrInvalidKey, path)
		}
	case err != nil:
		return err
	}
	if err := syncFolder(parent); err != nil {
		return err
	}
	b.setDurable(path)
	return nil
}

func (b *Bucket) isDurable(path string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.durable[path]
	return ok
}

func (b *Bucket) setDurable(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.durable) >= maxDurable {
		clear(b.durable)
	}
	b.durable[path] = struct{}{}
}

// makeRoot makes the bucket's own directory durably. Only parents of what it makes
// are synced: those of a directory that exists need not be readable.
func makeRoot(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if err := makeRoot(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
