package offline

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
)

// ErrColumns is a table whose columns the store's format has no names or types for.
var ErrColumns = errors.New("columns cannot be stored")

// FrozenStore keeps tables that are written once, as a whole, and never change: saved
// results. Any reader of the store's format reads them, too.
type FrozenStore interface {
	// CreateFrozen starts a table of rows in any order. The path is a key prefix in the
	// bucket that nobody else uses. ErrColumns: no table has such columns.
	CreateFrozen(ctx context.Context, path string, schema *arrow.Schema) (FrozenWriter, error)
	// CommitFrozen makes a table, at once and durably, of files that several writers
	// ended with Files: those of a writer lie below its path, and paths here are relative
	// to the table's. bucket.ErrExists: there is a table.
	CommitFrozen(ctx context.Context, path string, schema *arrow.Schema, files []FrozenFile) error
	// OpenFrozen reads a file of a table, with the schema that it was created with.
	// One that is missing or damaged is ErrCorrupt.
	OpenFrozen(ctx context.Context, path string, schema *arrow.Schema, f FrozenFile) (Reader, error)
}

// FrozenWriter takes the rows of a table, for one goroutine.
type FrozenWriter interface {
	// Write appends the rows of rec, which has the table's schema. It keeps no reference to rec.
	Write(ctx context.Context, rec arrow.Record) error
	// Close makes the table visible, at once and durably, and returns its files in the
	// order of the rows; none if there are no rows.
	Close(ctx context.Context) ([]FrozenFile, error)
	// Files is Close without a table: the files are durable, for CommitFrozen.
	Files(ctx context.Context) ([]FrozenFile, error)
	// Abort drops what was not written to the bucket yet; what was is the caller's to
	// delete. It may follow Close, and then does nothing.
	Abort() error
}

// FrozenFile is a file of a table that never changes.
type FrozenFile struct {
	Path string `json:"path"` // relative to the table
	Rows int64  `json:"rows"`
	Size int64  `json:"size"` // bytes
	// Stats are what the log tells of the values, for CommitFrozen.
	Stats string `json:"stats,omitempty"`
}
