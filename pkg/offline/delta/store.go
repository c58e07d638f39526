package delta

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// Options of a Store. Zero values mean the defaults.
type Options struct {
	ScratchDir       string           // for files before their upload; default os.TempDir
	RowGroupRows     int64            // rows per row group at most; default 65536
	CompressionLevel int              // of zstd; default 1
	MaxAttempts      int              // of a commit that meets others; default 20
	SnapshotAge      time.Duration    // after which the log is listed again; default 1 minute
	Retention        time.Duration    // after which unreferenced files may be deleted; default 7 days
	ShortRetention   bool             // for tests: Vacuum takes a retention of less than a day
	Now              func() time.Time // real time, for ages; default time.Now
}

func (o Options) withDefaults() Options {
	if o.RowGroupRows <= 0 {
		o.RowGroupRows = 64 << 10
	}
	if o.CompressionLevel <= 0 {
		o.CompressionLevel = 1
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 20
	}
	if o.SnapshotAge <= 0 {
		o.SnapshotAge = time.Minute
	}
	if o.Retention <= 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	if o.Now == nil {
		// Without the monotonic clock, which stands still while a machine sleeps: a
		// snapshot that slept for a week would look fresh.
		o.Now = func() time.Time { return time.Now().Round(0) }
	}
	return o
}

// trustAge is how old a listing may be for the versions after it to be taken as
// they are found. No log is cleaned of versions as young as that.
func (o Options) trustAge() time.Duration { return 10 * o.SnapshotAge }

// Store keeps tables in a bucket. It implements offline.Store.
type Store struct {
	bucket bucket.Bucket
	opts   Options

	mu     sync.Mutex
	tables map[string]*table // opened before, by path
}

var _ offline.Store = (*Store)(nil)

// New returns a store of the tables in b.
func New(b bucket.Bucket, opts Options) *Store {
	return &Store{bucket: b, opts: opts.withDefaults(), tables: map[string]*table{}}
}

// Open implements offline.Store.
func (s *Store) Open(ctx context.Context, spec offline.Spec) (offline.Table, error) {
	if err := checkSpec(spec); err != nil {
		return nil, fmt.Errorf("open table %q: %w", spec.Path, err)
	}
	layout, err := newLayout(spec)
	if err != nil {
		return nil, fmt.Errorf("open table %q: %w", spec.Path, err)
	}
	if t := s.opened(spec.Path); t != nil {
		if err := layout.check(t.history.layout.metaData); err != nil {
			return nil, fmt.Errorf("open table %q: %w", spec.Path, err)
		}
		return t, nil
	}
	h := newHistory(s.bucket, s.opts, spec, layout)
	newest, err := h.create(ctx)
	if err != nil {
		return nil, fmt.Errorf("open table %q: %w", spec.Path, err)
	}
	t := &table{spec: newest.spec, bucket: s.bucket, opts: s.opts, history: h}
	return s.remember(t), nil
}

func (s *Store) opened(path string) *table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[path]
}

// remember keeps the first of two tables that were opened at once, so that all
// callers share one cache. Both agree with the log, hence with each other.
func (s *Store) remember(t *table) *table {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.tables[t.spec.Path]; first != nil {
		return first
	}
	s.tables[t.spec.Path] = t
	return t
}
