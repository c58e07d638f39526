package erase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/dataset"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/keyset"
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
	MaxKeys    int              // of a request, at most keyset.MaxKeys: 10,000
	KeyBytes   int64            // of the data frame with the keys: 256 MiB
	BatchBytes int64            // of the files that one call of Rewrite reads, if there are not too many: 1 GiB
	Now        func() time.Time // real time: time.Now
}

func (o Options) withDefaults() Options {
	o.MaxKeys = min(cmp.Or(o.MaxKeys, 10_000), keyset.MaxKeys)
	o.KeyBytes = cmp.Or(o.KeyBytes, 256<<20)
	o.BatchBytes = cmp.Or(o.BatchBytes, 1<<30)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
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
	// Forget holds rows of the keys before this time back until the fence is lifted. It
	// may lie in the future: at window.MaxTime nothing of a key comes back.
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

// keys reads what was staged.
func (e *Engine) keys(ctx context.Context, s Staged) (*keyset.Set, error) {
	data, err := e.Bucket.Get(ctx, s.Object)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, fmt.Errorf("%w: what deletion %s was to delete was removed since %v: ask for it again", ErrRefused, s.ID, s.StagedAt)
	}
	if err != nil {
		return nil, fmt.Errorf("read the keys of deletion %s: %w", s.ID, err)
	}
	set, err := keyset.Decode(data)
	if err == nil && set.Hashed().Digest() != s.Digest {
		err = fmt.Errorf("%w: it is another one", keyset.ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("keys of deletion %s: %w", s.ID, err)
	}
	return set, nil
}

// store is a store of a plan, as it is now.
type store struct {
	number int
	plan   StorePlan
	target *materialize.Target
	table  offline.Table // nil: there is none
	keys   *keyset.Set
}

// open returns a store of a plan; nil if it was removed since.
func (e *Engine) open(ctx context.Context, s Staged, p Plan, number int, now window.Time) (*store, error) {
	if number < 0 || number >= len(p.Stores) {
		return nil, fmt.Errorf("deletion %s has %d stores, none of number %d", s.ID, len(p.Stores), number)
	}
	t, table, err := e.stored(ctx, s.Workspace, s.View, p.Stores[number], now)
	if err != nil || t == nil {
		return nil, err
	}
	keys, err := e.keys(ctx, s)
	return &store{number, p.Stores[number], t, table, keys}, err
}

// stored returns the target and the table of a store; no target if it was removed.
func (e *Engine) stored(ctx context.Context, workspace, view string, p StorePlan, now window.Time) (*materialize.Target, offline.Table, error) {
	newest, err := e.Views.Registry.Latest(ctx, workspace)
	if err != nil || slices.Contains(newest.Removed, view+"/"+p.Fingerprint) {
		return nil, nil, err
	}
	t, err := e.Views.Target(ctx, workspace, p.Generation, view)
	if err != nil {
		return nil, nil, err
	}
	t.Fingerprint = p.Fingerprint
	table, err := e.Views.Existing(ctx, t, now)
	return t, table, err
}
