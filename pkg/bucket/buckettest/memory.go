package buckettest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
)

// Memory is a bucket in memory, for tests that need thousands of buckets with the
// same objects. It forgets all with the process, so it is no driver.
type Memory struct {
	mu      sync.Mutex
	objects map[string]object
}

// object is never changed once it is stored.
type object struct {
	data []byte
	time time.Time
}

var _ bucket.Bucket = (*Memory)(nil)

// NewMemory returns an empty bucket.
func NewMemory() *Memory { return &Memory{objects: map[string]object{}} }

// MemoryOf returns a bucket with the objects of b.
func MemoryOf(ctx context.Context, b bucket.Bucket) (*Memory, error) {
	m := NewMemory()
	for info, err := range b.List(ctx, "", "") {
		if err != nil {
			return nil, err
		}
		data, err := b.Get(ctx, info.Key)
		if err != nil {
			return nil, err
		}
		m.objects[info.Key] = object{data, info.ModTime}
	}
	return m, nil
}

// Clone returns a bucket that begins with the objects of m. It costs a copy of the
// keys only.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{objects: maps.Clone(m.objects)}
}

// Get implements bucket.Bucket.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	o, err := m.find(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return bytes.Clone(o.data), nil
}

// GetRange implements bucket.Bucket.
func (m *Memory) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	o, err := m.find(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	size := int64(len(o.data))
	if offset < 0 || length < 0 {
		return nil, fmt.Errorf("get %s: negative range", key)
	}
	if offset > size || length > size-offset {
		return nil, fmt.Errorf("get %s, %d bytes from %d of %d: %w", key, length, offset, size, io.ErrUnexpectedEOF)
	}
	return bytes.Clone(o.data[offset : offset+length]), nil
}

// Stat implements bucket.Bucket.
func (m *Memory) Stat(ctx context.Context, key string) (bucket.Info, error) {
	o, err := m.find(ctx, key)
	if err != nil {
		return bucket.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return o.info(key), nil
}

func (o object) info(key string) bucket.Info {
	return bucket.Info{Key: key, Size: int64(len(o.data)), ModTime: o.time.UTC()}
}

func (m *Memory) find(ctx context.Context, key string) (object, error) {
	if err := begin(ctx, key); err != nil {
		return object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return object{}, bucket.ErrNotFound
	}
	return o, nil
}

func begin(ctx context.Context, key string) error {
	if err := bucket.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// List implements bucket.Bucket. It shows the objects of one moment.
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		if err := bucket.ValidatePrefix(prefix); err != nil {
			yield(bucket.Info{}, err)
			return
		}
		objects := m.Clone().objects
		if err := ctx.Err(); err != nil {
			yield(bucket.Info{}, err)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			if !strings.HasPrefix(key, prefix) || key <= after {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(bucket.Info{}, err)
				return
			}
			if !yield(objects[key].info(key), nil) {
				return
			}
		}
	}
}

// Put implements bucket.Bucket.
func (m *Memory) Put(ctx context.Context, key string, data []byte) error {
	if err := m.put(ctx, key, data, true); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// PutIfAbsent implements bucket.Bucket.
func (m *Memory) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	if err := m.put(ctx, key, data, false); err != nil {
		return fmt.Errorf("put %s if absent: %w", key, err)
	}
	return nil
}

func (m *Memory) put(ctx context.Context, key string, data []byte, overwrite bool) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if len(data) > bucket.MaxObjectBytes {
		return fmt.Errorf("%w: %d bytes", bucket.ErrTooLarge, len(data))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.objects[key]; there && !overwrite {
		return bucket.ErrExists
	}
	m.objects[key] = object{bytes.Clone(data), time.Now()}
	return nil
}

// Delete implements bucket.Bucket.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// Create implements bucket.Bucket.
func (m *Memory) Create(ctx context.Context, key string) (bucket.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, fmt.Errorf("create %s: %w", key, err)
	}
	return &memoryWriter{ctx: ctx, bucket: m, key: key}, nil
}

type memoryWriter struct {
	ctx    context.Context // of Create: it bounds the whole upload
	bucket *Memory
	key    string
	data   bytes.Buffer
	err    error // of the first Write that failed
	ended  bool
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.ended {
		return 0, fmt.Errorf("write %s: %w", w.key, fs.ErrClosed)
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return 0, fmt.Errorf("write %s: %w", w.key, w.err)
	}
	return w.data.Write(p)
}

func (w *memoryWriter) Close() error {
	if w.ended {
		return fmt.Errorf("close %s: %w", w.key, fs.ErrClosed)
	}
	w.ended = true
	if w.err != nil {
		return fmt.Errorf("close %s: %w", w.key, w.err)
	}
	return w.bucket.Put(w.ctx, w.key, w.data.Bytes())
}

func (w *memoryWriter) Abort() { w.ended = true }
