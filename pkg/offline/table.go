package offline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrCorrupt is a log or a file that is torn, missing or contradicts itself.
	ErrCorrupt = errors.New("offline table is corrupt")
	// ErrMismatch is a table that exists with another schema or layout.
	ErrMismatch = errors.New("offline table has another layout")
	// ErrConflict is a commit that lost too many races; its files stay for a retry.
	ErrConflict = errors.New("too many conflicting commits")
	// ErrStale is a build whose files are too old to be committed safely: build again.
	ErrStale = errors.New("build is too old to commit")
	// ErrFenceGone is the ErrStale of a Fence after which keys were erased that the table
	// has forgotten: what is built again has to have a later one.
	ErrFenceGone = fmt.Errorf("%w: what was erased since is forgotten", ErrStale)
	// ErrHistoryGone asks for changes that the log no longer holds, or for removed
	// files that were vacuumed.
	ErrHistoryGone = errors.New("log history is gone")
)

// Spec names a table and says what never changes in it.
type Spec struct {
	Path      string           // key prefix in the bucket
	Keys      []feature.Field  // the join keys, first columns of Schema
	Time      string           // the time column, next in Schema
	Schema    *arrow.Schema    // all columns in order
	Step      time.Duration    // length of a window: the unit of coverage
	Partition window.Partition // files never cross it; chosen when the table is created, an existing one keeps its own
	// Sequence is the last column of Schema, an Int64, of a table whose rows belong to
	// no window: of rows with equal keys and time the one with the greatest counts, and
	// compaction keeps only that. Step is zero then. Empty: rows belong to windows.
	Sequence string
}

// File is a data file of a table.
type File struct {
	Path      string      `json:"path"` // relative to the table
	Size      int64       `json:"size"` // bytes
	Rows      int64       `json:"rows"`
	Partition string      `json:"partition"`
	MinTime   window.Time `json:"min_time"` // of the time column, both inclusive
	MaxTime   window.Time `json:"max_time"`
	WrittenAt window.Time `json:"written_at"` // real time of the upload
	Seq       int64       `json:"seq"`        // version that added it; 0 before its commit
	Stats     string      `json:"stats"`      // Delta statistics, a JSON text
}

// Build is rows that are durable and not yet visible: those of a window or, in a
// table with a Sequence, of what Append names. It is a small JSON document, so that it
// can travel by reference between activities.
type Build struct {
	Window window.Interval `json:"window,omitzero"`
	// Append names what was ingested; a commit adds the rows of one name once.
	Append string `json:"append,omitempty"`
	// ReadAt is when the sources were read: the start of the attempt, told by
	// one server for all attempts. The build with the latest ReadAt wins.
	ReadAt window.Time `json:"read_at,omitzero"`
	// Fence is the table's before the sources were read, or before what is ingested
	// was accepted: the commit leaves out the rows of keys that were erased since.
	Fence int64  `json:"fence,omitempty"`
	Files []File `json:"files"` // none: the window is empty
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Commit makes builds visible.
type Commit struct {
	ID         string // unique to this call: B3
	Job        string // who asked, for the log's readers
	Generation int64  // of the definitions
	Overwrite  bool   // replace windows that are covered; otherwise they are Done
	Online     bool   // the online store shall follow these windows
	Builds     []Build
}

// Outcome is what became of one build.
type Outcome string

// The outcomes; none is a failure.
const (
	Committed  Outcome = "committed"  // visible, by this commit or an earlier try of it
	Done       Outcome = "done"       // the window was covered and overwrite was not asked for, or the rows were added before
	Superseded Outcome = "superseded" // a build that read its sources later is in place
)

// CommitResult tells the outcome of each build, in order.
type CommitResult struct {
	Version  int64 // of the commit; the table's head when there was nothing to commit
	Outcomes []Outcome
}

// Snapshot is the state of a table at a version.
type Snapshot struct {
	Version int64
	Files   []File                      // live files, by path
	ReadAt  map[window.Time]window.Time // covered windows: start -> ReadAt of the winner
	Covered window.Set
	Fence   int64 // counts the erasures
}

// Change is what one version did.
type Change struct {
	Version int64
	Windows []window.Interval // committed by it
	Added   []File
	Removed []File
	Online  bool    // the online store shall follow it
	Erased  *KeySet // keys whose rows were erased; what was added is the rest of what was removed then
}

// KeySet refers to keys that were erased.
type KeySet struct {
	// Object is the key in the bucket of the keys as pkg/keyset encodes them. It goes
	// when the erasure is done everywhere.
	Object string `json:"object"`
	Keys   int    `json:"keys"`
	Digest string `json:"digest"` // of the set
}

// Erasure removes the rows of keys.
type Erasure struct {
	// ID is unique to the erasure, as Commit.ID, and the same for each try of it.
	ID         string
	Job        string      // who asked
	Generation int64       // of the definitions
	Online     bool        // the online store shall follow it
	Keys       *keyset.Set // of the first columns of the table
	Object     string      // where in the bucket the keys are
	Fields     int         // how many columns a key has
	// Rewrites were made before, of any files; those that are no longer live are left out.
	Rewrites   []Rewrite
	OnProgress func(rows int64)
}

// Rewrite is a file without the rows of keys.
type Rewrite struct {
	Path   string `json:"path"`           // of the file as it was
	Erased int64  `json:"erased"`         // rows; 0: the file holds none of the keys and stays
	File   *File  `json:"file,omitempty"` // the other rows, invisible; nil: there are none
}

// Erased tells what Erase did.
type Erased struct {
	Version int64 `json:"version"` // of the commit
	Fence   int64 `json:"fence"`   // after it
	Files   int   `json:"files"`   // that held rows of the keys
	Rows    int64 `json:"rows"`    // erased
	Bytes   int64 `json:"bytes"`   // of those files
}

// Store opens tables.
type Store interface {
	// Open returns the table of spec.Path and creates it when it is not there.
	// A table with another schema or step is ErrMismatch.
	Open(ctx context.Context, spec Spec) (Table, error)
}

// Table is one table. Methods are safe for concurrent use, also by several processes.
type Table interface {
	Spec() Spec
	// NewWriter starts the build of a window. attempt tells the files of two
	// tries apart; it consists of [A-Za-z0-9._-].
	NewWriter(ctx context.Context, w window.Interval, readAt window.Time, attempt string) (Writer, error)
	// NewAppender starts a build of rows that belong to no window, in a table with a
	// Sequence. Rows of equal keys and time are refused.
	NewAppender(ctx context.Context, attempt string) (Writer, error)
	// Commit makes the builds visible that still may be, in one atomic step. Rows of
	// keys that were erased after a build's Fence are left out.
	Commit(ctx context.Context, c Commit) (CommitResult, error)
	// Snapshot returns the newest state.
	Snapshot(ctx context.Context) (Snapshot, error)
	// SnapshotAt returns the state as of a version, for those who read again what was
	// read then; files that were vacuumed since are gone. A version that the log no
	// longer tells is ErrHistoryGone, one that is not there yet another error.
	SnapshotAt(ctx context.Context, version int64) (Snapshot, error)
	// Changes returns what the versions in (after, upTo] did, in order.
	Changes(ctx context.Context, after, upTo int64) ([]Change, error)
	// MayHold returns the files of a snapshot that may have rows of keys, by statistics.
	MayHold(s Snapshot, keys *keyset.Set) []File
	// Rewrite makes what Erase puts in a file's place. It may be repeated.
	Rewrite(ctx context.Context, f File, keys *keyset.Set, fields int, onProgress func(rows int64)) (Rewrite, error)
	// Erase removes all rows of keys, in one atomic step: of all files that are live
	// then, those that others committed meanwhile included. Builds that began before
	// are fenced: their commits leave the keys out. Repeated with its ID, it tells what
	// it did.
	Erase(ctx context.Context, e Erasure) (Erased, error)
	// OpenFile reads a file that a snapshot or a change names. One that was removed
	// since and vacuumed is ErrHistoryGone.
	OpenFile(ctx context.Context, f File) (Reader, error)
	// Scan is OpenFile for some columns, by one who looks for keys.
	Scan(ctx context.Context, f File, s Selection) (Scanner, error)
	Maintainer
}

// CompactRequest bounds one compaction. Zero values mean the defaults.
type CompactRequest struct {
	ID  string // unique to this call, as Commit.ID
	Job string // who asked
	// TargetBytes is about the size of the files that are made, MinFiles how many
	// smaller ones a partition must have to be worth it.
	TargetBytes int64 // default 256 MiB
	MinFiles    int   // default 8
	// MaxBytes bounds the files that one call reads; it stops after the partition
	// that reaches it.
	MaxBytes   int64 // default 4 GiB
	OnProgress func(rows int64)
}

// CompactResult tells what Compact did.
type CompactResult struct {
	Version int64 `json:"version"` // of the commit; the table's head when there was nothing to do
	Removed int   `json:"removed"` // files
	Added   int   `json:"added"`   // files
	Rows    int64 `json:"rows"`
	Bytes   int64 `json:"bytes"` // of the removed files
	More    bool  `json:"more"`  // another call would find work
}

// VacuumRequest bounds one vacuum.
type VacuumRequest struct {
	ID  string // unique to this call, as Commit.ID
	Job string // who asked
	// Retention is how long files stay that no snapshot needs any more; zero is the
	// store's, and a longer one is refused. So is less than a day, unless the store
	// was opened so for tests.
	Retention time.Duration
	DryRun    bool // delete nothing
	// MaxFiles bounds the files that one call deletes; default 10,000.
	MaxFiles   int
	OnProgress func(files int64)
}

// VacuumResult tells what Vacuum did.
type VacuumResult struct {
	Version int64 `json:"version"` // of the commit that announced it; the table's head when nothing was deleted
	Files   int   `json:"files"`   // deleted, or with DryRun to delete
	Bytes   int64 `json:"bytes"`
	More    bool  `json:"more"`
}

// CleanResult tells what CleanLog did.
type CleanResult struct {
	Checkpoint int64 `json:"checkpoint"` // version of the checkpoint that replaces what was deleted
	Deleted    int   `json:"deleted"`    // objects of the log
	Oldest     int64 `json:"oldest"`     // version that Changes can start after
}

// Maintainer keeps a table small and quick to open. Its methods change no row and
// no coverage, may be called at any time beside writers, readers and each other,
// and do no harm when they are repeated or stopped midway.
type Maintainer interface {
	// Compact replaces small files of a partition by larger ones with the same rows,
	// in the same order of rows. It is abandoned for a partition whose files are
	// gone by the time of its commit.
	Compact(ctx context.Context, r CompactRequest) (CompactResult, error)
	// Checkpoint writes the newest state as one object, so that opening the table
	// reads that and the versions after it, unless there is one that is less than
	// every versions old. It returns the version of the newest checkpoint; -1: there
	// is none.
	Checkpoint(ctx context.Context, every int64) (int64, error)
	// CleanLog deletes versions older than keep that lie before a checkpoint older
	// than keep; without one it does nothing, and Checkpoint is -1. Changes that need
	// them are ErrHistoryGone from then on.
	CleanLog(ctx context.Context, keep time.Duration) (CleanResult, error)
	// Vacuum deletes files that the table does not name, or does no longer, once
	// they are older than the retention.
	Vacuum(ctx context.Context, r VacuumRequest) (VacuumResult, error)
}

// Writer takes the rows of one window, sorted by (keys in encoded byte order,
// time), and refuses rows out of order or outside the window.
type Writer interface {
	// Write takes the rows of rec, which has the table's schema. It keeps no reference to rec.
	Write(rec arrow.Record) error
	// Close makes the files durable and returns the build.
	Close(ctx context.Context) (Build, error)
	// Abort drops what was written. It may follow Close, and then does nothing.
	Abort() error
}

// Selection is what a scan reads of a file.
type Selection struct {
	Columns []string // of the schema's columns, and in this order; nil: all
	Rows    int      // of a record at most, from 1 to 64 Ki; 0: 64 Ki
}

// Scanner is a Reader of the selected columns that leaves out what is not asked for.
// A record is gone after the next call of Next even if it was retained.
type Scanner interface {
	Reader
	// SkipTo has the next record begin no later than with the first row that was not
	// read yet and whose key, as record.AppendKey encodes it, is not below key. Rows
	// before it may come, too: only whole row groups are left out, and of those nothing
	// is read. It leaves the last record as it is.
	SkipTo(key []byte) error
}

// Reader yields the rows of one file in order, as records of bounded size with the table's schema.
type Reader interface {
	// Next returns io.EOF after the last record. The record is valid until the next call.
	Next() (arrow.Record, error)
	Close() error
}
