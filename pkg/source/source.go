package source

import (
	"context"
	"errors"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNoFiles is a source whose URI matches nothing.
	ErrNoFiles = errors.New("source has no files")
	// ErrURI is a URI that cannot be used.
	ErrURI = errors.New("bad source URI")
	// ErrTable is a table whose log cannot be read: a feature of its format that is
	// not supported, a version that it does not have (any more), a damaged log.
	ErrTable = errors.New("source table cannot be read")
)

// maxFiles bounds what one source may match: as many files as one query reads.
const maxFiles = 10_000

// File is one file of a source.
type File struct {
	Path string // absolute and local
	// Constants are the columns that are not in the file but have the same value in
	// each of its rows, as text; nil is null. Names are those of columns.
	Constants map[string]*string
}

// Files are the data of one source for one interval.
type Files struct {
	Files []File // in order of their paths
	Bytes int64  // of all files
	// Version tells two states of what was found apart: a digest of names, sizes
	// and times of change. 16 hexadecimal digits.
	Version string
}

// Scan is what a run over an interval reads.
type Scan struct {
	Files int
	// Rows and Bytes are at least those of the interval: statistics tell what can be
	// left out. Bytes are as stored.
	Rows, Bytes int64
	// RowsKnown is false when some files do not tell how many rows they have; Rows is
	// the sum of the others.
	RowsKnown bool
}

// Batch finds the data of batch sources. It never changes them. Implementations
// are safe for concurrent use.
//
// Errors: ErrNoFiles, ErrURI and ErrTable say that the definition or the source is
// wrong and that a retry cannot help; any other may pass.
type Batch interface {
	// Files returns files that hold all rows of the source whose timestamp field lies
	// in the interval, and perhaps others, which the reader drops. Nothing to read is
	// no error as long as the source is there.
	//
	// The files must stay as they are while they are read. Two calls with the same
	// Version return the same rows, as does a source that is pinned to a version.
	Files(ctx context.Context, s feature.BatchSource, i window.Interval) (Files, error)

	// Scan estimates what reading the interval would cost, without reading rows.
	Scan(ctx context.Context, s feature.BatchSource, i window.Interval) (Scan, error)
}
