package materialize

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
)

const (
	maxDeletes    = 10_000 // of one call
	deletesAtOnce = 8
)

// stagedPrefixes are where the activities of a view's jobs hand on to later ones what
// does not travel through Temporal.
func stagedPrefixes(workspace, view string) []string {
	return []string{buildsPrefix + workspace + "/" + view + "/"}
}

// RemoveStaged deletes what jobs of a view handed on and nobody needs any more. A job
// that asks for it all the same builds its windows again.
func (e *Engine) RemoveStaged(ctx context.Context, workspace, view string, r MaintainRequest) (Maintained, error) {
	d := e.newDeletion(r)
	d.before = time.Now().Add(-e.Maintenance.WithDefaults().Retention)
	for _, prefix := range stagedPrefixes(workspace, view) {
		if err := d.below(ctx, prefix); err != nil {
			return Maintained{}, err
		}
	}
	return d.done, nil
}

// deletion deletes objects, at most maxDeletes.
type deletion struct {
	bucket  bucket.Bucket
	request MaintainRequest
	before  time.Time // only what was put before it; zero: everything
	done    Maintained
	mu      sync.Mutex
	deleted int64
}

func (e *Engine) newDeletion(r MaintainRequest) *deletion {
	return &deletion{bucket: e.Bucket, request: r}
}

// below deletes the objects with a prefix.
func (d *deletion) below(ctx context.Context, prefix string) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(deletesAtOnce)
	listErr := d.list(groupCtx, prefix, func(key string) { group.Go(func() error { return d.delete(groupCtx, key) }) })
	if err := group.Wait(); err != nil {
		return err
	}
	return listErr
}

func (d *deletion) list(ctx context.Context, prefix string, each func(key string)) error {
	for info, err := range d.bucket.List(ctx, prefix, "") {
		switch {
		case err != nil:
			return fmt.Errorf("list %s: %w", prefix, err)
		case !d.before.IsZero() && !info.ModTime.Before(d.before):
			continue
		case d.done.Removed == maxDeletes:
			d.done.More = true
			return nil
		}
		d.done.Removed++
		d.done.Bytes += info.Size
		if !d.request.DryRun {
			each(info.Key)
		}
	}
	return nil
}

func (d *deletion) delete(ctx context.Context, key string) error {
	if err := d.bucket.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deleted++
	d.request.report(d.deleted)
	return nil
}
