package delta

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// minRetention is the least that a vacuum may be asked for: readers of other
// programs know nothing of ours.
const minRetention = 24 * time.Hour

const (
	defaultMaxVacuumed = 10_000
	deletesAtOnce      = 8
)

// Vacuum implements offline.Maintainer. Why it is safe beside writers: it computes
// which files are old first, and then commits a version that does nothing. Whoever
// commits after that version has planned after it, so at a time when the files that
// it adds were younger than a quarter of the retention: those are not old. Whoever
// committed before is in the state that is read after that version. So of the old
// files those that this state does not name are never named again.
//
// Objects whose names are not of our form are another program's, and stay.
func (t *table) Vacuum(ctx context.Context, r offline.VacuumRequest) (offline.VacuumResult, error) {
	result, err := t.vacuum(ctx, r)
	if err != nil {
		return offline.VacuumResult{}, fmt.Errorf("vacuum %q, commit %s: %w", t.spec.Path, r.ID, err)
	}
	return result, nil
}

func (t *table) vacuum(ctx context.Context, r offline.VacuumRequest) (offline.VacuumResult, error) {
	r, err := t.withVacuumDefaults(r)
	if err != nil {
		return offline.VacuumResult{}, err
	}
	limits := t.limits(r.Retention)
	s, err := t.history.advance(ctx, false)
	if err != nil {
		return offline.VacuumResult{}, err
	}
	if limits.newest, err = t.settled(ctx, s); err != nil {
		return offline.VacuumResult{}, err
	}
	old, more, err := t.listOld(ctx, s, limits, r.MaxFiles)
	if err != nil {
		return offline.VacuumResult{}, err
	}
	result := offline.VacuumResult{Version: s.number, More: more}
	if len(old) > 0 && !r.DryRun {
		var next *state
		if next, result.Version, err = t.announce(ctx, r); err != nil {
			return offline.VacuumResult{}, err
		}
		old = slices.DeleteFunc(old, func(o oldFile) bool { return !s.dead(o) && next.needs(o, limits) })
		if err := t.deleteFiles(ctx, old, r.OnProgress); err != nil {
			return offline.VacuumResult{}, err
		}
	}
	result.Files = len(old)
	for _, o := range old {
		result.Bytes += o.size
	}
	return result, nil
}

func (t *table) withVacuumDefaults(r offline.VacuumRequest) (offline.VacuumRequest, error) {
	if r.Retention == 0 {
		r.Retention = t.opts.Retention
	}
	switch {
	case r.ID == "":
		return r, errors.New("commit has no id")
	case r.Retention < 0 || r.MaxFiles < 0:
		return r, fmt.Errorf("retention of %v or %d files are negative", r.Retention, r.MaxFiles)
	case r.Retention > t.opts.Retention: // what was removed before is forgotten
		return r, fmt.Errorf("retention of %v is more than %v, for which the table remembers", r.Retention, t.opts.Retention)
	case r.Retention < minRetention && !t.opts.ShortRetention:
		return r, fmt.Errorf("retention of %v is less than %v", r.Retention, minRetention)
	}
	if r.MaxFiles == 0 {
		r.MaxFiles = defaultMaxVacuumed
	}
	if r.OnProgress == nil {
		r.OnProgress = func(int64) {}
	}
	return r, nil
}

// limits are the times before which files are old.
type limits struct {
	uploaded window.Time // never named, or removed at an unknown time
	removed  window.Time
	newest   window.Time // when the newest version, which removed files, was there
}

// limits never calls a file old that a writer may still commit, whatever retention
// is asked for: writers go by the store's.
func (t *table) limits(retention time.Duration) limits {
	now := window.FromTime(t.opts.Now())
	return limits{uploaded: now.Add(-t.opts.Retention), removed: now.Add(-retention)}
}

// oldFile is a data file that a state does not need.
type oldFile struct {
	path     string // relative to the table
	size     int64
	uploaded window.Time
}

// needs reports whether o must stay: it is live, or was removed or uploaded lately. A
// fence may stay longer than it is known.
func (s *state) needs(o oldFile, l limits) bool {
	if _, live := s.files[o.path]; live || s.fencedBy(o.path) {
		return true
	}
	removed := s.tombstones[o.path]
	if removed == unsettled {
		removed = l.newest
	}
	if removed > 0 {
		return removed >= l.removed
	}
	return o.uploaded >= l.uploaded
}

// dead reports whether o is known to have been removed. Then it is never named again.
func (s *state) dead(o oldFile) bool {
	_, dead := s.tombstones[o.path]
	return dead
}

// settled returns the time by which the removals of the newest version could be seen.
func (t *table) settled(ctx context.Context, s *state) (window.Time, error) {
	if len(s.fresh) == 0 {
		return 0, nil
	}
	info, err := t.bucket.Stat(ctx, versionKey(t.spec.Path, s.number))
	if err != nil {
		return 0, fmt.Errorf("look at the newest version: %w", err)
	}
	return max(window.FromTime(info.ModTime), s.clock), nil
}

// dataFile is the form of a data file's path; the first group is the upload's time.
var dataFile = regexp.MustCompile(`^` + partitionColumn + `=[0-9-]+/(-?[0-9]+)-[A-Za-z0-9._-]+-[0-9a-f]{12}\.parquet$`)

// listOld returns up to limit files that s does not need, and whether there are more.
func (t *table) listOld(ctx context.Context, s *state, l limits, limit int) (old []oldFile, more bool, err error) {
	folder := t.spec.Path + "/"
	for _, of := range []string{partitionColumn + "=", fenceFolder} {
		for info, err := range t.bucket.List(ctx, folder+of, "") {
			if err != nil {
				return nil, false, fmt.Errorf("list files: %w", err)
			}
			o, ok := parseOldFile(strings.TrimPrefix(info.Key, folder), info)
			if !ok || s.needs(o, l) {
				continue
			}
			if len(old) == limit {
				return old, true, nil
			}
			old = append(old, o)
		}
	}
	return old, false, nil
}

// parseOldFile takes the later of the writer's time of the upload and the store's,
// so that one wrong clock deletes nothing.
func parseOldFile(path string, info bucket.Info) (oldFile, bool) {
	match := dataFile.FindStringSubmatch(path)
	if match == nil {
		match = fenceForm.FindStringSubmatch(path)
	}
	if match == nil {
		return oldFile{}, false
	}
	named, err := strconv.ParseInt(match[1], 10, 64)
	return oldFile{path, info.Size, max(window.Time(named), window.FromTime(info.ModTime))}, err == nil
}

// announce commits a version that does nothing, and returns the state after it. A
// call that is repeated needs a version of its own, hence an id of its own.
func (t *table) announce(ctx context.Context, r offline.VacuumRequest) (*state, int64, error) {
	number, err := t.publish(ctx, func(_ context.Context, s *state) (*plan, error) {
		id := r.ID
		if _, used := s.committedBy(id); used {
			id = fmt.Sprintf("%s.%d", r.ID, s.number+1)
		}
		out := newPlan("VACUUM", id, r.Job)
		out.parameters["retention"] = r.Retention.String()
		return out, nil
	})
	if err != nil {
		return nil, 0, err
	}
	s, err := t.history.advance(ctx, false)
	return s, number, err
}

func (t *table) deleteFiles(ctx context.Context, files []oldFile, onProgress func(int64)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletesAtOnce)
	var mu sync.Mutex
	deleted := int64(0)
	for _, o := range files {
		group.Go(func() error {
			if err := t.bucket.Delete(ctx, t.spec.Path+"/"+o.path); err != nil {
				return fmt.Errorf("delete %s: %w", o.path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			deleted++
			onProgress(deleted)
			return nil
		})
	}
	return group.Wait()
}
