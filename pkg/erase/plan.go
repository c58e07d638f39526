package erase

import (
	"context"
	"fmt"
	"slices"

	"github.com/tilery/tilery/pkg/forget"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/window"
)

// maxBatches bounds the batches of a store: of a table with more than that in batches
// of Options.BatchBytes they are larger.
const maxBatches = 256

// Plan is what a deletion does: for each store of the view, those that are retired
// included, the files that may hold a key, in batches.
type Plan struct {
	Stores []StorePlan `json:"stores"`
}

// StorePlan is the part of one store. One that is neither offline nor online is left as
// it is: see the package.
type StorePlan struct {
	Generation  int64  `json:"generation"` // of its definition
	Fingerprint string `json:"fingerprint"`
	Retired     bool   `json:"retired,omitempty"`
	Offline     bool   `json:"offline"`
	Online      bool   `json:"online"`
	Files       int    `json:"files"`
	Bytes       int64  `json:"bytes"`
	Batches     int    `json:"batches"` // at most 256
}

// Plan finds the stores and their files, and puts the fence that Forget asks for.
// onProgress counts files and stores, and may be nil.
func (e *Engine) Plan(ctx context.Context, s Staged, now window.Time, onProgress func(found int64)) (Plan, error) {
	var p Plan
	if made, err := e.get(ctx, s.object(planObject), &p); made || err != nil {
		return p, err
	}
	keys, err := e.keys(ctx, s)
	if err != nil {
		return Plan{}, err
	}
	stores, err := e.stores(ctx, s.Request)
	if err != nil {
		return Plan{}, err
	}
	if err := checkJoinKeys(stores, s.View); err != nil {
		return Plan{}, err
	}
	if !slices.Equal(stores.Newest().View.JoinKeys(), s.JoinKeys) {
		return Plan{}, refuse("the join keys of %s have become (%s)", s.View, names(stores.Newest().View.JoinKeys()))
	}
	if err := e.putFence(ctx, s, keys); err != nil {
		return Plan{}, err
	}
	targets, err := e.Views.ViewStores(ctx, s.Workspace, s.View)
	if err != nil {
		return Plan{}, err
	}
	planning := &planning{engine: e, staged: s, keys: keys, now: now, report: onProgress}
	for number, t := range targets {
		of := StorePlan{Generation: t.Generation, Fingerprint: t.Fingerprint, Retired: stores.Find(t.Fingerprint) == nil}
		if err := planning.store(ctx, t, number, &of); err != nil {
			return Plan{}, fmt.Errorf("plan the deletion from store %s: %w", t.Store(), err)
		}
		p.Stores = append(p.Stores, of)
	}
	return p, e.put(ctx, s.object(planObject), p)
}

func (e *Engine) putFence(ctx context.Context, s Staged, keys *keyset.Set) error {
	if s.Forget == nil {
		return nil
	}
	return e.Fences.Put(ctx, forget.Fence{
		Workspace: s.Workspace, View: s.View, ID: s.ID, Keys: s.JoinKeys, Until: *s.Forget,
	}, keys.Hashed())
}

// planning makes the plan of a deletion.
type planning struct {
	engine *Engine
	staged Staged
	keys   *keyset.Set
	now    window.Time
	report func(found int64)
	found  int64
}

func (p *planning) progress(found int) {
	if p.found += int64(found); p.report != nil {
		p.report(p.found)
	}
}

// store says what is to be done to a store, and lists its files. Cells that are left of
// when the view was online go with its rows: were it online again, nobody would look for
// them.
func (p *planning) store(ctx context.Context, t *materialize.Target, number int, of *StorePlan) error {
	defer p.progress(1)
	e, s := p.engine, p.staged
	if !slices.Equal(t.View.JoinKeys(), s.JoinKeys) {
		return nil
	}
	_, _, cells, err := online.ReadStatus(ctx, e.Views.Online, t.Store())
	if err != nil {
		return err
	}
	of.Online = cells && (s.Online || !t.View.Online)
	if !s.Offline {
		return nil
	}
	table, err := e.Views.Existing(ctx, t, p.now)
	if err != nil || table == nil {
		return err
	}
	of.Offline = true
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return err
	}
	return p.files(ctx, table.MayHold(snapshot, p.keys), number, of)
}

// files divides the files of a store into batches.
func (p *planning) files(ctx context.Context, files []offline.File, number int, of *StorePlan) error {
	for _, f := range files {
		of.Bytes += f.Size
	}
	of.Files = len(files)
	limit := max(p.engine.Options.withDefaults().BatchBytes, (of.Bytes+maxBatches-1)/maxBatches)
	for len(files) > 0 {
		n, bytes := 0, int64(0)
		for ; n < len(files) && bytes < limit; n++ {
			bytes += files[n].Size
		}
		if err := p.engine.put(ctx, p.staged.object(batchObject(number, of.Batches)), files[:n]); err != nil {
			return err
		}
		p.progress(n)
		of.Batches++
		files = files[n:]
	}
	return nil
}
