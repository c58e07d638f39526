package erase

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrRefused is a deletion that cannot be carried out: its keys, its stores, its view.
	ErrRefused = errors.New("cannot delete keys")
	// ErrFound is a row of the keys that was there after all: the deletion has failed.
	ErrFound = errors.New("rows of deleted keys were found")
	// ErrNotFound is a receipt that is not there.
	ErrNotFound = errors.New("no such deletion")
)

// Options bound one deletion. Zero values mean the defaults.
type Options struct {
	MaxKeys    int   // of a request, at most keyset.MaxKeys: 10,000
	KeyBytes   int64 // of the data frame with the keys: 256 MiB
	BatchBytes int64 // of the files that one activity rewrites: 1 GiB
}

// Engine deletes keys. It is safe for concurrent use.
type Engine struct {
	Bucket   bucket.Bucket
	Views    *materialize.Engine
	Datasets *dataset.Store
	Fences   *forget.Store
	Options  Options
}

// Request says whose keys are deleted from what.
type Request struct {
	Workspace string `json:"workspace"`
	View      string `json:"view"` // or feature table
	Online    bool   `json:"online"`
	Offline   bool   `json:"offline"`
	// Forget holds rows of the keys before this time back until the fence is lifted.
	Forget *window.Time `json:"forget,omitempty"`
	// Datasets removes the saved datasets that were made of the view and hold a key.
	Datasets bool `json:"datasets,omitempty"`
}

// Staged is a request whose keys are in the bucket. It travels by reference.
type Staged struct {
	Request
	ID         string          `json:"id"`     // 32 hexadecimal digits
	Object     string          `json:"object"` // key of the keyset in the bucket
	Digest     string          `json:"digest"` // of the hashed set; a receipt names it
	Keys       int             `json:"keys"`
	Duplicates int             `json:"duplicates,omitempty"` // that were dropped
	JoinKeys   []feature.Field `json:"join_keys"`
	StagedAt   time.Time       `json:"staged_at"` // real time
}

// Stage checks a request, reads the keys of a data frame, and keeps them in the bucket.
// ErrRefused or frame.ErrData, and nothing is kept then.
func (e *Engine) Stage(ctx context.Context, r Request, file io.ReaderAt, size int64, format frame.Format) (Staged, error) {
	panic("todo")
}

// Discard removes what was staged.
func (e *Engine) Discard(ctx context.Context, s Staged) error { panic("todo") }

// Plan is what a deletion does: for each store of the view, those that are retired
// included, the files that may hold a key, in batches.
type Plan struct {
	Stores []StorePlan `json:"stores"`
}

// StorePlan is the part of one store.
type StorePlan struct {
	Generation  int64  `json:"generation"` // of its definition
	Fingerprint string `json:"fingerprint"`
	Retired     bool   `json:"retired,omitempty"`
	Offline     bool   `json:"offline"`
	Online      bool   `json:"online"`
	Files       int    `json:"files"`
	Bytes       int64  `json:"bytes"`
	Batches     int    `json:"batches"`
}

// Plan finds the stores and their files, and puts the fence that Forget asks for.
func (e *Engine) Plan(ctx context.Context, s Staged, now window.Time) (Plan, error) { panic("todo") }

// Rewritten counts what one batch did.
type Rewritten struct {
	Files int   `json:"files"`
	Rows  int64 `json:"rows"` // erased
}

// Rewrite rewrites the files of a batch of a store, both counted from 0. The result is
// in the bucket; repeated, it goes on where it stopped.
func (e *Engine) Rewrite(ctx context.Context, s Staged, p Plan, store, batch int, now window.Time, onProgress func(rows int64)) (Rewritten, error) {
	panic("todo")
}

// EraseOffline commits the erasure of a store.
func (e *Engine) EraseOffline(ctx context.Context, s Staged, p Plan, store int, job string, now window.Time, onProgress func(rows int64)) (offline.Erased, error) {
	panic("todo")
}

// EraseOnline has no cell of a store say anything of the keys any more: the store
// follows the log, and what it does not follow gets tombstones.
func (e *Engine) EraseOnline(ctx context.Context, s Staged, p Plan, store int, now window.Time, onProgress func(cells int64)) (cells int64, err error) {
	panic("todo")
}

// SweepOnline removes the tombstones that EraseOnline has left, once no older writer can
// be there any more.
func (e *Engine) SweepOnline(ctx context.Context, s Staged, p Plan, store int, now window.Time, onProgress func(cells int64)) (cells int64, err error) {
	panic("todo")
}

// Verified counts what a verification has looked at.
type Verified struct {
	Rows  int64 `json:"rows"`
	Cells int64 `json:"cells"`
}

// Verify scans every row and cell of a store for the keys, by no index and no statistics.
// ErrFound says where one is. erased is the version of the erasure, 0 if offline stays.
func (e *Engine) Verify(ctx context.Context, s Staged, p Plan, store int, erased int64, now window.Time, onProgress func(rows int64)) (Verified, error) {
	panic("todo")
}

// StoreResult is what was done to one store.
type StoreResult struct {
	offline.Erased
	Cells    int64    `json:"cells"` // erased online
	Verified Verified `json:"verified"`
}

// Receipt says what was deleted. It names no key.
type Receipt struct {
	Staged   Staged          `json:"request"` // without Object
	Job      string          `json:"job"`
	DoneAt   time.Time       `json:"done_at"` // real time
	Stores   []StoreReceipt  `json:"stores"`
	Datasets []DatasetResult `json:"datasets,omitempty"` // that may hold the keys
	// OldVersionsUntil is when maintenance may remove the files that held the keys; its
	// run after that does. Nil: no file held one.
	OldVersionsUntil *time.Time `json:"old_versions_until,omitempty"`
	// VacuumedAt is when it did.
	VacuumedAt *time.Time `json:"vacuumed_at,omitempty"`
}

// StoreReceipt is the part of one store.
type StoreReceipt struct {
	StorePlan
	StoreResult
}

// DatasetResult is a saved dataset that was made of the view.
type DatasetResult struct {
	Name    string `json:"name"`
	Removed bool   `json:"removed"`
}

// Finish writes the receipt, with one result for each store of the plan, and removes
// what was staged. Repeated, it returns the receipt that is there.
func (e *Engine) Finish(ctx context.Context, s Staged, p Plan, job string, results []StoreResult, now window.Time) (Receipt, error) {
	panic("todo")
}

// Receipt returns the receipt of a deletion; ErrNotFound.
func (e *Engine) Receipt(ctx context.Context, workspace, view, id string) (Receipt, error) {
	panic("todo")
}

// Receipts returns the receipts of a view, the newest first, at most limit.
func (e *Engine) Receipts(ctx context.Context, workspace, view string, limit int) ([]Receipt, error) {
	panic("todo")
}

// Sweep removes what deletions staged before a time and have left, for maintenance.
func (e *Engine) Sweep(ctx context.Context, workspace string, before time.Time) (removed int64, err error) {
	panic("todo")
}

// Clean has maintenance remove the old versions of a store that are due: data files, the
// versions and checkpoints of the log whose statistics may name keys; and notes in the
// receipts when none is left.
func (e *Engine) Clean(ctx context.Context, workspace, view string, now window.Time) (cleaned int, err error) {
	panic("todo")
}
