package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tilery/tilery/pkg/online"
)

// ErrInUse is a directory that another store has open.
var ErrInUse = errors.New("online store is in use")

// DefaultCacheBytes is how much a store keeps in memory for reads.
const DefaultCacheBytes = 64 << 20

const (
	// memTableBytes is written to memory before it goes to a table; up to two of them are held.
	memTableBytes = 16 << 20
	// bitsPerKey makes one in a hundred looks at an absent entity reach the disk.
	bitsPerKey = 10
	// format of the files. A newer one cannot be read by an older program, so it
	// is raised on purpose only.
	format = pebble.FormatColumnarBlocks
)

// Options tune a store. The zero value is the default.
type Options struct {
	CacheBytes int64        // of blocks for reads, beside 32 MB for writes; 0: DefaultCacheBytes
	Logger     *slog.Logger // takes errors of background work; nil: slog.Default
}

// Store is an online store in a directory.
type Store struct {
	db    *pebble.DB
	lock  *pebble.Lock
	locks *stripes

	// inUse is held for reading while a call uses db, and for writing to close it.
	inUse  sync.RWMutex
	closed bool
}

var _ online.Store = (*Store)(nil)

// Open opens the store in dir and makes the directory if its parent is there.
// A directory that is open elsewhere is ErrInUse.
func Open(dir string, o Options) (*Store, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open online store: %w", err)
	}
	// Within one process the lock knows directories by name only.
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open online store: %w", err)
	}
	return open(dir, vfs.Default, o)
}

func open(dir string, files vfs.FS, o Options) (*Store, error) {
	lock, err := pebble.LockDirectory(dir, files)
	if err != nil {
		if heldElsewhere(err) {
			return nil, fmt.Errorf("%w: %s is open in this or another process: stop that one, or let workers share DynamoDB or Redis (%w)", ErrInUse, dir, err)
		}
		return nil, fmt.Errorf("lock online store %s: %w", dir, err)
	}
	db, err := pebble.Open(dir, o.engine(files, lock))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open online store %s: %w", dir, damage(err)), lock.Close())
	}
	return &Store{db: db, lock: lock, locks: newStripes()}, nil
}

// heldElsewhere tells a lock that is held from a file that cannot be made.
// Another process shows as EAGAIN, this one as an error of pebble's own.
func heldElsewhere(err error) bool {
	var number syscall.Errno
	return !errors.As(err, &number) || number == syscall.EAGAIN
}

func (o Options) engine(files vfs.FS, lock *pebble.Lock) *pebble.Options {
	if o.CacheBytes <= 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e := &pebble.Options{
		CacheSize:          o.CacheBytes,
		Comparer:           &comparer,
		FS:                 files,
		FormatMajorVersion: format,
		Lock:               lock,
		Logger:             logger{o.Logger},
		MemTableSize:       memTableBytes,
	}
	e.Levels[0].FilterPolicy = bloom.FilterPolicy(bitsPerKey) // the other levels take it over
	return e
}

// comparer orders keys by their bytes, and filters by what comes before the
// kind. Its name is stored with the data: another split needs another name.
var comparer = func() pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "tilery.online.1"
	c.Split = online.SplitKey
	return c
}()

// logger passes on errors only; what pebble says else is about its own work.
type logger struct{ *slog.Logger }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.Error("online store", "error", fmt.Sprintf(format, args...))
}

// Fatalf must not return: pebble relies on nothing after it.
func (l logger) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("online store: "+format, args...)) //nolint:forbidigo // the store cannot go on
}
