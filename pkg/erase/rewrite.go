package erase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// saveEvery is how often Rewrite notes how far it came.
const saveEvery = 30 * time.Second

// Rewritten counts what one batch did.
type Rewritten struct {
	Files int   `json:"files"`
	Rows  int64 `json:"rows"` // erased
}

// Rewrite rewrites the files of a batch of a store, both counted from 0. The result is
// in the bucket; repeated, it goes on where it stopped. Progress counts rows.
func (e *Engine) Rewrite(ctx context.Context, s Staged, p Plan, number, batch int, now window.Time, onProgress func(rows int64)) (Rewritten, error) {
	st, err := e.open(ctx, s, p, number, now)
	if err != nil || st == nil || st.table == nil {
		return Rewritten{}, err
	}
	var files []offline.File
	if _, err := e.get(ctx, s.object(batchObject(number, batch)), &files); err != nil {
		return Rewritten{}, err
	}
	b := &rewriting{engine: e, store: st, key: s.object(rewrittenObject(number, batch)), saved: time.Now(), report: onProgress}
	if _, err := e.get(ctx, b.key, &b.done); err != nil {
		return Rewritten{}, err
	}
	if err := b.run(ctx, files); err != nil {
		return Rewritten{}, fmt.Errorf("rewrite files of %s without the keys: %w", st.target.Store(), err)
	}
	out := Rewritten{Files: len(b.done)}
	for _, r := range b.done {
		out.Rows += r.Erased
	}
	return out, nil
}

// rewriting is a batch that is being rewritten.
type rewriting struct {
	engine *Engine
	store  *store
	key    string // of what was done
	done   []offline.Rewrite
	saved  time.Time
	read   int64 // rows of the files before the current one
	report func(rows int64)
}

func (b *rewriting) run(ctx context.Context, files []offline.File) error {
	done := map[string]bool{}
	for _, r := range b.done {
		done[r.Path] = true
	}
	for _, f := range files {
		if done[f.Path] {
			continue
		}
		r, err := b.store.table.Rewrite(ctx, f, b.store.keys, len(b.store.target.View.JoinKeys()), b.progress)
		if errors.Is(err, offline.ErrHistoryGone) {
			continue // it was replaced since, and what took its place is the erasure's to see to
		}
		if err != nil {
			return errors.Join(err, b.save(ctx))
		}
		b.done = append(b.done, r)
		b.read += f.Rows
		if time.Since(b.saved) > saveEvery {
			if err := b.save(ctx); err != nil {
				return err
			}
		}
	}
	return b.save(ctx)
}

func (b *rewriting) progress(rows int64) {
	if b.report != nil {
		b.report(b.read + rows)
	}
}

func (b *rewriting) save(ctx context.Context) error {
	b.saved = time.Now()
	return b.engine.put(ctx, b.key, b.done)
}

// EraseOffline commits the erasure of a store. Repeated, it tells what it did.
func (e *Engine) EraseOffline(ctx context.Context, s Staged, p Plan, number int, job string, now window.Time, onProgress func(rows int64)) (offline.Erased, error) {
	st, err := e.open(ctx, s, p, number, now)
	if err != nil || st == nil || st.table == nil || !st.plan.Offline {
		return offline.Erased{}, err
	}
	var rewrites []offline.Rewrite
	for batch := range st.plan.Batches {
		var done []offline.Rewrite
		if _, err := e.get(ctx, s.object(rewrittenObject(number, batch)), &done); err != nil {
			return offline.Erased{}, err
		}
		rewrites = append(rewrites, done...)
	}
	erased, err := st.table.Erase(ctx, offline.Erasure{
		ID: "delete-keys-" + s.ID, Job: job, Generation: st.plan.Generation, Online: s.Online || st.plan.Online,
		Keys: st.keys, Object: s.Object, Fields: len(s.JoinKeys), Rewrites: rewrites, OnProgress: onProgress,
	})
	if err != nil {
		return offline.Erased{}, fmt.Errorf("erase keys of %s: %w", st.target.Store(), err)
	}
	// The log before this version can only go once a checkpoint after it is old enough.
	if _, err := st.table.Checkpoint(ctx, 1); err != nil {
		return offline.Erased{}, err
	}
	return erased, e.put(ctx, s.object(erasedObject(number)), erased)
}
