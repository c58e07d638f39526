package erase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/registry"
)

// Where deletions have their objects.
const (
	stagedPrefix  = "deletions/"
	receiptPrefix = "receipts/"
)

// object names what a deletion hands on from step to step.
func (s Staged) object(name string) string {
	return stagedPrefix + s.Workspace + "/" + s.View + "/" + s.ID + "/" + name
}

// The objects of a deletion.
const (
	keysObject     = "keys"
	planObject     = "plan.json"
	datasetsObject = "datasets.json" // those that are removed
)

func batchObject(store, batch int) string { return fmt.Sprintf("store-%d-batch-%d.json", store, batch) }

func rewrittenObject(store, batch int) string {
	return fmt.Sprintf("store-%d-batch-%d-done.json", store, batch)
}

func erasedObject(store int) string { return fmt.Sprintf("store-%d-erased.json", store) }

func onlineObject(store int) string { return fmt.Sprintf("store-%d-online.json", store) }

// get reads an object of a deletion into out, and reports whether it is there.
func (e *Engine) get(ctx context.Context, key string, out any) (bool, error) {
	data, err := e.Bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", key, err)
	}
	return true, nil
}

func (e *Engine) put(ctx context.Context, key string, content any) error {
	data, err := json.Marshal(content)
	if err == nil {
		err = e.Bucket.Put(ctx, key, data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// Discard removes what was staged.
func (e *Engine) Discard(ctx context.Context, s Staged) error {
	_, err := e.removeBelow(ctx, s.object(""), time.Time{})
	return err
}

// Sweep removes what deletions staged before a time and have left, for maintenance,
// fences that are orphans since before it, and what is left of fences that were lifted.
func (e *Engine) Sweep(ctx context.Context, workspace string, before time.Time) (removed int64, err error) {
	if err := registry.CheckWorkspace(workspace); err != nil {
		return 0, err
	}
	if removed, err = e.removeBelow(ctx, stagedPrefix+workspace+"/", before); err != nil {
		return removed, err
	}
	orphans := &orphans{engine: e, workspace: workspace}
	more, err := e.Fences.Sweep(ctx, workspace, before, func(view, id string) (bool, error) { return orphans.has(ctx, view, id) })
	return removed + more, err
}

// removeBelow removes objects, only those that were put before a time unless it is zero.
func (e *Engine) removeBelow(ctx context.Context, prefix string, before time.Time) (removed int64, err error) {
	for info, err := range e.Bucket.List(ctx, prefix, "") {
		if err == nil && (before.IsZero() || info.ModTime.Before(before)) {
			err = e.Bucket.Delete(ctx, info.Key)
			removed++
		}
		if err != nil {
			return removed, fmt.Errorf("remove %s: %w", strings.TrimSuffix(prefix, "/"), err)
		}
	}
	return removed, nil
}
