package bucket

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Answers that callers tell apart; drivers wrap them with the operation and key.
var (
	ErrNotFound   = errors.New("object not found")
	ErrExists     = errors.New("object exists")
	ErrInvalidKey = errors.New("invalid object key")
	ErrTooLarge   = errors.New("object too large to be held in memory")
)

// MaxObjectBytes bounds what Get, Put and PutIfAbsent hold in memory: 256 MiB.
// Larger objects are written with Create and read with GetRange or ReaderAt.
const MaxObjectBytes = 256 << 20

// Info describes an object.
type Info struct {
	Key     string
	Size    int64     // bytes
	ModTime time.Time // by the store's clock, UTC
}

// Bucket is a flat set of objects, named by keys. All methods are safe for
// concurrent use, by many processes too, and return an error that wraps
// ErrInvalidKey for a key that ValidateKey refuses, and ctx's error, having done
// nothing, when ctx had ended before the call.
type Bucket interface {
	// Get returns the whole object: ErrNotFound if there is none, ErrTooLarge if it
	// exceeds MaxObjectBytes. While the object is being overwritten it returns the
	// old bytes or the new, never a mixture.
	Get(ctx context.Context, key string) ([]byte, error)

	// GetRange returns exactly length bytes from offset on, or an error:
	// ErrNotFound, or one that wraps io.ErrUnexpectedEOF if the object ends before
	// offset+length.
	GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error)

	// Stat describes the object; ErrNotFound if there is none.
	Stat(ctx context.Context, key string) (Info, error)

	// List yields the objects whose keys begin with prefix and are greater than
	// after, in ascending byte order of whole keys ("a-b" < "a/b" < "a0"). It
	// shows whole objects only, never an upload in progress or left behind. An
	// object put or deleted meanwhile may be shown or not. The prefix must be empty
	// or the beginning of a valid key; after may be any string, so that a listing
	// can resume at its last key or skip a folder. An error is yielded once, and
	// ends the sequence.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]

	// Put writes the object, over one that is there. Data beyond MaxObjectBytes is
	// ErrTooLarge. When it returns nil the object is durable.
	Put(ctx context.Context, key string, data []byte) error

	// PutIfAbsent writes the object like Put if there is none, and returns
	// ErrExists if there is one, which then is durable. Callers that must know what
	// an error stands for use Claim.
	PutIfAbsent(ctx context.Context, key string, data []byte) error

	// Create starts the upload of an object of any size, which replaces one that is
	// there when it is closed. It is meant for data files, whose names are unique:
	// nothing tells two uploads of one key apart. The upload ends with ctx.
	Create(ctx context.Context, key string) (Writer, error)

	// Delete removes the object, durably; to delete what is absent is no error.
	Delete(ctx context.Context, key string) error
}

// Writer is an upload in progress, for one goroutine. The object is invisible
// until Close has returned nil, and durable then. Each upload must be ended by
// Close or Abort; `defer w.Abort()` beside a checked Close is the usual form.
type Writer interface {
	io.Writer

	// Close publishes the object. After a failed Write it publishes nothing and
	// returns that failure. Any error ends the upload; the object may be there
	// then, whole. A second Close is an error.
	Close() error

	// Abort drops the upload; after Close or Abort it does nothing. It gives no error
	// since nobody could act on one: what it fails to remove stays invisible and is
	// removed later.
	Abort()
}
