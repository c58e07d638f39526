package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/bucket"
)

// readBatch is how many directory entries are read at a time.
const readBatch = 1024

// List implements bucket.Bucket. It starts at the prefix's folder and holds the
// matching names of the folders on its current path, one level each.
func (b *Bucket) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		l := listing{ctx: ctx, bucket: b, prefix: prefix, after: after, yield: yield}
		err := bucket.ValidatePrefix(prefix)
		if err == nil {
			err = l.walk(prefix[:strings.LastIndexByte(prefix, '/')+1])
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(bucket.Info{}, fmt.Errorf("list %s: %w", prefix, err))
		}
	}
}

// errStopped ends a walk whose consumer wants no more.
var errStopped = errors.New("stopped")

type listing struct {
	ctx           context.Context
	bucket        *Bucket
	prefix, after string
	yield         func(bucket.Info, error) bool
}

// walk yields what is wanted from the folder, which is "" or ends with a slash.
func (l *listing) walk(folder string) error {
	keys, err := l.read(folder)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if strings.HasSuffix(key, "/") {
			if err := l.walk(key); err != nil {
				return err
			}
			continue
		}
		info, err := l.bucket.stat(key)
		if errors.Is(err, bucket.ErrNotFound) { // deleted since
			continue
		}
		if err != nil {
			return err
		}
		if !l.yield(info, nil) {
			return errStopped
		}
	}
	return nil
}

// read returns the keys of the wanted objects in the folder and, with a slash at
// their ends, of its wanted folders: with it, their order is that of the keys inside.
func (l *listing) read(folder string) ([]string, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := os.Open(l.bucket.path(folder))
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()

	var keys []string
	for {
		entries, err := dir.ReadDir(readBatch)
		for _, entry := range entries {
			key := folder + entry.Name()
			switch {
			case bucket.ValidateKey(key) != nil: // the temporary folder, or not ours
			case entry.IsDir() && l.wantsFolder(key+"/"):
				keys = append(keys, key+"/")
			case entry.Type().IsRegular() && strings.HasPrefix(key, l.prefix) && key > l.after:
				keys = append(keys, key)
			}
		}
		if errors.Is(err, io.EOF) || absent(err) { // absent: the prefix's folder is an object
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// wantsFolder reports whether a key that begins with folder can be wanted.
func (l *listing) wantsFolder(folder string) bool {
	matches := strings.HasPrefix(folder, l.prefix) || strings.HasPrefix(l.prefix, folder)
	return matches && (folder > l.after || strings.HasPrefix(l.after, folder))
}
