package materialize

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tilery/tilery/pkg/ledger"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

// maxJobsLookedAt bounds how many of a view's jobs, the newest, may use a store.
const maxJobsLookedAt = 1000

// RemoveStores removes the stores of a workspace that no definition has used for the
// retention, those of deleted views too: files, cells of every epoch, and what jobs
// handed on. Which stores there are, the bucket tells.
//
// A definition may come back at the same moment, and its store with it. So a store is
// given up first, by a generation that is put only if the newest is the one that was
// looked at: from then on its name is never used again, and what is below it can be
// deleted by anybody at any time. A job that runs for a store since before it was
// retired keeps it.
func (e *Engine) RemoveStores(ctx context.Context, workspace string, now window.Time, r MaintainRequest) (Maintained, error) {
	names, err := e.storedNames(ctx, workspace)
	if err != nil {
		return Maintained{}, err
	}
	gone, err := e.giveUp(ctx, workspace, names, now, r.DryRun)
	if err != nil {
		return Maintained{}, err
	}
	d := e.newDeletion(r)
	d.done.Stores = gone
	for _, name := range gone {
		if d.done.More {
			break
		}
		if !r.DryRun {
			if err := e.Online.DropTree(ctx, workspace+"/"+name); err != nil {
				return Maintained{}, fmt.Errorf("remove store %s of %s: %w", name, workspace, err)
			}
		}
		// Of the files last, since they tell that there is something to remove.
		for _, prefix := range []string{buildsPrefix, offlinePrefix} {
			if err := d.below(ctx, prefix+workspace+"/"+name+"/"); err != nil {
				return Maintained{}, fmt.Errorf("remove store %s of %s: %w", name, workspace, err)
			}
		}
	}
	return d.done, nil
}

// giveUp returns those of the named stores that nobody will ever use, once the newest
// generation says so.
func (e *Engine) giveUp(ctx context.Context, workspace string, names []string, now window.Time, dryRun bool) ([]string, error) {
	since := time.Now().Add(-e.Maintenance.WithDefaults().StoreRetention)
	for range maxSwitchTries {
		g, used, err := e.Registry.UsedSince(ctx, workspace, since)
		if err != nil {
			return nil, err
		}
		var gone, unused []string
		for _, name := range names {
			if slices.Contains(g.Removed, name) {
				gone = append(gone, name)
				continue
			}
			working, err := e.working(ctx, workspace, name, used)
			if err != nil {
				return nil, err
			}
			if !working {
				unused = append(unused, name)
			}
		}
		if dryRun || len(unused) == 0 {
			return append(gone, unused...), nil
		}
		_, err = e.Registry.Remove(ctx, workspace, g.Number, unused, now)
		if err == nil {
			return append(gone, unused...), nil
		}
		if !errors.Is(err, registry.ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("remove stores of workspace %s: lost %d times: %w", workspace, maxSwitchTries, registry.ErrConflict)
}

// working reports whether a store is used, or a job that has not ended fills it.
func (e *Engine) working(ctx context.Context, workspace, name string, used map[string]bool) (bool, error) {
	if used[name] || e.Ledger == nil {
		return used[name], nil
	}
	view, fingerprint, _ := strings.Cut(name, "/")
	jobs, err := e.Ledger.Jobs(ctx, workspace, view, maxJobsLookedAt)
	if err != nil {
		return false, err
	}
	for _, job := range jobs {
		if job.State.Final() || job.Type == ledger.Maintenance {
			continue
		}
		history, err := e.Ledger.Get(ctx, workspace, view, job.ID)
		if err != nil {
			return false, err
		}
		if history.Last().Fingerprint == fingerprint {
			return true, nil
		}
	}
	return false, nil
}

// storedNames returns the stores of a workspace of which there is anything in the
// bucket, as view/fingerprint, in order. It costs one list for each.
func (e *Engine) storedNames(ctx context.Context, workspace string) ([]string, error) {
	var names []string
	for _, folder := range []string{offlinePrefix, buildsPrefix} {
		prefix := folder + workspace + "/"
		for after := ""; ; {
			name, err := e.nextName(ctx, prefix, after)
			if err != nil {
				return nil, fmt.Errorf("list stores of %s: %w", workspace, err)
			}
			if name == "" {
				break
			}
			names = append(names, name)
			after = prefix + name + "0" // the byte after the slash: past all of it
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// storeName is the form of a store's name; what has another is not ours to judge.
var storeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*/[0-9a-f]{16}(-[0-9]+)?$`)

// nextName returns the store of the first object after a key; empty if there is none.
func (e *Engine) nextName(ctx context.Context, prefix, after string) (string, error) {
	for info, err := range e.Bucket.List(ctx, prefix, after) {
		if err != nil {
			return "", err
		}
		parts := strings.SplitN(strings.TrimPrefix(info.Key, prefix), "/", 3)
		if name := strings.Join(parts[:min(len(parts), 2)], "/"); len(parts) == 3 && storeName.MatchString(name) {
			return name, nil
		}
	}
	return "", nil
}
